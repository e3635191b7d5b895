"""Colours of classes and tags in whatever form a file has them."""

from __future__ import annotations

import re
from typing import Any

from formats.drawing.css_colors import CSS_COLORS

COLOR_FORMS = '"#RRGGBB", "#RGB", a CSS name or [red, green, blue] of 0..255'
"""What `read_color` reads, for messages."""

_HEX = re.compile("#?([0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?")
_SHORT_HEX = re.compile("#?([0-9A-Fa-f]{3})[0-9A-Fa-f]?")
_OPAQUE, _WITH_ALPHA = 3, 4


def read_color(value: Any) -> str | None:
    """Reads a colour; an alpha value is dropped.

    Args:
        value: as the JSON has it.

    Returns:
        "#RRGGBB", or None where it names no colour.
    """
    if isinstance(value, list):
        return _of_numbers(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    if match := _HEX.fullmatch(text):
        return f"#{match[1]}"
    if match := _SHORT_HEX.fullmatch(text):
        return "#" + "".join(2 * digit for digit in match[1])
    code = CSS_COLORS.get(text.lower())
    return None if code is None else f"#{code}"


def _of_numbers(values: list[Any]) -> str | None:
    if len(values) not in (_OPAQUE, _WITH_ALPHA):
        return None
    numbers = values[:_OPAQUE]
    if not all(
        type(n) in (int, float) and 0 <= n <= 255 and n == int(n) for n in numbers
    ):
        return None
    return "#" + "".join(f"{int(number):02X}" for number in numbers)
