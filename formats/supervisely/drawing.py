"""Cuts vector figures to the image and draws them, as Supervisely does.

Frame: the image; points are [x, y] pixels, those of old files with fractions, which
are rounded half-to-even. What sticks out of the image is cut off first, which may
make several objects of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from formats.errors import AnnotationFileError
from formats.mask_crop import MAX_PIXELS, CropBox, MaskCrop, tight_crop
from formats.supervisely.clip import Polygon, WholePoint, clip_line, clip_polygon

Canvas = np.ndarray[Any, np.dtype[np.uint8]]


def draw_figure(polygon: Polygon, shape: str, size: tuple[int, int]) -> list[MaskCrop]:
    """Draws a figure, cut to the image.

    The border of a polygon belongs to it, the borders of its holes do not; both corners
    of a rectangle are inclusive; a line is one pixel wide, a point one pixel.

    Args:
        polygon: its points, whole pixels.
        shape: "polygon", "line", "rectangle" or "point".
        size: (height, width) of the image.

    Returns:
        No mask where it lies outside, several where the border cuts it.

    Raises:
        AnnotationFileError: too large, or too tangled to be cut.
    """
    draw = {"polygon": _fill, "line": _stroke}.get(shape, _block)
    parts = [draw(part, size) for part in clip_figure(polygon, shape, size)]
    return [crop for crop in parts if crop is not None]


def clip_figure(polygon: Polygon, shape: str, size: tuple[int, int]) -> list[Polygon]:
    """Cuts a figure to an image; it may fall into several.

    Args:
        polygon: its points, whole pixels.
        shape: "polygon", "line", "rectangle" or "point".
        size: (height, width) of the image.

    Returns:
        Its parts; itself where its exterior lies inside.

    Raises:
        AnnotationFileError: see `clip_polygon`.
    """
    height, width = size
    points = polygon.exterior
    if all(0 <= x < width and 0 <= y < height for x, y in points):
        return [polygon]
    if shape == "polygon":
        return clip_polygon(polygon, size)
    if shape == "line":
        return [Polygon(part, []) for part in clip_line(points, size)]
    y1, x1, y2, x2 = box_around(points)
    y1, x1, y2, x2 = max(y1, 0), max(x1, 0), min(y2, height), min(x2, width)
    if y1 >= y2 or x1 >= x2:
        return []
    return [Polygon([(x1, y1), (x2 - 1, y2 - 1)][: len(points)], [])]


def box_around(points: Iterable[WholePoint]) -> CropBox:
    """Returns the box of the pixels that points name."""
    xs, ys = zip(*points, strict=True)
    return min(ys), min(xs), max(ys) + 1, max(xs) + 1


def _block(polygon: Polygon, size: tuple[int, int]) -> MaskCrop:
    canvas, (left, top) = _canvas(polygon.exterior, size)
    return MaskCrop(top, left, np.ones(canvas.shape, np.bool_))


def _fill(polygon: Polygon, size: tuple[int, int]) -> MaskCrop | None:
    import cv2  # slow to import, and only readers of masks need it

    # Holes may stick out of the exterior. A canvas that cuts them, but where the
    # image does, would not give the same pixels.
    points = [point for ring in (polygon.exterior, *polygon.holes) for point in ring]
    canvas, origin = _canvas(points, size)
    cv2.fillPoly(canvas, [_shifted(polygon.exterior, origin)], 1)
    if polygon.holes:
        cv2.fillPoly(canvas, [_shifted(hole, origin) for hole in polygon.holes], 0)
    return tight_crop(canvas.astype(np.bool_), (origin[1], origin[0]))


def _stroke(polygon: Polygon, size: tuple[int, int]) -> MaskCrop | None:
    import cv2  # slow to import, and only readers of masks need it

    canvas, origin = _canvas(polygon.exterior, size)
    line = _shifted(polygon.exterior, origin)
    cv2.polylines(canvas, [line], isClosed=False, color=1, thickness=1)
    return tight_crop(canvas.astype(np.bool_), (origin[1], origin[0]))


def _canvas(
    points: list[WholePoint], size: tuple[int, int]
) -> tuple[Canvas, WholePoint]:
    """Returns uint8[h, w] around points, and the (x, y) of its top-left pixel.

    Args:
        points: what has to fit in, as far as it lies in the image.
        size: (height, width) of the image.
    """
    y1, x1, y2, x2 = box_around(points)
    top, left = max(0, y1), max(0, x1)
    height, width = min(size[0], y2) - top, min(size[1], x2) - left
    if height * width > MAX_PIXELS:
        raise AnnotationFileError(
            f"expected an object of at most {MAX_PIXELS:,} pixels, got one on "
            f"{width:,} x {height:,}; check the size of the picture"
        )
    return np.zeros((height, width), np.uint8), (left, top)


def _shifted(
    points: list[WholePoint], origin: WholePoint
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Returns int32[N, 2] (x, y) in the frame of a canvas."""
    return np.array([(x - origin[0], y - origin[1]) for x, y in points], np.int32)
