"""Cuts polygons and lines to an image, with exact arithmetic.

Frame: the image, points (x, y). The window is that of pixel centres,
[0, width - 1] x [0, height - 1], borders included.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from formats.errors import AnnotationFileError

Number = int | Fraction
Point = tuple[Number, Number]
WholePoint = tuple[int, int]


class Polygon(NamedTuple):
    """An exterior ring and its holes, not closed by a repeated point.

    Attributes:
        exterior: points (x, y).
        holes: rings of points (x, y).
    """

    exterior: list[WholePoint]
    holes: list[list[WholePoint]]


class _Ring(NamedTuple):
    points: list[Point]
    is_hole: bool


def clip_polygon(polygon: Polygon, size: tuple[int, int]) -> list[Polygon]:
    """Cuts a polygon to an image; it may fall into several.

    Where it crosses itself, what is inside by the even-odd rule is kept.

    Args:
        polygon: whole pixels.
        size: (height, width) of the image.

    Returns:
        Its parts, rounded half-to-even to whole pixels.

    Raises:
        AnnotationFileError: too many holes and too many points.
    """
    rings = [_Ring(list(polygon.exterior), is_hole=False)]
    rings += [_Ring(list(hole), is_hole=True) for hole in polygon.holes]
    for axis, bound, sign in _sides(size):
        rings = _clip_side(rings, axis, bound, sign)
    return _join([ring for ring in rings if _area(ring.points)])


def clip_line(
    points: Sequence[WholePoint], size: tuple[int, int]
) -> list[list[WholePoint]]:
    """Cuts a line to an image; it may fall into several.

    Args:
        points: whole pixels.
        size: (height, width) of the image.

    Returns:
        Its parts, rounded half-to-even to whole pixels.
    """
    parts: list[list[Point]] = []
    for start, end in itertools.pairwise(points):
        piece = _clip_segment(start, end, size)
        if piece is None:
            continue
        if parts and parts[-1][-1] == piece[0]:
            parts[-1].append(piece[1])
        else:
            parts.append(list(piece))
    return [_rounded(part) for part in parts]


def _sides(size: tuple[int, int]) -> Iterator[tuple[int, int, int]]:
    """Yields (axis, bound, sign): sign * (point[axis] - bound) >= 0 is inside."""
    for axis, length in ((0, size[1]), (1, size[0])):
        yield axis, 0, 1
        yield axis, length - 1, -1


def _clip_segment(
    start: Point, end: Point, size: tuple[int, int]
) -> tuple[Point, Point] | None:
    """Returns the part of a segment inside of an image, if it has a length."""
    for axis, bound, sign in _sides(size):
        before = sign * (start[axis] - bound)
        after = sign * (end[axis] - bound)
        if before < 0 and after < 0:
            return None
        if before < 0:
            start = _cross(start, end, axis, bound)
        elif after < 0:
            end = _cross(start, end, axis, bound)
    return (start, end) if start != end else None


def _cross(start: Point, end: Point, axis: int, bound: int) -> Point:
    """Returns where a segment meets the line on which point[axis] == bound."""
    other = 1 - axis
    share = Fraction(bound - start[axis]) / (end[axis] - start[axis])
    met = start[other] + share * (end[other] - start[other])
    return (bound, met) if axis == 0 else (met, bound)


def _clip_side(rings: list[_Ring], axis: int, bound: int, sign: int) -> list[_Ring]:
    """Cuts rings to one side of a line, and closes them along it."""
    kept: list[_Ring] = []
    chains: list[_Ring] = []
    for ring in rings:
        depths = [sign * (point[axis] - bound) for point in ring.points]
        if min(depths) >= 0:
            kept.append(ring)
        elif max(depths) > 0:
            outside = [depth <= 0 for depth in depths]
            runs = _inner_chains(ring.points, outside, axis, bound)
            chains += [_Ring(points, ring.is_hole) for points in runs]
    return [*kept, *_close(chains, 1 - axis)]


def _inner_chains(
    points: list[Point], outside: list[bool], axis: int, bound: int
) -> Iterator[list[Point]]:
    """Yields the runs of points beyond the border, from border to border."""
    count = len(points)
    for first in range(count):
        if outside[first] or not outside[first - 1]:
            continue
        chain = [_cross(points[first - 1], points[first], axis, bound)]
        at = first
        while not outside[at % count]:
            chain.append(points[at % count])
            at += 1
        chain.append(_cross(points[(at - 1) % count], points[at % count], axis, bound))
        yield chain


def _close(chains: list[_Ring], along: int) -> Iterator[_Ring]:
    """Links the ends of chains along the border, neighbours in pairs.

    Args:
        chains: runs of points, every end of which lies on the border.
        along: axis of the border.

    Yields:
        Closed rings. A hole that is cut open becomes part of the exterior.
    """
    ends = sorted(
        # Where two ends meet, that of the chain from further back comes first.
        (chain.points[side][along], chain.points[~side][along], index, side)
        for index, chain in enumerate(chains)
        for side in (0, -1)
    )
    links: dict[tuple[int, int], tuple[int, int]] = {}
    for one, two in zip(ends[::2], ends[1::2], strict=True):
        links[one[2:]] = two[2:]
        links[two[2:]] = one[2:]
    left = set(range(len(chains)))
    for first in range(len(chains)):
        if first not in left:
            continue
        index, start = first, 0
        points: list[Point] = []
        is_hole = True
        while index in left:
            left.remove(index)
            chain = chains[index]
            points += chain.points if start == 0 else chain.points[::-1]
            is_hole = is_hole and chain.is_hole
            index, start = links[index, -1 if start == 0 else 0]
        yield _Ring(points, is_hole)


def _join(rings: list[_Ring]) -> list[Polygon]:
    """Gives every hole to the first exterior around it.

    Raises:
        AnnotationFileError: that takes too many steps.
    """
    exteriors = [_Outline(ring.points) for ring in rings if not ring.is_hole]
    polygons = [Polygon(_rounded(outline.points), []) for outline in exteriors]
    steps = 0
    for ring in rings:
        if not ring.is_hole:
            continue
        x = Fraction(ring.points[0][0] + ring.points[1][0]) / 2
        y = Fraction(ring.points[0][1] + ring.points[1][1]) / 2
        for outline, polygon in zip(exteriors, polygons, strict=True):
            if len(exteriors) > 1:
                edges = outline.edges_near(float(y))
                steps += 1 + len(edges)
                if steps > _MOST_STEPS:
                    raise AnnotationFileError(
                        f"points: a polygon of {len(outline.points):,} points with "
                        f"{len(rings) - len(exteriors):,} holes is too tangled to be "
                        "cut at the border of its picture; draw it as a bitmap"
                    )
                if not outline.is_around(x, y, edges):
                    continue
            polygon.holes.append(_rounded(ring.points))
            break
    return polygons


_MOST_STEPS = 1_000_000
"""Of the search for the exteriors of holes; real polygons take some thousands."""


class _Outline:
    """An exterior ring that is asked many times what lies in it."""

    def __init__(self, points: list[Point]) -> None:
        self.points = points
        heights = np.array([float(y) for _, y in points])
        after = np.roll(heights, -1)
        self._top = np.minimum(heights, after)
        self._bottom = np.maximum(heights, after)

    def edges_near(self, y: float) -> list[int]:
        """Returns the edges that may pass a height: floats are not exact."""
        near = (self._top <= y + 1) & (self._bottom >= y - 1)
        return [int(edge) for edge in np.flatnonzero(near)]

    def is_around(self, x: Fraction, y: Fraction, edges: list[int]) -> bool:
        """Says whether a point lies inside, by the even-odd rule."""
        odd = False
        for edge in edges:
            x1, y1 = self.points[edge]
            x2, y2 = self.points[(edge + 1) % len(self.points)]
            if (y1 > y) != (y2 > y):
                odd ^= x < x1 + (y - y1) * (x2 - x1) / Fraction(y2 - y1)
        return odd


def _area(points: list[Point]) -> Number:
    """Returns twice the signed area."""
    return sum(
        x1 * y2 - x2 * y1
        for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True)
    )


def _rounded(points: Sequence[Point]) -> list[WholePoint]:
    return [(round(x), round(y)) for x, y in points]
