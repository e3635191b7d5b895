"""One object's mask, cropped to the object. Memory grows with objects, not images.

A mask is this from the annotation to the training's targets, and from the server's
answer to the annotation; run lengths and PNG are made of it and read into it.

Frame: the image as people see it, whole pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

Mask = np.ndarray[Any, np.dtype[np.bool_]]
CropBox = tuple[int, int, int, int]
"""(y1, x1, y2, x2), whole pixels, half-open."""

MAX_PIXELS = 1 << 30
"""Of a mask or an image: OpenCV decodes no more."""


class MaskCrop(NamedTuple):
    """The set pixels of an image.

    Attributes:
        y1: row of the crop's top pixels.
        x1: column of the crop's left pixels.
        mask: bool[h, w]. What is read from a file is tight: the outer rows and columns
            have a set pixel.
    """

    y1: int
    x1: int
    mask: Mask

    @property
    def box(self) -> CropBox:
        """(y1, x1, y2, x2) of the crop, half-open."""
        height, width = self.mask.shape
        return self.y1, self.x1, self.y1 + height, self.x1 + width

    def part(self, box: CropBox) -> MaskCrop:
        """Returns what lies in a box: a view, which may be without a pixel."""
        y1, x1 = max(self.y1, box[0]), max(self.x1, box[1])
        rows = slice(y1 - self.y1, max(y1, box[2]) - self.y1)
        columns = slice(x1 - self.x1, max(x1, box[3]) - self.x1)
        return MaskCrop(y1, x1, self.mask[rows, columns])

    def within(self, box: CropBox) -> Mask:
        """Returns bool[h, w], all pixels of a box, new."""
        pixels = np.zeros((box[2] - box[0], box[3] - box[1]), np.bool_)
        self.part(box).draw_on(pixels, box[:2])
        return pixels

    def draw_on(self, canvas: Mask, origin: tuple[int, int]) -> None:
        """Sets the pixels in a mask.

        Args:
            canvas: bool[h, w] around the crop.
            origin: (y, x) of the canvas' top-left pixel in the image.
        """
        y1, x1, y2, x2 = self.box
        top, left = origin
        canvas[y1 - top : y2 - top, x1 - left : x2 - left] |= self.mask


def tight_crop(mask: Mask, origin: tuple[int, int] = (0, 0)) -> MaskCrop | None:
    """Crops a mask to its set pixels.

    Args:
        mask: bool[h, w].
        origin: (y, x) of its top-left pixel in the image.

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
    """Cuts off what lies outside of an image.

    Args:
        crop: its origin may be negative.
        size: (height, width) of the image.

    Returns:
        The crop itself if nothing sticks out, else what is left, tight, or None.
    """
    inside = crop.part((0, 0, *size))
    if inside.box == crop.box:
        return crop
    return tight_crop(inside.mask, (inside.y1, inside.x1))


def unite_crops(crops: Sequence[MaskCrop]) -> MaskCrop:
    """Returns the union of at least one crop, as large as the box around them."""
    boxes = np.array([crop.box for crop in crops], np.int64)
    y1, x1 = boxes[:, :2].min(axis=0).tolist()
    y2, x2 = boxes[:, 2:].max(axis=0).tolist()
    union = MaskCrop(y1, x1, np.zeros((y2 - y1, x2 - x1), np.bool_))
    for crop in crops:
        crop.draw_on(union.mask, (y1, x1))
    return union


def mask_iou(one: MaskCrop, two: MaskCrop) -> float:
    """Returns intersection over union of two masks; 0 for empty ones."""
    here, there = one.part(two.box), two.part(one.box)
    both = int(np.count_nonzero(here.mask & there.mask))
    union = int(np.count_nonzero(one.mask)) + int(np.count_nonzero(two.mask)) - both
    return both / union if union else 0.0
