"""What is known of an image before: its Supervisely annotation and meta."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, NamedTuple, Union

from client.errors import AnnotationError
from client.image import LoadedImage
from formats.errors import AnnotationFileError, ConfigFileError
from formats.json_file import read_json
from formats.supervisely.meta import ProjectMeta
from formats.supervisely.placed_objects import PlacedAnnotation, place_annotation

AnnotationSource = Union[str, "PathLike[str]", Mapping[str, Any]]
MetaSource = Union[str, "PathLike[str]", Mapping[str, Any], ProjectMeta]


def read_meta(source: MetaSource | None) -> ProjectMeta:
    """Reads a `meta.json`, its content, or a meta as it is; None is an empty one.

    Raises:
        AnnotationError: it is not readable.
    """
    if source is None:
        return ProjectMeta()
    if isinstance(source, ProjectMeta):
        return source
    content, where = _content(source, "meta.json")
    try:
        return ProjectMeta.from_json(content)
    except AnnotationFileError as err:
        raise AnnotationError(*(f"{where}: {p}" for p in err.problems)) from err


def given_annotation(
    source: AnnotationSource | None, given: MetaSource | None, meta: ProjectMeta
) -> PlacedAnnotation | None:
    """Reads an annotation file, or its content.

    Args:
        source: the file or its content; None for no annotation.
        given: the meta that came with it.
        meta: classes and tags that it may use.

    Raises:
        AnnotationError: it is not readable, or there is no meta.
    """
    if source is None:
        return None
    if given is None:
        raise AnnotationError(
            "annotation: expected the meta of its project beside it, got none"
        )
    content, where = _content(source, "annotation")
    try:
        return place_annotation(content, meta)
    except AnnotationFileError as err:
        raise AnnotationError(*(f"{where}: {p}" for p in err.problems)) from err


def check_annotated_size(given: PlacedAnnotation, image: LoadedImage) -> None:
    """Checks that an annotation is one of an image of this size.

    Raises:
        AnnotationError: it is not.
    """
    if given.size != image.size:
        raise AnnotationError(
            f"{image.name}: expected an annotation of {_by(image.size)} pixels as "
            f"the picture has, got one of {_by(given.size)}"
        )


class Dropped(NamedTuple):
    """Objects of one image that its new annotation does not have, of one reason.

    Attributes:
        number: how many.
        texts: the warnings about them.
    """

    number: int
    texts: tuple[str, ...]


def outside_objects(given: PlacedAnnotation | None) -> dict[str, Dropped]:
    """Returns what of an annotation is left out, by reason."""
    if given is None or not given.outside:
        return {}
    text = f"{given.outside} objects of the annotation lie outside of the picture"
    return {"of the annotation outside of the image": Dropped(given.outside, (text,))}


def _content(source: Any, name: str) -> tuple[Any, str]:
    """Returns JSON, read if need be, and what messages call it."""
    if isinstance(source, Mapping):
        return source, name
    if not isinstance(source, (str, PathLike)):
        raise AnnotationError(
            f"{name}: expected a file or its content, got {type(source).__name__}"
        )
    try:
        return read_json(source), str(source)
    except ConfigFileError as err:
        raise AnnotationError(*err.problems) from err


def _by(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"
