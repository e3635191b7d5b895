"""`meta.json` of a Supervisely project: its classes and tags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from formats.drawing.colors import COLOR_FORMS, read_color
from formats.drawing.palette import distinct_color
from formats.errors import AnnotationFileError
from formats.problem_list import MOST, More
from formats.quoted import is_whole_text, quoted

BITMAP = "bitmap"
ANY_NUMBER = "any_number"
NO_VALUE = "none"
DEFAULT_COLOR = "#7F7F7F"
"""Of tags that a file gives no colour; classes get different ones."""


@dataclass(frozen=True)
class ClassMeta:
    """One class of a project.

    Attributes:
        title: its name.
        shape: geometry of its objects, "bitmap", "polygon", "rectangle", ...
        color: "#RRGGBB", whatever the form in the file.
        extra: other keys of its entry, which are written back as they are.
    """

    title: str
    shape: str
    color: str
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class TagMeta:
    """One tag of a project.

    Attributes:
        name: its name.
        value_type: "none", "any_number", "any_string" or "oneof_string".
        color: "#RRGGBB".
        values: what a "oneof_string" may be.
        extra: other keys of its entry, which are written back as they are.
    """

    name: str
    value_type: str
    color: str
    values: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class ProjectMeta:
    """Classes and tags of a project, in the order of the file.

    Attributes:
        classes: its classes.
        tags: its tags.
        extra: other keys of the file, which are written back as they are.
    """

    classes: tuple[ClassMeta, ...] = ()
    tags: tuple[TagMeta, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Returns the content of `meta.json`."""
        return {
            "classes": [
                {"title": c.title, "shape": c.shape, "color": c.color, **c.extra}
                for c in self.classes
            ],
            "tags": [_tag_json(tag) for tag in self.tags],
            **self.extra,
        }

    @classmethod
    def from_json(cls, content: Any) -> ProjectMeta:
        """Reads the content of `meta.json`, of the oldest form too.

        Raises:
            AnnotationFileError: no list of classes, an entry without title, shape, name
                or value type, a title twice, a colour that is none, or tags in two
                forms.
        """
        if not isinstance(content, Mapping):
            raise _unreadable(f"got {quoted(content)}")
        classes = _listed(content, "classes", needed=True)
        meta = cls(
            tuple(_read_class(entry, i) for i, entry in enumerate(classes)),
            tuple(_read_tag(entry, i) for i, entry in enumerate(_tag_entries(content))),
            _others(content, "classes", "tags", "tags_images", "tags_objects"),
        )
        for kind, names in (
            ("class", [c.title for c in meta.classes]),
            ("tag", [t.name for t in meta.tags]),
        ):
            if doubled := sorted(n for n, times in Counter(names).items() if times > 1):
                first, more = doubled[:MOST], len(doubled) - MOST
                text = ", ".join([*first, *([More(more)] if more > 0 else [])])
                raise AnnotationFileError(f"meta: {kind} twice: {text}")
        return meta


def _unreadable(problem: str) -> AnnotationFileError:
    return AnnotationFileError(
        'meta: expected {"classes": [{"title", "shape", "color"}, ...], '
        f'"tags": [{{"name", "value_type", "color"}}, ...]}}; {problem}'
    )


def _listed(content: Mapping[str, Any], key: str, *, needed: bool = False) -> list[Any]:
    value = content.get(key)
    if value is None and not needed:
        return []
    if not isinstance(value, list):
        raise _unreadable(
            f"{key}: expected a list, got {quoted(value)}"
            if key in content
            else f"{key} is missing"
        )
    return value


def _tag_entries(content: Mapping[str, Any]) -> list[Any]:
    """Returns the entries of tags; the oldest form has two lists of them.

    There, a name in both lists is one tag, and a bare name is a tag without a value.
    """
    entries = _listed(content, "tags")
    oldest: dict[str, Any] = {}
    for key in ("tags_images", "tags_objects"):
        for i, entry in enumerate(_listed(content, key)):
            tag = _bare_tag(entry) if isinstance(entry, str) else entry
            oldest.setdefault(_text(tag, "name", f"{key}[{i}]"), tag)
    if entries and oldest:
        raise AnnotationFileError(
            "meta: expected tags, or tags_images and tags_objects, got both forms; "
            "remove one"
        )
    return entries or list(oldest.values())


def _bare_tag(name: str) -> dict[str, Any]:
    return {"name": name, "value_type": NO_VALUE, "color": DEFAULT_COLOR}


def _tag_json(tag: TagMeta) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": tag.name,
        "value_type": tag.value_type,
        "color": tag.color,
    }
    if tag.values:
        entry["values"] = list(tag.values)
    return entry | dict(tag.extra)


def _read_class(entry: Any, index: int) -> ClassMeta:
    where = f"classes[{index}]"
    title, shape = _text(entry, "title", where), _text(entry, "shape", where)
    color = _color(entry, f"class {quoted(title)}") or distinct_color(index + 1)
    return ClassMeta(title, shape, color, _others(entry, "title", "shape", "color"))


def _read_tag(entry: Any, index: int) -> TagMeta:
    where = f"tags[{index}]"
    name, value_type = _text(entry, "name", where), _text(entry, "value_type", where)
    color = _color(entry, f"tag {quoted(name)}") or DEFAULT_COLOR
    values = tuple(_listed(entry, "values"))
    others = _others(entry, "name", "value_type", "color", "values")
    return TagMeta(name, value_type, color, values, others)


def _color(entry: Mapping[str, Any], what: str) -> str | None:
    """Returns "#RRGGBB", or None where the entry gives no colour.

    Raises:
        AnnotationFileError: it gives something else.
    """
    value = entry.get("color")
    if value is None or value == "":
        return None
    color = read_color(value)
    if color is None:
        raise AnnotationFileError(
            f"meta: {what}: color: expected {COLOR_FORMS}, got {quoted(value)}"
        )
    return color


def _others(entry: Mapping[str, Any], *known: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in known}


def _text(entry: Any, key: str, where: str) -> str:
    """Returns a text that can be written to any file."""
    if not isinstance(entry, Mapping):
        raise _unreadable(f"{where}: expected an object, got {quoted(entry)}")
    if key not in entry:
        raise _unreadable(f"{where}: {key} is missing")
    value = entry[key]
    if not isinstance(value, str) or not value or not is_whole_text(value):
        raise _unreadable(f"{where}: {key}: expected text, got {quoted(value)}")
    return value
