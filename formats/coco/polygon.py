"""Draws polygons pixel for pixel as COCO's tools.

Frame: the image, continuous: pixel (0, 0) spans [0, 1) x [0, 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]

_UPSAMPLING = 5
"""Steps per pixel in which COCO's tools walk along a polygon."""
_BEFORE_MIDDLE = 2
"""Step of a pixel after which its middle is passed."""
_BLOCK = 1 << 20
"""Crossings that are computed at a time."""


def polygon_borders(points: Floats, size: tuple[int, int]) -> Ints:
    """Returns where a polygon's pixels begin and end, down the columns.

    COCO's tools walk along the border in fifths of a pixel and note where they pass the
    middle of a column. Here these places are computed, so that a polygon costs what it
    crosses of the image, however far it reaches.

    Args:
        points: float64[N, 2] (x, y), whole fifths of which fit into 53 bits.
        size: (height, width) of the image.

    Returns:
        int64[M], y + height * x; each turns all pixels from there on over. Not sorted;
        height * width where it is behind the last pixel.

    Source: rleFrPoly of COCO's maskApi.
    """
    height, width = size
    fine = np.trunc(points * _UPSAMPLING + 0.5).astype(np.int64)
    edges = _Edges(fine, np.roll(fine, -1, axis=0), width)
    found = np.zeros(0, np.int64)
    for columns, steps in edges.crossings():
        rows = (steps + 0.5) / _UPSAMPLING - 0.5
        rows = np.ceil(np.clip(rows, 0, height)).astype(np.int64)
        found = np.concatenate([found, columns * height + rows])
        if found.size > 2 * _BLOCK:
            found = _odd(found)
    return found


class _Edges:
    """Edges of a polygon, each from its lower to its upper end along its long axis.

    Attributes:
        low: int64[N, 2] (x, y), fifths of a pixel.
        is_wide: bool[N], the long axis is x.
        slope: float64[N], steps along the short axis for one along the long one.
        first: int64[N], the first column whose middle is passed.
        count: int64[N], columns whose middle is passed.
    """

    def __init__(self, starts: Ints, ends: Ints, width: int) -> None:
        delta = ends - starts
        self.is_wide = np.abs(delta[:, 0]) >= np.abs(delta[:, 1])
        long = np.where(self.is_wide, delta[:, 0], delta[:, 1])
        short = np.where(self.is_wide, delta[:, 1], delta[:, 0])
        self.low = np.where((long >= 0)[:, None], starts, ends)
        self.slope = np.divide(short, long, out=np.zeros(len(long)), where=long != 0)
        left = np.minimum(starts[:, 0], ends[:, 0])
        right = np.maximum(starts[:, 0], ends[:, 0])
        first = -((_BEFORE_MIDDLE - left) // _UPSAMPLING)
        last = (right - _BEFORE_MIDDLE - 1) // _UPSAMPLING
        self.first = np.clip(first, 0, width)
        self.count = np.maximum(np.clip(last, -1, width - 1) - self.first + 1, 0)

    def crossings(self) -> Iterator[tuple[Ints, Ints]]:
        """Yields the columns that edges cross and the upper one of the two steps, y."""
        ends = np.cumsum(self.count)
        begin = 0
        while begin < len(ends):
            before = int(ends[begin - 1]) if begin else 0
            end = int(np.searchsorted(ends, before + _BLOCK, "right"))
            end = max(end, begin + 1)
            counts = self.count[begin:end]
            edge = np.repeat(np.arange(begin, end), counts)
            within = np.arange(edge.size) - np.repeat(
                np.cumsum(counts) - counts, counts
            )
            columns = self.first[edge] + within
            x = columns * _UPSAMPLING + _BEFORE_MIDDLE
            wide = self.is_wide[edge]
            steps = np.empty(edge.size, np.int64)
            steps[wide] = self._of_wide(edge[wide], x[wide])
            steps[~wide] = self._of_tall(edge[~wide], x[~wide])
            yield columns, steps
            begin = end

    def _of_wide(self, edge: Ints, x: Ints) -> Ints:
        low_x, low_y = self.low[edge].T
        along = x - low_x
        one = np.trunc(low_y + self.slope[edge] * along + 0.5)
        two = np.trunc(low_y + self.slope[edge] * (along + 1) + 0.5)
        return np.asarray(np.minimum(one, two), np.int64)

    def _of_tall(self, edge: Ints, x: Ints) -> Ints:
        """Returns the last step before x changes."""
        low_x, low_y = self.low[edge].T
        slope = self.slope[edge]
        # Rounding moves the place by less than a step.
        along = np.ceil((x + 0.5 - low_x) / slope).astype(np.int64) - 2
        for _ in range(4):
            right = np.trunc(low_x + slope * along + 0.5) > x
            along += right != (slope > 0)
        return np.asarray(low_y + along - 1)


def _odd(borders: Ints) -> Ints:
    """Returns what is there an odd number of times; pairs turn nothing."""
    values, counts = np.unique(borders, return_counts=True)
    return np.asarray(values[counts % 2 == 1])
