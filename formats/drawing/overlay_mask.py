"""Masks as they are drawn: how much of each pixel they cover, also when enlarged."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from formats.mask_crop import Mask

Points = np.ndarray[Any, np.dtype[np.float32]]
Coverage = np.ndarray[Any, np.dtype[np.uint8]]

SMOOTHED_FROM_PX = 5
"""Shorter side of a mask from which its staircase is smoothed; dots would vanish."""
TOLERANCE_PX = 0.2
"""By which an outline may miss the smoothed one, to be drawn with few points."""
SIGMA_PX = 0.7
"""Of the smoothing, pixels of the mask: about one step of a staircase."""


def coverage_of(mask: Mask, scale: int) -> Coverage:
    """Returns how much of each pixel a mask covers.

    Where it is enlarged, its border runs smoothly between the pixels of the mask
    instead of around them.

    Args:
        mask: bool[h, w].
        scale: so many times as large.

    Returns:
        uint8[h * scale, w * scale], 0..255.
    """
    solid: Coverage = np.ascontiguousarray(mask).view(np.uint8) * np.uint8(255)
    if scale == 1:
        return solid
    padded = cv2.copyMakeBorder(solid, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    if min(mask.shape) >= SMOOTHED_FROM_PX:
        padded = np.maximum(cv2.GaussianBlur(padded, (5, 5), SIGMA_PX), _thin(padded))
    large = cv2.resize(
        padded, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR
    )[scale:-scale, scale:-scale]
    # A border as wide as one pixel of the drawing, where resizing leaves `scale`.
    sharp = (large.astype(np.float32) - 127.5) * scale + 127.5
    return np.asarray(np.clip(np.rint(sharp), 0, 255), dtype=np.uint8)


def _thin(solid: Coverage) -> Coverage:
    """Returns the parts of a mask one pixel wide, which smoothing would take away."""
    square = np.ones((2, 2), np.uint8)
    core = cv2.dilate(cv2.erode(solid, square, anchor=(1, 1)), square, anchor=(0, 0))
    return np.asarray(cv2.subtract(solid, core))


def outlines(coverage: Coverage, scale: int) -> list[Points]:
    """Returns the outlines of a mask and of its holes, without its staircase.

    Args:
        coverage: uint8[h, w], 0..255.
        scale: pixels of a step of that staircase.

    Returns:
        float32[N, 2] (x, y) for each outline, in the frame of the mask.
    """
    solid = cv2.threshold(coverage, 127, 255, cv2.THRESH_BINARY)[1]
    found, _ = cv2.findContours(solid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    reach = scale + 1
    lines = []
    for contour in found:
        line = contour[:, 0].astype(np.float32)
        if len(line) > 8 * reach:
            round_about = np.concatenate([line[-reach:], line, line[:reach]])
            line = cv2.blur(round_about, (1, 2 * reach + 1))[reach:-reach]
        lines.append(cv2.approxPolyDP(line, TOLERANCE_PX, closed=True)[:, 0])
    return lines
