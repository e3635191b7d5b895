"""Objects of an annotation where the image has them: cut to it, with their boxes.

Supervisely does this whenever it reads an annotation. What lies in the image keeps
its entry as the file has it.

Frame: the image, points [x, y] in the file, boxes (y1, x1, y2, x2) half-open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from formats.mask_crop import CropBox, clip_crop
from formats.supervisely.annotation_reader import read_objects, read_size
from formats.supervisely.bitmap import read_bitmap, write_bitmap
from formats.supervisely.clip import Polygon
from formats.supervisely.drawing import box_around, clip_figure
from formats.supervisely.figures import SHAPES, read_any_figure, read_polygon
from formats.supervisely.meta import BITMAP, ProjectMeta


@dataclass(frozen=True)
class PlacedObject:
    """One object within its image.

    Attributes:
        class_title: its class.
        content: its entry of the file.
        box: (y1, x1, y2, x2) around it, whole pixels, half-open; None for shapes that
            are neither masks nor points of one outline.
    """

    class_title: str
    content: Mapping[str, Any]
    box: CropBox | None


@dataclass(frozen=True)
class PlacedAnnotation:
    """An annotation, its objects cut to the image.

    Attributes:
        size: (height, width) of the image as people see it, pixels.
        content: everything of the file but its objects.
        objects: in the order of the file; the border may have cut one into several.
        outside: how many objects lay outside of the image and are left out.
    """

    size: tuple[int, int]
    content: Mapping[str, Any]
    objects: tuple[PlacedObject, ...] = ()
    outside: int = 0


def place_annotation(content: Any, meta: ProjectMeta) -> PlacedAnnotation:
    """Reads the content of an annotation file.

    Args:
        content: the file's JSON.
        meta: classes and tags that it may use.

    Raises:
        AnnotationFileError: lists every unknown class and tag, and every object
            without a readable geometry.
    """
    size = read_size(content)
    placed = read_objects(
        content, meta, lambda entry, shapes: _place(entry, shapes, size)
    )
    rest = {key: value for key, value in content.items() if key != "objects"}
    objects = tuple(part for parts in placed for part in parts)
    return PlacedAnnotation(size, rest, objects, placed.count([]))


def _place(
    entry: Any, shapes: Mapping[str, str], size: tuple[int, int]
) -> list[PlacedObject]:
    """Returns an object, or its parts; nothing where it lies outside."""
    figure = read_any_figure(entry, shapes)
    title, shape = figure.class_title, figure.shape
    if shape == BITMAP:
        return _place_bitmap(title, entry, size)
    if shape not in SHAPES:
        return [PlacedObject(title, entry, None)]
    polygon = read_polygon(entry, shape)
    parts = clip_figure(polygon, shape, size)
    if parts == [polygon]:
        return [PlacedObject(title, entry, box_around(polygon.exterior))]
    return [
        PlacedObject(
            title, dict(entry) | {"points": _points(part)}, box_around(part.exterior)
        )
        for part in parts
    ]


def _place_bitmap(
    title: str, entry: Mapping[str, Any], size: tuple[int, int]
) -> list[PlacedObject]:
    whole = read_bitmap(entry.get(BITMAP), size)
    inside = clip_crop(whole, size)
    if inside is None:
        return []
    if inside is not whole:
        entry = dict(entry) | {BITMAP: write_bitmap(inside)}
    return [PlacedObject(title, entry, inside.box)]


def _points(polygon: Polygon) -> dict[str, Any]:
    return {
        "exterior": [list(point) for point in polygon.exterior],
        "interior": [[list(point) for point in hole] for hole in polygon.holes],
    }
