"""`meta.json` of a Supervisely project: its classes and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from formats.errors import AnnotationError

BITMAP = "bitmap"
ANY_NUMBER = "any_number"
NO_VALUE = "none"
DEFAULT_COLOR = "#7F7F7F"
"""Of classes and tags that a file gives no colour."""


@dataclass(frozen=True)
class ClassMeta:
    """One class of a project.

    Attributes:
        title: its name.
        shape: geometry of its objects, "bitmap", "polygon", "rectangle", ...
        color: "#RRGGBB".
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

    def with_added(self, other: ProjectMeta) -> ProjectMeta:
        """Returns both metas in one.

        Raises:
            AnnotationError: a class or a tag is in both.
        """
        _check_new("class", (c.title for c in self.classes), other.classes)
        _check_new("tag", (t.name for t in self.tags), other.tags)
        return ProjectMeta(
            self.classes + other.classes, self.tags + other.tags, self.extra
        )

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
            AnnotationError: no list of classes, an entry without title, shape, name
                or value type, a title twice, or tags in two forms.
        """
        try:
            meta = cls(
                tuple(_read_class(entry) for entry in content["classes"]),
                tuple(_read_tag(entry) for entry in _tag_entries(content)),
                _others(content, "classes", "tags", "tags_images", "tags_objects"),
            )
        except (KeyError, TypeError, AttributeError) as err:
            raise AnnotationError(
                'meta: expected {"classes": [{"title", "shape", "color"}, ...], '
                '"tags": [{"name", "value_type", "color"}, ...]}; '
                f"{type(err).__name__}: {err}"
            ) from err
        for kind, names in (
            ("class", [c.title for c in meta.classes]),
            ("tag", [t.name for t in meta.tags]),
        ):
            if doubled := sorted({n for n in names if names.count(n) > 1}):
                raise AnnotationError(f"meta: {kind} twice: {', '.join(doubled)}")
        return meta


def _tag_entries(content: Mapping[str, Any]) -> list[Any]:
    """Returns the entries of tags; the oldest form has two lists of them.

    There, a name in both lists is one tag, and a bare name is a tag without a value.
    """
    entries = list(content.get("tags") or ())
    oldest: dict[Any, Any] = {}
    for key in ("tags_images", "tags_objects"):
        for entry in content.get(key) or ():
            tag = _bare_tag(entry) if isinstance(entry, str) else entry
            oldest.setdefault(tag["name"], tag)
    if entries and oldest:
        raise AnnotationError(
            "meta: expected tags, or tags_images and tags_objects, got both forms; "
            "remove one"
        )
    return entries or list(oldest.values())


def _bare_tag(name: str) -> dict[str, Any]:
    return {"name": name, "value_type": NO_VALUE, "color": DEFAULT_COLOR}


def _check_new(
    kind: str, names: Iterable[str], added: Iterable[ClassMeta | TagMeta]
) -> None:
    added_names = [a.title if isinstance(a, ClassMeta) else a.name for a in added]
    if clashes := sorted(set(names).intersection(added_names)):
        raise AnnotationError(
            f"{kind} names that the project has already: {', '.join(clashes)}; give "
            "the model's names another suffix (add_suffix)"
        )


def _tag_json(tag: TagMeta) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": tag.name,
        "value_type": tag.value_type,
        "color": tag.color,
    }
    if tag.values:
        entry["values"] = list(tag.values)
    return entry | dict(tag.extra)


def _read_class(entry: Mapping[str, Any]) -> ClassMeta:
    color = entry.get("color") or DEFAULT_COLOR
    title, shape = _text(entry, "title"), _text(entry, "shape")
    return ClassMeta(title, shape, color, _others(entry, "title", "shape", "color"))


def _read_tag(entry: Mapping[str, Any]) -> TagMeta:
    values = tuple(entry.get("values") or ())
    color = entry.get("color") or DEFAULT_COLOR
    name, value_type = _text(entry, "name"), _text(entry, "value_type")
    others = _others(entry, "name", "value_type", "color", "values")
    return TagMeta(name, value_type, color, values, others)


def _others(entry: Mapping[str, Any], *known: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in known}


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry[key]
    if not isinstance(value, str):
        raise TypeError(f"{key}: expected text, got {value!r:.60}")
    return value


__all__ = ["ANY_NUMBER", "BITMAP", "ClassMeta", "ProjectMeta", "TagMeta"]
