"""A cropped mask in its whole image, which no product code makes."""

from __future__ import annotations

import numpy as np

from formats.mask_crop import Mask, MaskCrop


def pasted(crop: MaskCrop, size: tuple[int, int]) -> Mask:
    """Returns bool[H, W], the mask in an image of (height, width) pixels."""
    y1, x1, y2, x2 = crop.box
    whole = np.zeros(size, np.bool_)
    whole[y1:y2, x1:x2] = crop.mask
    return whole
