"""Puts the classes and tags of a project and of a model into one meta."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from client.errors import AnnotationError
from client.selection import NameRule, Selection
from formats.quoted import quoted
from formats.supervisely.meta import ClassMeta, ProjectMeta

RECTANGLE = "rectangle"
REGION_COLOR = "#E6C229"
"""Of classes of saved regions; the project gives them none."""

MOST_TOLD = 20
"""Names that an error lists."""
Names = Sequence[tuple[str, str]]
"""Names with a word on where each comes from."""
SavedClass = tuple[ClassMeta, str]
"""The class of saved regions with a word on where it comes from."""


def merge_metas(
    given: ProjectMeta,
    model: ProjectMeta,
    selection: Selection,
    regions: Sequence[SavedClass] = (),
) -> ProjectMeta:
    """Returns the meta of the annotations of a mode.

    Args:
        given: classes and tags that are there already.
        model: classes and tags of the model, under its own names.
        selection: which of these are kept, and their names.
        regions: classes of saved regions, each with a word on where it comes from.

    Raises:
        AnnotationError: a name would be there twice; lists up to 20 such names, each
            with what it comes from.
    """
    renamed = selection.rename_meta(model)
    merged = ProjectMeta(
        (*given.classes, *renamed.classes, *(entry for entry, _ in regions)),
        (*given.tags, *renamed.tags),
        given.extra,
    )
    titles, tags = [c.title for c in merged.classes], [t.name for t in merged.tags]
    if len({*titles}) < len(titles) or len({*tags}) < len(tags):
        raise AnnotationError(*_problems(given, model, selection, regions))
    return merged


def _problems(
    given: ProjectMeta,
    model: ProjectMeta,
    selection: Selection,
    regions: Sequence[SavedClass],
) -> list[str]:
    """Returns what is wrong with a meta of `merge_metas` that has names twice."""
    classes = [(c.title, "a class of the project") for c in given.classes]
    classes += _renamed("class", (c.title for c in model.classes), selection.classes)
    classes += [(entry.title, origin) for entry, origin in regions]
    tags = [(t.name, "a tag of the project") for t in given.tags]
    tags += _renamed("tag", (t.name for t in model.tags), selection.tags)
    problems = [*_clashes("class", classes), *_clashes("tag", tags)]
    if len(problems) > MOST_TOLD:
        more = len(problems) - MOST_TOLD
        problems[MOST_TOLD:] = [f"and {more:,} more names would be there twice"]
    return problems


def _renamed(kind: str, names: Iterable[str], rule: NameRule) -> Names:
    suffix = f" with the suffix {quoted(rule.suffix)}" if rule.suffix else ""
    return [
        (rule.rename(name), f"the model's {kind} {quoted(name)}{suffix}")
        for name in names
        if rule.keeps(name)
    ]


def _clashes(kind: str, names: Names) -> list[str]:
    origins: dict[str, list[str]] = {}
    for name, origin in names:
        origins.setdefault(name, []).append(origin)
    return [
        f"{kind} {quoted(name)} would be there twice: {' and '.join(told)}; give the "
        "new one another name: --suffix on the command line, add_suffix or class_name "
        "in a config"
        for name, told in origins.items()
        if len(told) > 1
    ]


def region_class(title: str, color: str = REGION_COLOR) -> ClassMeta:
    """Returns the class of a saved region."""
    return ClassMeta(title, RECTANGLE, color)
