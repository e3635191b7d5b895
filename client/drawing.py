"""Draws instances over their picture: masks, outlines, boxes, labels.

Frame: the picture, pixels; colours are RGB throughout.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from client.font import Color, Font, make_font
from client.result import Instance

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Rect = tuple[int, int, int, int]
"""(left, top, right, bottom), whole pixels, half-open."""

MASK_OPACITY = 0.42
LABEL_OPACITY = 0.88
LABELS_SHARE = 0.15
"""Of the picture that labels may cover; the most confident instances get theirs."""
GOLDEN_RATIO = 0.618034
"""Step of the hue between classes without a colour: no two of them come close."""


def draw_instances(
    image: Pixels, instances: Sequence[Instance], colors: Mapping[int, str]
) -> Pixels:
    """Draws instances over a picture; sizes of lines and text follow the picture's.

    Args:
        image: uint8[H, W, 3] RGB; not changed.
        instances: what to draw, in this picture's frame.
        colors: class id to "#RRGGBB"; classes without one, or with one that another
            class has too, get one of their own.

    Returns:
        uint8[H, W, 3] RGB.
    """
    canvas = np.ascontiguousarray(image).copy()
    side = math.sqrt(canvas.shape[0] * canvas.shape[1])
    font = make_font(round(min(max(side / 46, 11), 44)))
    line_px = max(1, round(side / 480))
    palette = distinct_colors({i.class_id for i in instances}, colors)
    # Large ones first: what lies in front is mostly smaller, and stays visible.
    order = sorted(instances, key=lambda i: -_area(i))
    for instance in order:
        _draw_mask(canvas, instance, palette[instance.class_id], line_px)
    for instance in order:
        _draw_box(canvas, instance, palette[instance.class_id], line_px)
    taken: list[Rect] = []
    allowed = LABELS_SHARE * canvas.shape[0] * canvas.shape[1]
    for instance in sorted(instances, key=lambda i: -i.score):
        _draw_label(canvas, instance, palette[instance.class_id], font, taken)
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


def _area(instance: Instance) -> int:
    top, left, bottom, right = instance.mask_box
    return (bottom - top) * (right - left)


def _draw_mask(canvas: Pixels, instance: Instance, color: Color, line_px: int) -> None:
    mask = instance.mask_crop
    if not mask.any():
        return
    top, left, bottom, right = instance.mask_box
    part = canvas[top:bottom, left:right]
    part[mask] = _blend(part[mask], color, MASK_OPACITY)
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(left, top)
    )
    outline = _towards(color, (255, 255, 255), 0.35)
    cv2.drawContours(canvas, contours, -1, outline, line_px, cv2.LINE_AA)


def _draw_box(canvas: Pixels, instance: Instance, color: Color, line_px: int) -> None:
    top, left, bottom, right = instance.mask_box
    if bottom > top and right > left:
        corners = (left, top), (right - 1, bottom - 1)
        cv2.rectangle(canvas, *corners, color, line_px)


def _draw_label(
    canvas: Pixels, instance: Instance, color: Color, font: Font, taken: list[Rect]
) -> None:
    """Writes class and score where no label is yet; `taken` are those written."""
    height, width = canvas.shape[:2]
    pad = max(2, font.line_px // 5)
    score = f" {instance.score:.2f}"
    text = _shorten(instance.class_name, score, font, width - 2 * pad)
    size = (min(font.width(text) + 2 * pad, width), min(font.line_px + 2, height))
    place = _place(instance.mask_box, size, (width, height), taken)
    if place is None:
        return
    taken.append(place)
    left, top, right, bottom = place
    part = canvas[top:bottom, left:right]
    part[:] = _blend(part, color, LABEL_OPACITY)
    font.draw(canvas, text, left + pad, top + 1, _ink_on(color))


def _shorten(name: str, score: str, font: Font, width: int) -> str:
    """Returns name and score, the name cut where the two are wider than allowed."""
    if font.width(name + score) <= width:
        return name + score
    for length in range(len(name) - 1, 0, -1):
        if font.width(text := f"{name[:length]}..{score}") <= width:
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


__all__ = ["distinct_colors", "draw_instances"]
