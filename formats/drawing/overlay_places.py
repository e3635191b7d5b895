"""Where labels may stand: they hide neither an object nor each other.

Frame: the drawing, whole pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from formats.drawing.overlay_mask import coverage_of
from formats.mask_crop import Mask

Floats = np.ndarray[Any, np.dtype[np.float64]]
LabelRect = tuple[int, int, int, int]
"""(left, top, right, bottom), whole pixels, half-open."""
Leader = tuple[tuple[int, int], tuple[int, int]]
"""Ends of a line, (x, y) each."""
LabelBox = tuple[int, int, int, int]
"""(top, left, bottom, right), whole pixels, half-open."""

MOST_HIDDEN = 0.1
"""Of an object that a label may cover, its own object among them."""
MOST_TOUCHED = 0.02
"""The same for a label with a leader, what is close to it and its leader included."""
LEADER_PX = 3
"""Width of a leader, as it is looked up."""
GRID_PX = 512
"""Longest side of the map on which hidden parts of objects are looked up."""
RINGS = (1.0, 2.0, 3.0)
"""Distances from the box at which a label with a leader may stand, in its heights."""


class Place(NamedTuple):
    """Where a label may stand; `cost` is how far that is from where one looks first."""

    rect: LabelRect
    leader: Leader | None
    cost: float

    @property
    def parts(self) -> list[LabelRect]:
        """What it takes: the label's own rectangle, and that of its leader."""
        if self.leader is None:
            return [self.rect]
        (x1, y1), (x2, y2) = self.leader
        box = (min(x1, x2), min(y1, y2), max(x1, x2) + 1, max(y1, y2) + 1)
        return [self.rect, box]


class HiddenShares:
    """How much of objects a rectangle hides.

    A map has for each object a weight of 1 in all, spread over its mask; what a
    rectangle sums up is no less than the share of any object that it hides.
    """

    def __init__(
        self, size: tuple[int, int], objects: Iterable[tuple[LabelBox, Mask]]
    ) -> None:
        height, width = size
        self._step = max(1.0, max(size) / GRID_PX)
        rows, columns = math.ceil(height / self._step), math.ceil(width / self._step)
        weights = np.zeros((rows, columns), np.float32)
        for (top, left, bottom, right), mask in objects:
            y, x = int(top / self._step), int(left / self._step)
            part = weights[
                y : max(y + 1, math.ceil(bottom / self._step)),
                x : max(x + 1, math.ceil(right / self._step)),
            ]
            small = cv2.resize(
                coverage_of(mask, 1), part.shape[::-1], interpolation=cv2.INTER_AREA
            ).astype(np.float32)
            part += small / max(1.0, float(small.sum()))
        self._sums = cv2.integral(weights, sdepth=cv2.CV_64F)

    def leaves_free(self, place: Place, margin: int) -> bool:
        """Says whether a label with a leader is beside objects, not on or at them.

        Args:
            place: of the label.
            margin: pixels around it, as it would seem to belong to what is there.
        """
        (x1, y1), (x2, y2) = place.leader or ((0, 0), (0, 0))
        steps = max(abs(x1 - x2), abs(y1 - y2)) // LEADER_PX + 1
        xs, ys = np.linspace((x1, y1), (x2, y2), steps).astype(int).T.tolist()
        half = LEADER_PX // 2
        left, top, right, bottom = place.rect
        around = [(left - margin, top - margin, right + margin, bottom + margin)]
        around += [
            (x - half, y - half, x + half + 1, y + half + 1)
            for x, y in zip(xs, ys, strict=True)
        ]
        return float(self.of(around).sum()) <= MOST_TOUCHED

    def of(self, rects: Sequence[LabelRect]) -> Floats:
        """Returns float64[N], the shares that rectangles hide."""
        edges = np.asarray(rects, np.float64).reshape(-1, 4) / self._step
        sums = self._sums
        most = np.array(sums.shape)[::-1] - 1
        left, top = np.floor(edges[:, :2]).astype(int).clip(0, most).T
        right, bottom = np.ceil(edges[:, 2:]).astype(int).clip(0, most).T
        return np.asarray(
            sums[bottom, right]
            - sums[top, right]
            - sums[bottom, left]
            + sums[top, left]
        )


def find_place(
    box: LabelBox,
    size: tuple[int, int],
    canvas_size: tuple[int, int],
    taken: Sequence[LabelRect],
    hidden: HiddenShares,
) -> Place | None:
    """Returns where a label goes, None where it would hide what it may not.

    Args:
        box: of its object.
        size: (width, height) of the label.
        canvas_size: (height, width) of the image.
        taken: where labels and leaders are already.
        hidden: of the objects.
    """
    height, width = canvas_size
    if size[0] > width or size[1] > height:
        return None
    places = []
    for x, y, cost in (*_corners(box, size), *_rings(box, size)):
        left = min(max(x, 0), width - size[0])
        top = min(max(y, 0), height - size[1])
        rect = (left, top, left + size[0], top + size[1])
        places.append(Place(rect, _leader(rect, box), cost))
    shares = hidden.of([place.rect for place in places])
    costs = np.array([place.cost for place in places]) + shares / MOST_HIDDEN
    for number in np.argsort(costs, kind="stable").tolist():
        place: Place = places[number]
        if (
            shares[number] <= MOST_HIDDEN
            and not _overlaps(place.parts, taken)
            and (place.leader is None or hidden.leaves_free(place, size[1] // 3))
        ):
            return place
    return None


def _corners(box: LabelBox, size: tuple[int, int]) -> Iterator[tuple[int, int, float]]:
    """Yields left, top and cost of places at a box."""
    top, left, bottom, right = box
    width, height = size
    middle = (left + right - width) // 2
    yield left, top - height, 0.0
    yield right - width, top - height, 0.1
    yield middle, top - height, 0.1
    yield left, bottom, 0.2
    yield left, top, 0.2
    yield right - width, bottom, 0.3
    yield middle, bottom, 0.3
    for y in (top, bottom - height):
        yield right, y, 0.4
        yield left - width, y, 0.4


def _rings(box: LabelBox, size: tuple[int, int]) -> Iterator[tuple[int, int, float]]:
    """Yields left, top and cost of places near a box, further and further away."""
    top, left, bottom, right = box
    width, height = size
    for ring in RINGS:
        away = round(ring * height)
        columns = left - width - away, (left + right - width) // 2, right + away
        rows = top - height - away, (top + bottom - height) // 2, bottom + away
        for x, y in itertools.product(columns, rows):
            if (x, y) != (columns[1], rows[1]):
                yield x, y, 1.0 + ring / 4


def _leader(rect: LabelRect, box: LabelBox) -> Leader | None:
    """Returns the shortest line from a label to a box, None where they touch."""
    top, left, bottom, right = box
    x1, x2 = _nearest((rect[0], rect[2]), (left, right))
    y1, y2 = _nearest((rect[1], rect[3]), (top, bottom))
    return None if max(abs(x1 - x2), abs(y1 - y2)) <= 1 else ((x1, y1), (x2, y2))


def _nearest(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Returns the pixels of two spans that are nearest, one where they overlap."""
    if a[1] <= b[0]:
        return a[1] - 1, b[0]
    if b[1] <= a[0]:
        return a[0], b[1] - 1
    middle = (max(a[0], b[0]) + min(a[1], b[1]) - 1) // 2
    return middle, middle


def _overlaps(parts: Sequence[LabelRect], taken: Sequence[LabelRect]) -> bool:
    return any(
        a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
        for a in parts
        for b in taken
    )
