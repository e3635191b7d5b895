"""Writes masks as COCO's compressed run lengths.

Frame: the picture; runs go down the columns, from the left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from formats.mask_crop import Mask

_FIRST = 48
_CONTINUES = 32
_SIGN = 16


def encode_mask(
    mask: Mask, origin: tuple[int, int], size: tuple[int, int]
) -> dict[str, Any]:
    """Returns the `segmentation` of an annotation; inverse of `draw_segmentation`.

    Args:
        mask: bool[h, w].
        origin: (y, x) of its top-left pixel in the picture, within it as all the mask.
        size: (height, width) of the picture.
    """
    height, width = size
    columns, rows = np.nonzero(mask.T)
    flat = (columns + origin[1]) * height + rows + origin[0]
    breaks = np.flatnonzero(np.diff(flat) > 1)
    starts = flat[np.r_[0, breaks + 1]] if flat.size else flat
    ends = flat[np.r_[breaks, -1]] + 1 if flat.size else flat
    edges = np.empty(2 * starts.size + 2, np.int64)
    edges[0], edges[-1] = 0, height * width
    edges[1:-1:2], edges[2:-1:2] = starts, ends
    counts = np.diff(edges).tolist()
    if not counts[-1]:
        counts.pop()
    return {"size": [height, width], "counts": encode_counts(counts)}


def encode_counts(counts: Iterable[int]) -> str:
    """Compresses run lengths; inverse of `decode_counts`."""
    text = bytearray()
    before: list[int] = []
    for count in counts:
        value = count - before[-2] if len(before) > 2 else count
        before.append(count)
        while True:
            group = value & 31
            value >>= 5
            done = value == (-1 if group & _SIGN else 0)
            text.append(group + _FIRST + (0 if done else _CONTINUES))
            if done:
                break
    return text.decode("ascii")


__all__ = ["encode_counts", "encode_mask"]
