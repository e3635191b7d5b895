"""Text on images with OpenCV alone, whichever release is there."""

from __future__ import annotations

import unicodedata
from typing import Any, Protocol

import cv2
import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Color = tuple[int, int, int]

_WEIGHT = 600  # semibold: legible on photographs at small sizes
_UNDRAWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of control, format, halves of pairs, private and unassigned."""
_HERSHEY = cv2.FONT_HERSHEY_DUPLEX
_HERSHEY_HEIGHT = 22.0
"""Pixels of a capital letter of that font at scale 1."""


class Font(Protocol):
    """A font of one size.

    Attributes:
        line_px: height of a line of text, pixels.
    """

    line_px: int

    def width(self, text: str) -> int:
        """Returns the width of a text, pixels."""

    def draw(self, canvas: Pixels, text: str, left: int, top: int, ink: Color) -> None:
        """Writes a text into an image, in place.

        Args:
            canvas: uint8[H, W, 3] in any order of colours.
            text: one line.
            left: first column of the line.
            top: first row of the line.
            ink: colour, in the canvas's order.
        """


class OutlineFont:
    """The sans-serif font that OpenCV 5 brings, with letters of most scripts."""

    def __init__(self, size_px: int) -> None:
        self._size = size_px
        self._face = cv2.FontFace("sans")
        self.line_px = round(size_px * 1.25)

    def width(self, text: str) -> int:
        """Returns the width of a text, pixels."""
        text = drawable(text)
        box = cv2.getTextSize((0, 0), text, (0, 0), self._face, self._size, _WEIGHT)
        return int(box[2])

    def draw(self, canvas: Pixels, text: str, left: int, top: int, ink: Color) -> None:
        """Writes a text into an image, in place."""
        base = (left, top + round(self._size * 0.98))
        text = drawable(text)
        cv2.putText(canvas, text, base, ink, self._face, self._size, _WEIGHT)


class StrokeFont:
    """The strokes that OpenCV 4 draws; other than ASCII letters become "?"."""

    def __init__(self, size_px: int) -> None:
        self._scale = size_px * 0.72 / _HERSHEY_HEIGHT
        self._stroke = max(1, round(size_px / 16))
        self._cap = round(size_px * 0.72)
        self.line_px = round(size_px * 1.25)

    def width(self, text: str) -> int:
        """Returns the width of a text, pixels."""
        text = drawable(text)
        size, _ = cv2.getTextSize(text, _HERSHEY, self._scale, self._stroke)
        return int(size[0])

    def draw(self, canvas: Pixels, text: str, left: int, top: int, ink: Color) -> None:
        """Writes a text into an image, in place."""
        base = (left, top + (self.line_px + self._cap) // 2)
        cv2.putText(
            canvas,
            drawable(text),
            base,
            _HERSHEY,
            self._scale,
            ink,
            self._stroke,
            cv2.LINE_AA,
        )


def drawable(text: str) -> str:
    """Returns a text that OpenCV can draw, in one line.

    Half of a surrogate pair ends the process there, and control characters move or
    hide what is beside them.
    """
    return "".join(
        "?" if unicodedata.category(letter) in _UNDRAWN else letter for letter in text
    )


def make_font(size_px: int) -> Font:
    """Returns the better of the fonts that this OpenCV has."""
    return OutlineFont(size_px) if hasattr(cv2, "FontFace") else StrokeFont(size_px)
