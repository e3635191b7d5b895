"""Draws vector figures as masks, pixel for pixel as Supervisely does.

Frame: the picture; points are [x, y] pixels, those of old files with fractions, which
are rounded half-to-even. What sticks out of the picture is cut off first, which may
make several objects of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from formats.errors import AnnotationError
from formats.mask_crop import MaskCrop, tight_crop
from formats.supervisely.bitmap import MAX_PIXELS
from formats.supervisely.clip import Polygon, WholePoint, clip_line, clip_polygon

Canvas = np.ndarray[Any, np.dtype[np.uint8]]


def draw_polygon(polygon: Polygon, size: tuple[int, int]) -> list[MaskCrop]:
    """Draws a polygon: its border belongs to it, the borders of its holes do not.

    Args:
        polygon: whole pixels.
        size: (height, width) of the picture.
    """
    inside = _is_inside(polygon.exterior, size)
    parts = [polygon] if inside else clip_polygon(polygon, size)
    return _present(_fill(part, size) for part in parts)


def draw_rectangle(corners: list[WholePoint], size: tuple[int, int]) -> list[MaskCrop]:
    """Draws a rectangle, both corners inclusive.

    Args:
        corners: two, in any order.
        size: (height, width) of the picture.
    """
    left, right = sorted(x for x, _ in corners)
    top, bottom = sorted(y for _, y in corners)
    left, top = max(left, 0), max(top, 0)
    height = min(bottom, size[0] - 1) - top + 1
    width = min(right, size[1] - 1) - left + 1
    if height < 1 or width < 1:
        return []
    _check_pixels(height, width)
    return [MaskCrop(top, left, np.ones((height, width), np.bool_))]


def draw_line(points: list[WholePoint], size: tuple[int, int]) -> list[MaskCrop]:
    """Draws a line of one pixel.

    Args:
        points: at least two.
        size: (height, width) of the picture.
    """
    parts = [points] if _is_inside(points, size) else clip_line(points, size)
    return _present(_stroke(part, size) for part in parts)


def draw_point(point: WholePoint, size: tuple[int, int]) -> list[MaskCrop]:
    """Draws a point as one pixel.

    Args:
        point: one.
        size: (height, width) of the picture.
    """
    return draw_rectangle([point, point], size)


def _fill(polygon: Polygon, size: tuple[int, int]) -> MaskCrop | None:
    import cv2  # slow to import, and only readers of masks need it

    # Holes may stick out of the exterior. A canvas that cuts them, but where the
    # picture does, would not give the same pixels.
    points = [point for ring in (polygon.exterior, *polygon.holes) for point in ring]
    canvas, origin = _canvas(points, size)
    cv2.fillPoly(canvas, [_shifted(polygon.exterior, origin)], 1)
    if polygon.holes:
        cv2.fillPoly(canvas, [_shifted(hole, origin) for hole in polygon.holes], 0)
    return tight_crop(canvas.astype(np.bool_), (origin[1], origin[0]))


def _stroke(points: list[WholePoint], size: tuple[int, int]) -> MaskCrop | None:
    import cv2  # slow to import, and only readers of masks need it

    canvas, origin = _canvas(points, size)
    line = _shifted(points, origin)
    cv2.polylines(canvas, [line], isClosed=False, color=1, thickness=1)
    return tight_crop(canvas.astype(np.bool_), (origin[1], origin[0]))


def _canvas(
    points: list[WholePoint], size: tuple[int, int]
) -> tuple[Canvas, WholePoint]:
    """Returns uint8[h, w] around points, and the (x, y) of its top-left pixel.

    Args:
        points: what has to fit in, as far as it lies in the picture.
        size: (height, width) of the picture.
    """
    left = max(0, min(x for x, _ in points))
    top = max(0, min(y for _, y in points))
    right = min(size[1] - 1, max(x for x, _ in points))
    bottom = min(size[0] - 1, max(y for _, y in points))
    height, width = bottom - top + 1, right - left + 1
    _check_pixels(height, width)
    return np.zeros((height, width), np.uint8), (left, top)


def _check_pixels(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise AnnotationError(
            f"expected an object of at most {MAX_PIXELS:,} pixels, got one on "
            f"{width:,} x {height:,}; check the size of the picture"
        )


def _shifted(
    points: list[WholePoint], origin: WholePoint
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Returns int32[N, 2] (x, y) in the frame of a canvas."""
    return np.array([(x - origin[0], y - origin[1]) for x, y in points], np.int32)


def _is_inside(points: list[WholePoint], size: tuple[int, int]) -> bool:
    height, width = size
    return all(0 <= x < width and 0 <= y < height for x, y in points)


def _present(crops: Iterable[MaskCrop | None]) -> list[MaskCrop]:
    return [crop for crop in crops if crop is not None]


__all__ = ["draw_line", "draw_point", "draw_polygon", "draw_rectangle"]
