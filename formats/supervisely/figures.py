"""Objects of a Supervisely annotation: their class, shape and mask.

Frame: the image, points [x, y].
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from formats.errors import AnnotationFileError
from formats.fractions_of_one import look_like_fractions
from formats.mask_crop import MaskCrop, clip_crop
from formats.quoted import LONGEST, quoted, quoted_name
from formats.supervisely.bitmap import read_bitmap
from formats.supervisely.clip import Polygon, WholePoint
from formats.supervisely.drawing import draw_figure
from formats.supervisely.meta import BITMAP

ANY = "any"
"""Shape of a class whose objects each name their own."""
SHAPES = (BITMAP, "polygon", "rectangle", "line", "point")
"""Shapes of objects that have a mask."""

_FARTHEST = 1_000_000
"""Pixels off the image's corner beyond which a coordinate is taken for an error."""


@dataclass(frozen=True)
class Figure:
    """One object.

    Attributes:
        class_title: its class.
        shape: one of `SHAPES`, if it has a mask.
        content: the entry of the file.
    """

    class_title: str
    shape: str
    content: Mapping[str, Any]

    def draw(self, size: tuple[int, int]) -> list[MaskCrop]:
        """Draws the masks of the object, cut to the image.

        Args:
            size: (height, width) of the image.

        Returns:
            No mask where the object lies outside, several where the border cuts it.

        Raises:
            AnnotationFileError: the geometry is missing or makes no sense.
        """
        if self.shape == BITMAP:
            crop = clip_crop(read_bitmap(self.content.get(BITMAP), size), size)
            return [] if crop is None else [crop]
        polygon = read_polygon(self.content, self.shape)
        return draw_figure(polygon, self.shape, size)

    def has_fractions(self) -> bool:
        """Says whether a figure that was drawn has coordinates like fractions of 1."""
        if self.shape == BITMAP:
            return False
        exterior = self.content["points"]["exterior"]
        return look_like_fractions(value for point in exterior for value in point)

    def is_thin_polygon(self) -> bool:
        """Says whether this is a polygon of under three points, drawn as a line."""
        if self.shape != "polygon":
            return False
        return len(self.content["points"]["exterior"]) < LEAST_CORNERS


LEAST_CORNERS = 3
_MANY = 1 << 62
_COUNTS = {
    "polygon": (1, _MANY),
    "rectangle": (2, 2),
    "line": (2, _MANY),
    "point": (1, 1),
}


def read_figure(content: Any, shapes: Mapping[str, str]) -> Figure:
    """Reads the class and shape of an object that has a mask.

    Args:
        content: entry of `objects`.
        shapes: class title -> shape, of the project's meta.

    Raises:
        AnnotationFileError: unknown class or shape.
    """
    figure = read_any_figure(content, shapes)
    if figure.shape not in SHAPES:
        raise AnnotationFileError(
            f"class {quoted(figure.class_title)}: expected a shape out of "
            f"{', '.join(SHAPES)}, got {_shape_text(figure.shape)}; convert the "
            "objects or remove them"
        )
    return figure


def read_any_figure(content: Any, shapes: Mapping[str, str]) -> Figure:
    """Reads the class and shape of an object; the shape may be none of `SHAPES`.

    Args:
        content: entry of `objects`.
        shapes: class title -> shape, of the project's meta.

    Raises:
        AnnotationFileError: unknown class.
    """
    if not isinstance(content, Mapping):
        raise AnnotationFileError(f"expected an object, got {quoted_name(content)}")
    title = content.get("classTitle")
    if not isinstance(title, str) or title not in shapes:
        raise AnnotationFileError(
            f"unknown class {quoted_name(title)}; add it to meta.json or remove the "
            "object"
        )
    shape = shapes[title]
    if shape == ANY:
        shape = content.get("geometryType") or content.get("shape") or "nothing"
    return Figure(title, shape, content)


def read_polygon(content: Mapping[str, Any], shape: str) -> Polygon:
    """Reads the points of an object.

    Args:
        content: entry of `objects`.
        shape: one of `SHAPES`, not a bitmap.

    Raises:
        AnnotationFileError: the points are missing, too few or too many.
    """
    polygon = _read_points(content.get("points"))
    least, most = _COUNTS[shape]
    if not least <= len(polygon.exterior) <= most:
        expected = str(least) if least == most else f"at least {least}"
        raise AnnotationFileError(
            f"{shape}: expected {expected} points, got {len(polygon.exterior)}"
        )
    return polygon


def _read_points(points: Any) -> Polygon:
    try:
        exterior = _ring(points["exterior"])
        holes = [_ring(hole) for hole in points.get("interior") or ()]
    except (
        AttributeError,
        KeyError,
        OverflowError,
        TypeError,
        ValueError,
    ) as err:
        raise AnnotationFileError(
            'points: expected {"exterior": [[x, y], ...], "interior": [...]} within '
            f"{_FARTHEST:,} pixels, got {quoted(points)}"
        ) from err
    return Polygon(exterior, [hole for hole in holes if hole])


def _shape_text(shape: Any) -> str:
    is_word = isinstance(shape, str) and shape.isprintable()
    return shape[:LONGEST] if is_word else quoted(shape)


def _ring(points: Sequence[Any]) -> list[WholePoint]:
    """Reads points, rounded half-to-even to whole pixels.

    Raises:
        OverflowError, TypeError: not numbers that a float can hold.
        ValueError: not pairs, not finite or far off.
    """
    ring = []
    for x, y in points:
        if not math.hypot(x, y) < _FARTHEST:
            raise ValueError("far off")
        ring.append((round(x), round(y)))
    return ring
