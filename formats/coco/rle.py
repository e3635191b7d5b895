"""Writes masks as COCO's compressed run lengths.

Frame: the image; runs go down the columns, from the left.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from formats.mask_crop import MaskCrop

_FIRST = 48
_CONTINUES = 32
_SIGN = 16


def encode_mask(crop: MaskCrop, size: tuple[int, int]) -> dict[str, Any]:
    """Returns the `segmentation` of an annotation; inverse of `draw_segmentation`.

    Args:
        crop: the mask, within the image.
        size: (height, width) of the image.
    """
    return {"size": [*size], "counts": encode_counts(run_lengths(crop, size))}


def run_lengths(crop: MaskCrop, size: tuple[int, int]) -> list[int]:
    """Returns the run lengths of a mask, the first of pixels that are not set.

    Args:
        crop: the mask, within the image; what is computed grows with it alone.
        size: (height, width) of the image.
    """
    height, width = size
    columns = np.pad(crop.mask.T, ((0, 0), (1, 1)))
    column, row = np.nonzero(columns[:, 1:] != columns[:, :-1])
    turns = (column + crop.x1) * height + row + crop.y1  # starts and ends by turns
    # What ends at the foot of a column and starts at the head of the next is one run.
    breaks = turns[1:-1].reshape(-1, 2)
    breaks = breaks[breaks[:, 0] != breaks[:, 1]]
    turns = np.concatenate([turns[:1], breaks.ravel(), turns[-1:]])
    counts: list[int] = np.diff(turns, prepend=0, append=height * width).tolist()
    return counts if counts[-1] else counts[:-1]


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
