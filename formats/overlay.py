"""Draws instances over their picture: masks, outlines, boxes, labels.

Frame: the picture, whole pixels; colours are RGB throughout.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from formats.font import Color, Font, make_font

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Rect = tuple[int, int, int, int]
"""(left, top, right, bottom), whole pixels, half-open."""

MASK_OPACITY = 0.42
LABEL_OPACITY = 0.88
LABELS_SHARE = 0.15
"""Of the picture that labels may cover; the most confident instances get theirs."""
GOLDEN_RATIO = 0.618034
"""Step of the hue between classes without a colour: no two of them come close."""


class Overlay(NamedTuple):
    """One instance to draw.

    Attributes:
        title: of its class; empty, and without a score, for no label.
        color: RGB.
        box: (y1, x1, y2, x2), half-open.
        mask: bool[y2 - y1, x2 - x1].
        score: 0..1; None for what was labelled, not predicted.
    """

    title: str
    color: Color
    box: tuple[int, int, int, int]
    mask: Mask
    score: float | None = None

    @property
    def area(self) -> int:
        """Pixels of the box."""
        top, left, bottom, right = self.box
        return (bottom - top) * (right - left)


def draw_overlays(
    image: Pixels, overlays: Sequence[Overlay], *, labels: bool = True
) -> Pixels:
    """Draws instances over a picture; sizes of lines and text follow the picture's.

    Args:
        image: uint8[H, W, 3] RGB; not changed.
        overlays: what to draw, in this picture's frame.
        labels: write classes and scores too.

    Returns:
        uint8[H, W, 3] RGB.
    """
    canvas: Pixels = np.ascontiguousarray(image).copy()
    side = math.sqrt(canvas.shape[0] * canvas.shape[1])
    font = make_font(round(min(max(side / 46, 11), 44)))
    line_px = max(1, round(side / 480))
    # Large ones first: what lies in front is mostly smaller, and stays visible.
    order = sorted(overlays, key=lambda overlay: -overlay.area)
    for overlay in order:
        _draw_mask(canvas, overlay, line_px)
    for overlay in order:
        _draw_box(canvas, overlay, line_px)
    if not labels:
        return canvas
    taken: list[Rect] = []
    allowed = LABELS_SHARE * canvas.shape[0] * canvas.shape[1]
    for overlay in sorted(overlays, key=_label_rank):
        _draw_label(canvas, overlay, font, taken)
        if sum(_rect_area(rect) for rect in taken) > allowed:
            break
    return canvas


def distinct_colors(ids: set[int], colors: Mapping[int, str]) -> dict[int, Color]:
    """Returns an RGB colour for each class id, no two of them the same."""
    palette: dict[int, Color] = {}
    for class_id in sorted(ids):
        color = _parse_color(colors.get(class_id, ""))
        if color is None or color in palette.values():
            hue = (class_id * GOLDEN_RATIO) % 1.0
            red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
            color = (round(red * 255), round(green * 255), round(blue * 255))
        palette[class_id] = color
    return palette


def _parse_color(text: str) -> Color | None:
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        return None
    return red, green, blue


def _label_rank(overlay: Overlay) -> tuple[float, int]:
    """Sorts the most confident first; of those without a score the largest."""
    if overlay.score is None:
        return 0.0, -overlay.area
    return -overlay.score, 0


def _draw_mask(canvas: Pixels, overlay: Overlay, line_px: int) -> None:
    mask = overlay.mask
    if not mask.any():
        return
    top, left, bottom, right = overlay.box
    part = canvas[top:bottom, left:right]
    part[mask] = _blend(part[mask], overlay.color, MASK_OPACITY)
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(left, top)
    )
    outline = _towards(overlay.color, (255, 255, 255), 0.35)
    cv2.drawContours(canvas, contours, -1, outline, line_px, cv2.LINE_AA)


def _draw_box(canvas: Pixels, overlay: Overlay, line_px: int) -> None:
    top, left, bottom, right = overlay.box
    if bottom > top and right > left:
        corners = (left, top), (right - 1, bottom - 1)
        cv2.rectangle(canvas, *corners, overlay.color, line_px)


def _draw_label(
    canvas: Pixels, overlay: Overlay, font: Font, taken: list[Rect]
) -> None:
    """Writes class and score where no label is yet; `taken` are those written."""
    height, width = canvas.shape[:2]
    pad = max(2, font.line_px // 5)
    score = "" if overlay.score is None else f" {overlay.score:.2f}"
    text = _shorten(overlay.title, score, font, width - 2 * pad)
    if not text:
        return
    size = (min(font.width(text) + 2 * pad, width), min(font.line_px + 2, height))
    place = _place(overlay.box, size, (width, height), taken)
    if place is None:
        return
    taken.append(place)
    left, top, right, bottom = place
    part = canvas[top:bottom, left:right]
    part[:] = _blend(part, overlay.color, LABEL_OPACITY)
    font.draw(canvas, text, left + pad, top + 1, _ink_on(overlay.color))


def _shorten(title: str, score: str, font: Font, width: int) -> str:
    """Returns title and score, the title cut where both are wider than allowed."""
    if font.width(title + score) <= width:
        return title + score
    for length in range(len(title) - 1, 0, -1):
        if font.width(text := f"{title[:length]}..{score}") <= width:
            return text
    return score.strip()


def _place(
    box: tuple[int, int, int, int],
    size: tuple[int, int],
    canvas: tuple[int, int],
    taken: Sequence[Rect],
) -> Rect | None:
    """Returns where a label goes: at the box, in the picture, on no other label.

    None where there is no such place.

    Args:
        box: (top, left, bottom, right) of the instance.
        size: (width, height) of the label.
        canvas: (width, height) of the picture.
        taken: where labels are already.
    """
    top, left, bottom, right = box
    above = top - size[1]
    corners = [(left, above), (left, top), (right - size[0], above)]
    corners += [(left, top + step * size[1]) for step in range(1, 8)]
    corners += [(left, bottom), *((left, above - step * size[1]) for step in (1, 2, 3))]
    places = []
    for corner in corners:
        x = min(max(corner[0], 0), canvas[0] - size[0])
        y = min(max(corner[1], 0), canvas[1] - size[1])
        places.append((x, y, x + size[0], y + size[1]))
    free = (p for p in places if not any(_overlap(p, other) for other in taken))
    return next(free, None)


def _rect_area(rect: Rect) -> int:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _blend(pixels: Pixels, color: Color, opacity: float) -> Pixels:
    mixed = pixels * (1.0 - opacity) + np.asarray(color) * opacity
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _towards(color: Color, other: Color, share: float) -> Color:
    red, green, blue = (
        round(a + (b - a) * share) for a, b in zip(color, other, strict=True)
    )
    return red, green, blue


def _ink_on(color: Color) -> Color:
    """Returns black or white, whichever reads better on a colour (ITU-R BT.601)."""
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (0, 0, 0) if luma > 140 else (255, 255, 255)


__all__ = ["Overlay", "distinct_colors", "draw_overlays"]
