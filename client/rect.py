"""Rectangles of whole pixels: what they share, and how a config moves their sides.

What the client computes of boxes is here, in whole pixels; the network's own boxes and
their arithmetic are `models.boxes`, which a client does not have.

Frame: the image, (0, 0) its top-left corner; half-open.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from formats.quoted import quoted

Boxes = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
LENGTH_PATTERN = r"^-?[0-9]+(%|px)$"
MAX_DIGITS = 12
"""Of a length in a config; more makes no sense and is slow to compute with."""


class Rect(NamedTuple):
    """A part of an image, pixels, half-open."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.bottom - self.top, self.right - self.left

    @property
    def is_empty(self) -> bool:
        """Says whether it has no pixel."""
        return self.top >= self.bottom or self.left >= self.right

    def intersect(self, other: Rect) -> Rect:
        """Returns what both have; empty where they do not meet."""
        return Rect(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )


def box_ious(box: Boxes, others: Boxes) -> tuple[Boxes, Floats]:
    """Returns overlaps of a box with others.

    Args:
        box: int64[4] (y1, x1, y2, x2), half-open.
        others: int64[N, 4].

    Returns:
        int64[N] common pixels, float64[N] intersection over union.
    """
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - common
    return common, common / np.maximum(union, 1)


class Length(NamedTuple):
    """A length as configs have it.

    Attributes:
        value: whole pixels, or percent of a side; may be negative.
        is_percent: which of the two.
    """

    value: int
    is_percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Length:
        """Reads "12px" or "-5%".

        Raises:
            ValueError: it is neither.
        """
        if not re.fullmatch(LENGTH_PATTERN[1:-1], text) or len(text) > MAX_DIGITS:
            raise ValueError(
                f'expected "12px" or "5%" (whole numbers), got {quoted(text)}'
            )
        number = text.removesuffix("px").removesuffix("%")
        return cls(int(number), text.endswith("%"))

    def pixels(self, side: int) -> int:
        """Returns the pixels; a share of the side is cut off towards zero."""
        return int(self.value * side / 100) if self.is_percent else self.value


class Sides(NamedTuple):
    """A length for each side of a rectangle."""

    left: Length = Length(0)
    top: Length = Length(0)
    right: Length = Length(0)
    bottom: Length = Length(0)

    def shrink(self, rect: Rect) -> Rect:
        """Moves every side inwards; the result may be empty or stick out.

        Shares are of the rectangle's own height and width.
        """
        height, width = rect.size
        return Rect(
            rect.top + self.top.pixels(height),
            rect.left + self.left.pixels(width),
            rect.bottom - self.bottom.pixels(height),
            rect.right - self.right.pixels(width),
        )

    def grow(self, rect: Rect) -> Rect:
        """Moves every side outwards; the result may be empty or stick out.

        Shares are of the rectangle's own height and width.
        """
        height, width = rect.size
        return Rect(
            rect.top - self.top.pixels(height),
            rect.left - self.left.pixels(width),
            rect.bottom + self.bottom.pixels(height),
            rect.right + self.right.pixels(width),
        )


def whole(size: tuple[int, int]) -> Rect:
    """Returns the rectangle of an image of (height, width) pixels."""
    return Rect(0, 0, *size)
