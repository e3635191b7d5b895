"""Coordinates that are fractions of the image's sides where pixels are expected."""

from __future__ import annotations

from collections.abc import Iterable


def look_like_fractions(coordinates: Iterable[float]) -> bool:
    """Says whether all coordinates of a figure are within 0..1 and one is not whole.

    Args:
        coordinates: finite, x and y in any order; of two points at least.
    """
    count, whole = 0, True
    for value in coordinates:
        if not 0 <= value <= 1:
            return False
        count += 1
        whole = whole and value in (0, 1)
    return count >= 4 and not whole
