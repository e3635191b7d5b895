"""Labels of instances: written where they hide neither an object nor each other.

Frame: the drawing, whole pixels; colours are RGB throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from formats.drawing.font import Color, Font, make_font
from formats.drawing.overlay_places import (
    HiddenShares,
    LabelBox,
    LabelRect,
    Place,
    find_place,
)
from formats.mask_crop import Mask

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

LABEL_OPACITY = 0.88
LABELS_SHARE = 0.12
"""Of the image that labels may cover; the first of them get theirs."""
MOST_LABELS = 500
"""Labels that a place is looked for; no image has room for more."""
LARGEST_PX, SMALLEST_PX, CROWDED_PX = 48, 11, 10
"""Sizes of type; the last where labels would cover too much in a larger one."""
LONGEST_TITLE = 80
"""Characters of a title that are looked at; no image has room for more."""


class Label(NamedTuple):
    """What is written at an object.

    Attributes:
        title: of its class.
        score: as text, may be empty.
        color: RGB.
        box: of the object, which may have no pixel.
    """

    title: str
    score: str
    color: Color
    box: LabelBox


def draw_labels(
    canvas: Pixels, labels: Sequence[Label], objects: Iterable[tuple[LabelBox, Mask]]
) -> None:
    """Writes labels into an image, in place, those that come first with most room.

    A label goes to its box, else near it with a line that leads there, else only its
    score is written, else nothing.

    Args:
        canvas: uint8[H, W, 3] RGB.
        labels: what to write.
        objects: of all that may not be hidden the box, and bool[h, w], the mask, which
            fills the box.
    """
    height, width = canvas.shape[:2]
    labels = [label for label in labels if label.title or label.score][:MOST_LABELS]
    if not labels:
        return
    hidden = HiddenShares((height, width), objects)
    font = _choose_font(labels, (height, width))
    allowed = LABELS_SHARE * height * width
    taken: list[LabelRect] = []
    covered = 0
    for label in labels:
        for text in _texts(label, font, width):
            size = _size(text, font)
            place = find_place(label.box, size, (height, width), taken, hidden)
            if place is not None:
                _draw_label(canvas, label, text, place, font)
                taken += place.parts
                covered += size[0] * size[1]
                break
        if covered > allowed:
            break


def _choose_font(labels: Sequence[Label], size: tuple[int, int]) -> Font:
    """Returns a font for the size of the image, smaller where much is written."""
    side = math.sqrt(size[0] * size[1])
    usual = round(min(max(side / 50, SMALLEST_PX), LARGEST_PX))
    smaller = max(CROWDED_PX, round(usual * 0.7))
    font = make_font(usual)
    covered = 0
    for label in labels:
        width, height = _size(f"{label.title[:LONGEST_TITLE]} {label.score}", font)
        covered += width * height
        if covered > LABELS_SHARE * size[0] * size[1] / 2:
            return make_font(smaller)
    return font


def _size(text: str, font: Font) -> tuple[int, int]:
    """Returns (width, height) of a label."""
    return font.width(text) + 2 * _pad(font), font.line_px + 2


def _pad(font: Font) -> int:
    return max(2, font.line_px // 5)


def _texts(label: Label, font: Font, width: int) -> Iterator[str]:
    """Yields what may be written, the best first; nothing wider than the image."""
    room = width - 2 * _pad(font)
    title = label.title[:LONGEST_TITLE]
    whole = f"{title} {label.score}".strip()
    if title == label.title and font.width(whole) <= room:
        yield whole
    else:
        for length in range(len(title) - 1, 0, -1):
            text = f"{title[:length]}.. {label.score}".strip()
            if font.width(text) <= room:
                yield text
                break
    if label.score and label.title and font.width(label.score) <= room:
        yield label.score


def _draw_label(
    canvas: Pixels, label: Label, text: str, place: Place, font: Font
) -> None:
    left, top, right, bottom = place.rect
    if place.leader is not None:
        thickness = max(1, font.line_px // 16)
        cv2.line(canvas, *place.leader, label.color, thickness, cv2.LINE_AA)
    part = canvas[top:bottom, left:right]
    part[:] = _blend(part, label.color, LABEL_OPACITY)
    ink = _ink_on(label.color)
    font.draw(canvas, text, left + _pad(font), top + 1, ink)


def _blend(pixels: Pixels, color: Color, opacity: float) -> Pixels:
    mixed = pixels * (1.0 - opacity) + np.asarray(color) * opacity
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _ink_on(color: Color) -> Color:
    """Returns black or white, whichever reads better on a colour (ITU-R BT.601)."""
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (0, 0, 0) if luma > 140 else (255, 255, 255)
