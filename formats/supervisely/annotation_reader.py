"""Reads Supervisely annotations of all years."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from formats.errors import AnnotationError
from formats.quoted import quoted, quoted_name
from formats.supervisely.figures import Figure, read_figure
from formats.supervisely.meta import ProjectMeta


@dataclass(frozen=True)
class Annotation:
    """What an annotation file says.

    Attributes:
        size: (height, width) of the picture as people see it, pixels.
        tags: names of the picture's tags, in the order of the file.
        figures: its objects, in the order of the file.
    """

    size: tuple[int, int]
    tags: tuple[str, ...]
    figures: tuple[Figure, ...]


def read_annotation(content: Any, meta: ProjectMeta) -> Annotation:
    """Reads the content of an annotation file; geometry is read when drawn.

    Args:
        content: the file's JSON.
        meta: of its project.

    Raises:
        AnnotationError: lists every unknown class, shape and tag, and what is missing.
    """
    problems: list[str] = []
    size = read_size(content)
    tags, objects = content.get("tags"), content.get("objects")
    for key, value in (("tags", tags), ("objects", objects)):
        if not isinstance(value, list):
            problems.append(f"{key}: expected a list, got {quoted(value)}")
    known = {tag.name for tag in meta.tags}
    names = [_tag_name(tag) for tag in _listed(tags)]
    problems += unknown_tags("tags", tags, known)
    shapes = {c.title: c.shape for c in meta.classes}
    figures = []
    for index, entry in enumerate(_listed(objects)):
        path = f"objects[{index}]"
        try:
            figures.append(read_figure(entry, shapes))
        except AnnotationError as err:
            problems += [f"{path}: {problem}" for problem in err.problems]
        else:
            problems += unknown_tags(f"{path}.tags", entry.get("tags"), known)
    if problems:
        raise AnnotationError(*problems)
    return Annotation(size, tuple(str(name) for name in names), tuple(figures))


def read_size(content: Any) -> tuple[int, int]:
    """Reads (height, width) of the picture out of an annotation file's JSON.

    Raises:
        AnnotationError: they are not there.
    """
    try:
        size = content["size"]
        height, width = size["height"], size["width"]
    except (KeyError, TypeError) as err:
        raise AnnotationError(
            'expected {"size": {"height", "width"}, "tags", "objects"}, got '
            f"{quoted(content)}"
        ) from err
    if not all(type(side) is int and side >= 1 for side in (height, width)):
        raise AnnotationError(f"size: expected pixels, got {quoted(size)}")
    return height, width


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _tag_name(tag: Any) -> Any:
    """Returns the name of a tag; old files have bare names."""
    return tag.get("name") if isinstance(tag, dict) else tag


def unknown_tags(path: str, tags: Any, known: set[str]) -> list[str]:
    """Returns a problem for each tag that a meta does not have.

    Args:
        path: where the tags are, for messages.
        tags: as the file has them; what is no list has none.
        known: names of the meta's tags.
    """
    return [
        f"{path}: unknown tag {quoted_name(name)}; add it to meta.json or remove it"
        for name in map(_tag_name, _listed(tags))
        if not isinstance(name, str) or name not in known
    ]


__all__ = ["Annotation", "read_annotation", "read_size", "unknown_tags"]
