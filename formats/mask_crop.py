"""One object's mask, cropped to the object. Memory grows with objects, not pictures.

Frame: the picture as people see it, whole pixels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Mask = np.ndarray[Any, np.dtype[np.bool_]]


class MaskCrop(NamedTuple):
    """The set pixels of a picture.

    Attributes:
        y1: row of the crop's top pixels.
        x1: column of the crop's left pixels.
        mask: bool[h, w], its tight box: the outer rows and columns have a set pixel.
    """

    y1: int
    x1: int
    mask: Mask

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The tight box (y1, x1, y2, x2), half-open."""
        height, width = self.mask.shape
        return self.y1, self.x1, self.y1 + height, self.x1 + width


def tight_crop(mask: Mask, origin: tuple[int, int] = (0, 0)) -> MaskCrop | None:
    """Crops a mask to its set pixels.

    Args:
        mask: bool[h, w].
        origin: (y, x) of its top-left pixel in the picture.

    Returns:
        The crop, which owns its pixels, or None where none is set.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    tight = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    return MaskCrop(origin[0] + top, origin[1] + left, tight.copy())


def clip_crop(crop: MaskCrop, size: tuple[int, int]) -> MaskCrop | None:
    """Cuts off what lies outside of a picture.

    Args:
        crop: its origin may be negative.
        size: (height, width) of the picture.

    Returns:
        What is left, tight, or None.
    """
    y1, x1, y2, x2 = crop.box
    if y1 >= 0 and x1 >= 0 and y2 <= size[0] and x2 <= size[1]:
        return crop
    top, left = max(0, -y1), max(0, -x1)
    inside = crop.mask[top : max(0, size[0] - y1), left : max(0, size[1] - x1)]
    return tight_crop(inside, (y1 + top, x1 + left))


__all__ = ["Mask", "MaskCrop", "clip_crop", "tight_crop"]
