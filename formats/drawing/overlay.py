"""Draws instances over their image: masks, outlines, boxes, labels.

Frame: the image, whole pixels; colours are RGB throughout.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from formats.drawing.font import Color
from formats.drawing.overlay_labels import Label, draw_labels
from formats.drawing.overlay_mask import coverage_of, outlines
from formats.mask_crop import Mask

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

MASK_OPACITY = 0.42
GOLDEN_RATIO = 0.618034
"""Step of the hue between classes without a colour: no two of them come close."""
SHIFT = 4
"""Bits of a fraction in the coordinates of lines."""
READABLE_PX = 1024
"""Longest side up to which small images are enlarged, by a whole factor."""
DASH_SHARE = 1 / 90
"""Of the image's side: a dash of a region's box, and the gap after it."""


class Overlay(NamedTuple):
    """One instance to draw, or a region.

    Attributes:
        title: of its class; empty, and without a score, for no label.
        color: RGB.
        box: (y1, x1, y2, x2), half-open.
        mask: bool[y2 - y1, x2 - x1]; None for a region, whose box is dashed.
        score: 0..1; None for what was labelled, not predicted.
    """

    title: str
    color: Color
    box: tuple[int, int, int, int]
    mask: Mask | None
    score: float | None = None

    @property
    def area(self) -> int:
        """Pixels of the box."""
        top, left, bottom, right = self.box
        return (bottom - top) * (right - left)

    @property
    def score_text(self) -> str:
        """What its label says after the title."""
        return "" if self.score is None else f"{self.score:.2f}"


class _Drawn(NamedTuple):
    """An overlay with its box in the frame of the drawing.

    Its mask is cut to the image and not enlarged yet; None where it has no pixel.
    """

    overlay: Overlay
    box: tuple[int, int, int, int]
    mask: Mask | None
    scale: int


def readable_scale(size: tuple[int, int]) -> int:
    """Returns the whole factor that makes a small image large enough to read.

    Args:
        size: (height, width), pixels.

    Returns:
        1 for all images with a side above 512 pixels; the longest side of others
        grows to between 513 and 1024.
    """
    return max(1, READABLE_PX // max(size))


def draw_overlays(
    image: Pixels, overlays: Sequence[Overlay], *, labels: bool = True, scale: int = 1
) -> Pixels:
    """Draws instances over an image; sizes of lines and text follow the image's.

    Args:
        image: uint8[H, W, 3] RGB; not changed.
        overlays: what to draw, in this image's frame; cut to it.
        labels: write classes and scores too, where they hide neither an object nor
            each other.
        scale: draw everything so many times as large, with smooth masks.

    Returns:
        uint8[H * scale, W * scale, 3] RGB.
    """
    canvas = _enlarged(image, scale)
    side = math.sqrt(canvas.shape[0] * canvas.shape[1])
    line_px = max(1, round(side / 480))
    # Large ones first: what lies in front is mostly smaller, and stays visible.
    drawn = [
        _prepare(overlay, (image.shape[0], image.shape[1]), scale)
        for overlay in sorted(overlays, key=lambda overlay: -overlay.area)
    ]
    for one in drawn:
        _draw_mask(canvas, one, line_px)
    for one in drawn:
        _draw_box(canvas, one, max(1, line_px // 2), max(3, round(side * DASH_SHARE)))
    if labels:
        ranked = sorted(drawn, key=lambda one: _label_rank(one.overlay))
        draw_labels(
            canvas,
            [Label(o.title, o.score_text, o.color, box) for o, box, _, _ in ranked],
            [(one.box, one.mask) for one in drawn if one.mask is not None],
        )
    return canvas


def distinct_colors(ids: set[int], colors: Mapping[int, str]) -> dict[int, Color]:
    """Returns an RGB colour for each class id, no two of them the same."""
    palette: dict[int, Color] = {}
    for class_id in sorted(ids):
        color = parse_color(colors.get(class_id, ""))
        if color is None or color in palette.values():
            hue = (class_id * GOLDEN_RATIO) % 1.0
            red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, 0.95)
            color = (round(red * 255), round(green * 255), round(blue * 255))
        palette[class_id] = color
    return palette


def parse_color(text: str) -> Color | None:
    """Returns the RGB of "#RRGGBB", None of any other text."""
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


def _enlarged(image: Pixels, scale: int) -> Pixels:
    if scale == 1:
        return np.array(image, np.uint8, order="C")
    height, width = image.shape[:2]
    size = (width * scale, height * scale)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC))


def _prepare(overlay: Overlay, size: tuple[int, int], scale: int) -> _Drawn:
    """Cuts an overlay to the image of (height, width), and enlarges it."""
    top, left, bottom, right = overlay.box
    y1, y2 = (min(max(y, 0), size[0]) for y in (top, max(top, bottom)))
    x1, x2 = (min(max(x, 0), size[1]) for x in (left, max(left, right)))
    mask = None
    if overlay.mask is not None:
        cut = overlay.mask[y1 - top : y2 - top, x1 - left : x2 - left]
        mask = cut if cut.any() else None
    box = y1 * scale, x1 * scale, y2 * scale, x2 * scale
    return _Drawn(overlay, box, mask, scale)


def _draw_mask(canvas: Pixels, one: _Drawn, line_px: int) -> None:
    if one.mask is None:
        return
    coverage = coverage_of(one.mask, one.scale)
    top, left, bottom, right = one.box
    part = canvas[top:bottom, left:right]
    color = one.overlay.color
    tinted = cv2.LUT(part, _tint_table(color))
    if one.scale > 1:
        weights = coverage * np.float32(1 / 255)
        part[:] = cv2.blendLinear(part, tinted, 1 - weights, weights)
    else:
        cv2.copyTo(tinted, coverage, part)
    outline = _towards(color, (255, 255, 255), 0.35)
    for line in outlines(coverage, one.scale):
        placed = line + np.array((left, top), np.float32)
        cv2.polylines(
            canvas,
            [np.rint(placed * 2**SHIFT).astype(np.int32)],
            isClosed=True,
            color=outline,
            thickness=line_px,
            lineType=cv2.LINE_AA,
            shift=SHIFT,
        )


def _tint_table(color: Color) -> Pixels:
    """Returns uint8[1, 256, 3]: what becomes of each value under a mask."""
    values = np.arange(256)[:, None] * (1 - MASK_OPACITY)
    mixed = values + np.asarray(color) * MASK_OPACITY
    return np.rint(mixed).astype(np.uint8)[None]


def _draw_box(canvas: Pixels, one: _Drawn, line_px: int, dash_px: int) -> None:
    top, left, bottom, right = one.box
    if bottom <= top or right <= left:
        return
    color = one.overlay.color
    if one.overlay.mask is not None:
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), color, line_px)
        return
    thick = 2 * line_px
    for y in (top, max(top, bottom - thick)):
        for x in range(left, right, 2 * dash_px):
            canvas[y : min(y + thick, bottom), x : min(x + dash_px, right)] = color
    for x in (left, max(left, right - thick)):
        for y in range(top, bottom, 2 * dash_px):
            canvas[y : min(y + dash_px, bottom), x : min(x + thick, right)] = color


def _towards(color: Color, other: Color, share: float) -> Color:
    red, green, blue = (
        round(a + (b - a) * share) for a, b in zip(color, other, strict=True)
    )
    return red, green, blue
