"""Colours of classes that no file gives a colour."""

from __future__ import annotations

import colorsys

_GOLDEN_RATIO = 0.618034


def distinct_color(class_id: int) -> str:
    """Returns a colour that neighbouring ids do not resemble, "#RRGGBB"."""
    hue = class_id * _GOLDEN_RATIO % 1.0
    value = (0.95, 0.75)[class_id // 7 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, value)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"
