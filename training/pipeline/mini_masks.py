"""Instance masks cut to their box and shrunk, which keeps batches small.

Equal to Matterport's `minimize_mask`: bilinear as in `models.resize`, here in numpy for
the worker threads of the input pipeline, then rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MINI_MASK_SIZE = 56
"""Side of a mini mask, MINI_MASK_SHAPE."""

Array = np.ndarray[Any, Any]


def mini_mask(crop: Array) -> Array:
    """Resizes a mask that was cut to its box.

    Args:
        crop: bool[h, w], at least one pixel.

    Returns:
        bool[m, m], m = `MINI_MASK_SIZE`.

    Raises:
        ValueError: the crop has no pixels.
    """
    if not crop.size:
        raise ValueError(f"mask: expected at least one pixel, got shape {crop.shape}")
    padded = np.pad(crop.astype(np.float64), 1)
    top, fraction_y = _taps(crop.shape[0], MINI_MASK_SIZE)
    left, fraction_x = _taps(crop.shape[1], MINI_MASK_SIZE)
    fraction_y = fraction_y[:, None]
    upper, lower = padded[top] * (1 - fraction_y), padded[top + 1] * fraction_y
    resized = (
        upper[:, left] * (1 - fraction_x)
        + upper[:, left + 1] * fraction_x
        + lower[:, left] * (1 - fraction_x)
        + lower[:, left + 1] * fraction_x
    )
    # A mask that fills its box has no smaller value, at the blended edge either.
    resized = np.clip(resized, crop.min(), crop.max())
    return np.asarray(np.around(resized), bool)


def _taps(n_in: int, n_out: int) -> tuple[Array, Array]:
    """Returns first index in the padded input and weight of the next, per output."""
    position = (np.arange(n_out, dtype=np.float64) + 0.5) * (n_in / n_out) - 0.5
    first = np.floor(position)
    return first.astype(np.int64) + 1, position - first
