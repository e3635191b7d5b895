"""Masks of COCO annotations: polygons and run lengths, pixel for pixel as COCO's tools.

Written out rather than taken from pycocotools: that draws every object into an array of
the picture's size, and is compiled code for two short routines.

Frame: the picture. Polygons are continuous: pixel (0, 0) spans [0, 1) x [0, 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from formats.errors import AnnotationError
from formats.mask_crop import MaskCrop, tight_crop

Ints = np.ndarray[Any, np.dtype[np.int64]]

_UPSAMPLING = 5
"""Steps per pixel in which COCO's tools walk along a polygon."""
_FARTHEST = 1_000_000
"""Pixels off the picture's corner beyond which a coordinate is taken for an error."""


def draw_segmentation(segmentation: Any, size: tuple[int, int]) -> MaskCrop | None:
    """Draws the `segmentation` of an annotation.

    Args:
        segmentation: a list of polygons [x1, y1, x2, y2, ...], which are united, or run
            lengths {"size": [height, width], "counts": list or text}.
        size: (height, width) of the picture.

    Returns:
        The mask, or None where no pixel is set.

    Raises:
        AnnotationError: it is neither, or makes no sense.
    """
    if isinstance(segmentation, Mapping):
        return _draw_runs(segmentation, size)
    if not isinstance(segmentation, list) or not segmentation:
        raise AnnotationError(
            f"segmentation: expected polygons or run lengths, got {segmentation!r:.60}"
        )
    crops = [_draw_polygon(_polygon(ring), size) for ring in segmentation]
    return _unite([crop for crop in crops if crop is not None])


def decode_counts(text: str) -> list[int]:
    """Decodes COCO's compressed run lengths.

    Each is written in groups of 5 bits, the lowest first, from "0" on; from the fourth
    it is the difference to the one two before.

    Raises:
        AnnotationError: the text ends inside of a number.
    """
    counts: list[int] = []
    value = shift = 0
    for byte in text.encode("latin-1", "replace"):
        group = byte - 48
        value |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise AnnotationError("segmentation: the run lengths are cut off")
    return counts


def _draw_runs(
    segmentation: Mapping[str, Any], size: tuple[int, int]
) -> MaskCrop | None:
    """Draws run lengths: column by column, the first run is not set."""
    counts = segmentation.get("counts")
    if segmentation.get("size") != [*size]:
        raise AnnotationError(
            f"segmentation: expected size {[*size]} (height, width of the picture), "
            f"got {segmentation.get('size')!r:.60}"
        )
    if isinstance(counts, str):
        counts = decode_counts(counts)
    if not isinstance(counts, list) or not all(
        type(count) is int and count >= 0 for count in counts
    ):
        raise AnnotationError(f"segmentation: expected run lengths, got {counts!r:.60}")
    if sum(counts) != size[0] * size[1]:
        raise AnnotationError(
            f"segmentation: expected run lengths of {size[0] * size[1]} pixels in all, "
            f"got {sum(counts)}"
        )
    return _from_borders(np.cumsum(np.array(counts[:-1], np.int64)), size)


def _from_borders(borders: Ints, size: tuple[int, int]) -> MaskCrop | None:
    """Makes a mask of the places where it changes.

    Args:
        borders: int64[N], y + height * x; each turns all pixels from there on over.
        size: (height, width) of the picture.
    """
    height, width = size
    borders = np.sort(borders[borders < height * width])
    if not borders.size:
        return None
    left = int(borders[0]) // height
    # An odd number of borders leaves the rest of the picture set.
    right = int(borders[-1] - 1) // height + 1 if borders.size % 2 == 0 else width
    turns = np.bincount(borders - left * height, minlength=(right - left) * height)
    columns = np.cumsum(turns[: (right - left) * height]) % 2 == 1
    return tight_crop(columns.reshape(right - left, height).T, (0, left))


def _polygon(ring: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Returns float64[N, 2] (x, y)."""
    problem = (
        "segmentation: expected polygons of at least 3 points [x1, y1, x2, y2, ...], "
        f"got {ring!r:.60}"
    )
    try:
        points = np.array(ring, np.float64)
    except (TypeError, ValueError) as err:
        raise AnnotationError(problem) from err
    if points.ndim != 1 or points.size < 6 or points.size % 2:
        raise AnnotationError(problem)
    if not np.all(np.abs(points) < _FARTHEST):
        raise AnnotationError(problem)
    return points.reshape(-1, 2)


def _draw_polygon(
    points: np.ndarray[Any, np.dtype[np.float64]], size: tuple[int, int]
) -> MaskCrop | None:
    """Draws one polygon.

    Args:
        points: float64[N, 2] (x, y).
        size: (height, width) of the picture.

    Source: rleFrPoly of COCO's maskApi: walks along the border in fifths of a pixel and
        notes where it passes the middle of a column.
    """
    height, width = size
    fine = np.trunc(points * _UPSAMPLING + 0.5).astype(np.int64)
    path = _walk(fine, np.roll(fine, -1, axis=0))
    x, y = path[:, 0], path[:, 1]
    moved = np.flatnonzero(np.diff(x)) + 1
    before, after = moved - 1, moved
    columns = np.where(x[after] < x[before], x[after], x[after] - 1)
    columns = (columns + 0.5) / _UPSAMPLING - 0.5
    rows = (np.minimum(y[after], y[before]) + 0.5) / _UPSAMPLING - 0.5
    kept = (columns == np.floor(columns)) & (columns >= 0) & (columns <= width - 1)
    rows = np.ceil(np.clip(rows[kept], 0, height))
    return _from_borders((columns[kept] * height + rows).astype(np.int64), size)


def _walk(starts: Ints, ends: Ints) -> Ints:
    """Returns the steps along a closed border.

    Args:
        starts: int64[N, 2] (x, y), fifths of a pixel.
        ends: int64[N, 2], where the edges end.

    Returns:
        int64[S, 2]; every edge is walked from one end to the other, both included.
    """
    steps = []
    for start, end in zip(starts, ends, strict=True):
        delta = end - start
        long = 0 if abs(delta[0]) >= abs(delta[1]) else 1
        length = abs(int(delta[long]))
        low, high = (start, end) if delta[long] >= 0 else (end, start)
        slope = (high[1 - long] - low[1 - long]) / length if length else 0.0
        along = np.arange(length + 1)
        edge = np.empty((length + 1, 2), np.int64)
        edge[:, long] = low[long] + along
        edge[:, 1 - long] = np.trunc(low[1 - long] + slope * along + 0.5)
        steps.append(edge if delta[long] >= 0 else edge[::-1])
    return np.concatenate(steps)


def _unite(crops: Sequence[MaskCrop]) -> MaskCrop | None:
    if len(crops) < 2:
        return crops[0] if crops else None
    boxes = np.array([crop.box for crop in crops])
    top, left = boxes[:, 0].min(), boxes[:, 1].min()
    bottom, right = boxes[:, 2].max(), boxes[:, 3].max()
    union = np.zeros((bottom - top, right - left), np.bool_)
    for crop in crops:
        y1, x1, y2, x2 = crop.box
        union[y1 - top : y2 - top, x1 - left : x2 - left] |= crop.mask
    return MaskCrop(int(top), int(left), union)


__all__ = ["decode_counts", "draw_segmentation"]
