"""Texts, numbers, colours and pictures as HTML. Nothing comes out unescaped."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from typing import Any

import cv2
import numpy as np

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Value = str | int | float | None

DASH = "–"
"""For a value that there is none of."""
WEBP_QUALITY = 82
"""Of pictures, 1..100; 101 loses nothing."""
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")


def escape(text: str) -> str:
    """Returns a text for element content and quoted attributes.

    What no encoding has, such as the bytes of a file's name that is no text, becomes
    "?".
    """
    printable = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")
    return html.escape(printable, quote=True)


def value_text(value: Value) -> str:
    """Returns a value for people, not escaped: 1,234; 0.512; 7.75; 12.3; – for NaN."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    limits = ((100, 0), (10, 1), (1, 2))  # shares, which end at 1, have three
    decimals = next((places for least, places in limits if abs(value) > least), 3)
    return f"{value:,.{decimals}f}"


def swatch(color: str | None) -> str:
    """Returns a dot of a colour, "#RRGGBB"; nothing for what is no such colour."""
    if color is None or not _COLOR.fullmatch(color):
        return ""
    return f'<i class="dot" style="background:{color}"></i>'


def script_json(content: Any) -> str:
    """Returns JSON that may stand in a script element."""
    text = json.dumps(content, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def img(image: Pixels, alt: str, *, max_side_px: int) -> str:
    """Returns an img element that carries its picture.

    Args:
        image: uint8[H, W, 3] RGB.
        alt: what it shows.
        max_side_px: larger pictures are shrunk to it.
    """
    height, width = image.shape[:2]
    scale = min(1.0, max_side_px / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        width, height = size
    bgr = np.ascontiguousarray(image[..., ::-1])
    data = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])[1]
    encoded = base64.b64encode(data.tobytes()).decode("ascii")
    return (
        f'<img src="data:image/webp;base64,{encoded}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}" loading="lazy" decoding="async">'
    )


__all__ = [
    "DASH",
    "Pixels",
    "Value",
    "escape",
    "img",
    "script_json",
    "swatch",
    "value_text",
]
