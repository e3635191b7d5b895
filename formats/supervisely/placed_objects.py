"""Objects of an annotation where the picture has them: cut to it, with their boxes.

Supervisely does this whenever it reads an annotation. What lies in the picture keeps
its entry as the file has it.

Frame: the picture, points [x, y] in the file, boxes (y1, x1, y2, x2) half-open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from formats.errors import AnnotationError
from formats.mask_crop import MaskCrop, clip_crop
from formats.problem_list import ProblemList
from formats.quoted import quoted, quoted_name
from formats.supervisely.annotation_reader import read_size, unknown_tags
from formats.supervisely.bitmap import read_bitmap, write_bitmap
from formats.supervisely.clip import Polygon, WholePoint, clip_line, clip_polygon
from formats.supervisely.figures import ANY, SHAPES, read_polygon
from formats.supervisely.meta import BITMAP, ProjectMeta

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class PlacedObject:
    """One object within its picture.

    Attributes:
        class_title: its class.
        content: its entry of the file.
        box: (y1, x1, y2, x2) around it, whole pixels, half-open; None for shapes that
            are neither masks nor points of one outline.
    """

    class_title: str
    content: Mapping[str, Any]
    box: Box | None


@dataclass(frozen=True)
class PlacedAnnotation:
    """An annotation, its objects cut to the picture.

    Attributes:
        size: (height, width) of the picture as people see it, pixels.
        content: everything of the file but its objects.
        objects: in the order of the file; the border may have cut one into several.
        outside: how many objects lay outside of the picture and are left out.
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
        AnnotationError: lists every unknown class and tag, and every object without a
            readable geometry.
    """
    size = read_size(content)
    known = {tag.name for tag in meta.tags}
    shapes = {c.title: c.shape for c in meta.classes}
    problems, outside = ProblemList(), 0
    objects: list[PlacedObject] = []
    for key in ("tags", "objects"):
        if not isinstance(content.get(key), list):
            problems.add(f"{key}: expected a list, got {quoted(content.get(key))}")
    if not problems:
        problems.extend(unknown_tags("tags", content["tags"], known))
        for index, entry in enumerate(content["objects"]):
            path = f"objects[{index}]"
            try:
                placed = _place(entry, shapes, size)
            except AnnotationError as err:
                problems.extend(f"{path}: {problem}" for problem in err.problems)
                continue
            problems.extend(unknown_tags(f"{path}.tags", entry.get("tags"), known))
            objects += placed
            outside += not placed
    if problems:
        raise AnnotationError(*problems)
    rest = {key: value for key, value in content.items() if key != "objects"}
    return PlacedAnnotation(size, rest, tuple(objects), outside)


def _place(
    entry: Any, shapes: Mapping[str, str], size: tuple[int, int]
) -> list[PlacedObject]:
    """Returns an object, or its parts; nothing where it lies outside."""
    if not isinstance(entry, Mapping):
        raise AnnotationError(f"expected an object, got {quoted_name(entry)}")
    title = entry.get("classTitle")
    if not isinstance(title, str) or title not in shapes:
        raise AnnotationError(
            f"unknown class {quoted_name(title)}; add it to meta.json or remove the "
            "object"
        )
    shape = shapes[title]
    if shape == ANY:
        shape = entry.get("geometryType") or entry.get("shape") or ANY
    if shape == BITMAP:
        return _place_bitmap(title, entry, size)
    if shape not in SHAPES:
        return [PlacedObject(title, entry, None)]
    polygon = read_polygon(entry, shape)
    parts = _cut(polygon, shape, size)
    if parts == [polygon]:
        return [PlacedObject(title, entry, _box(polygon.exterior))]
    return [
        PlacedObject(title, dict(entry) | {"points": _points(p)}, _box(p.exterior))
        for p in parts
    ]


def _place_bitmap(
    title: str, entry: Mapping[str, Any], size: tuple[int, int]
) -> list[PlacedObject]:
    mask, origin = read_bitmap(entry.get(BITMAP), size)
    whole = MaskCrop(*origin, mask)
    inside = clip_crop(whole, size)
    if inside is None:
        return []
    if inside is not whole:
        bitmap = write_bitmap(inside.mask, (inside.y1, inside.x1))
        entry = dict(entry) | {BITMAP: bitmap}
    return [PlacedObject(title, entry, inside.box)]


def _cut(polygon: Polygon, shape: str, size: tuple[int, int]) -> list[Polygon]:
    """Returns what of a figure lies in the picture; itself if nothing sticks out."""
    height, width = size
    points = polygon.exterior
    if all(0 <= x < width and 0 <= y < height for x, y in points):
        return [polygon]
    if shape == "polygon":
        return clip_polygon(polygon, size)
    if shape == "line":
        return [Polygon(part, []) for part in clip_line(points, size)]
    y1, x1, y2, x2 = _box(points)
    y1, x1, y2, x2 = max(y1, 0), max(x1, 0), min(y2, height), min(x2, width)
    if y1 >= y2 or x1 >= x2:
        return []
    return [Polygon([(x1, y1), (x2 - 1, y2 - 1)][: len(points)], [])]


def _box(points: Iterable[WholePoint]) -> Box:
    xs, ys = zip(*points, strict=True)
    return min(ys), min(xs), max(ys) + 1, max(xs) + 1


def _points(polygon: Polygon) -> dict[str, Any]:
    return {
        "exterior": [list(point) for point in polygon.exterior],
        "interior": [[list(point) for point in hole] for hole in polygon.holes],
    }


__all__ = ["PlacedAnnotation", "PlacedObject", "place_annotation"]
