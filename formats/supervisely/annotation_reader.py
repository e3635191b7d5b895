"""Reads Supervisely annotations of all years.

`read_annotation` is for those who draw the objects' masks; `placed_objects` cuts the
entries of the file to the image. Both go through `read_objects`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from formats.errors import AnnotationFileError
from formats.problem_list import ProblemList
from formats.quoted import quoted, quoted_name
from formats.supervisely.figures import Figure, read_figure
from formats.supervisely.meta import ProjectMeta

Read = TypeVar("Read")


@dataclass(frozen=True)
class Annotation:
    """What an annotation file says.

    Attributes:
        size: (height, width) of the image as people see it, pixels.
        tags: names of the image's tags, in the order of the file.
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
        AnnotationFileError: lists every unknown class, shape and tag, and what is
            missing.
    """
    size = read_size(content)
    figures = read_objects(content, meta, read_figure)
    tags = tuple(_tag_name(tag) for tag in content["tags"])
    return Annotation(size, tags, tuple(figures))


def read_objects(
    content: Any,
    meta: ProjectMeta,
    read: Callable[[Any, Mapping[str, str]], Read],
) -> list[Read]:
    """Reads the objects of an annotation file, and checks its tags and theirs.

    Args:
        content: the file's JSON, which `read_size` takes.
        meta: classes and tags that it may use.
        read: reads an entry of `objects`, given the shapes of the classes; raises
            AnnotationFileError.

    Raises:
        AnnotationFileError: lists the problems of all objects, unknown tags, and what
            is missing.
    """
    problems = ProblemList()
    for key in ("tags", "objects"):
        if not isinstance(content.get(key), list):
            problems.add(f"{key}: expected a list, got {quoted(content.get(key))}")
    known = {tag.name for tag in meta.tags}
    problems.extend(_unknown_tags("tags", content.get("tags"), known))
    shapes = {c.title: c.shape for c in meta.classes}
    objects = []
    for index, entry in enumerate(_listed(content.get("objects"))):
        path = f"objects[{index}]"
        try:
            objects.append(read(entry, shapes))
        except AnnotationFileError as err:
            problems.extend(f"{path}: {problem}" for problem in err.problems)
        else:
            problems.extend(_unknown_tags(f"{path}.tags", entry.get("tags"), known))
    if problems:
        raise AnnotationFileError(*problems)
    return objects


def read_size(content: Any) -> tuple[int, int]:
    """Reads (height, width) of the image out of an annotation file's JSON.

    Raises:
        AnnotationFileError: they are not there.
    """
    try:
        size = content["size"]
        height, width = size["height"], size["width"]
    except (KeyError, TypeError) as err:
        raise AnnotationFileError(
            'expected {"size": {"height", "width"}, "tags", "objects"}, got '
            f"{quoted(content)}"
        ) from err
    if not all(type(side) is int and side >= 1 for side in (height, width)):
        raise AnnotationFileError(f"size: expected pixels, got {quoted(size)}")
    return height, width


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _tag_name(tag: Any) -> Any:
    """Returns the name of a tag; old files have bare names."""
    return tag.get("name") if isinstance(tag, dict) else tag


def _unknown_tags(path: str, tags: Any, known: set[str]) -> list[str]:
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
