"""Numbers, colours and images as templates write them."""

from __future__ import annotations

import base64
import math
import re
from typing import NamedTuple, TypeGuard

import cv2
import numpy as np

from formats.images.image import Pixels

Value = str | int | float | None

DASH = "–"
"""For a value that there is none of."""
WEBP_QUALITY = 82
"""Of images, 1..100; 101 loses nothing."""
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")


class InlineImage(NamedTuple):
    """An image inside a page: its address, which holds all of it, and its size."""

    source: str
    width: int
    height: int


def value_text(value: Value) -> str:
    """Returns a value for people: 1,234; 0.512; 7.75; 12.3; – for NaN."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    limits = ((100, 0), (10, 1), (1, 2))  # shares, which end at 1, have three
    decimals = next((places for least, places in limits if abs(value) > least), 3)
    return f"{value:,.{decimals}f}"


def tick_text(value: float) -> str:
    """Returns a value on an axis: 1,234; 2.5; 0.05."""
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


def percent(share: float) -> str:
    """Returns a share, 0..1, as a length in CSS."""
    return f"{share:.3%}"


def is_rgb(color: str | None) -> TypeGuard[str]:
    """Tells whether a text is a colour, "#RRGGBB", and nothing but that."""
    return color is not None and _COLOR.fullmatch(color) is not None


def inline_image(image: Pixels, max_side_px: int) -> InlineImage:
    """Encodes an image for a page that holds it.

    Args:
        image: uint8[H, W, 3] RGB.
        max_side_px: larger images are shrunk to it.
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
    return InlineImage(f"data:image/webp;base64,{encoded}", width, height)
