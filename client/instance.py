"""One thing that a model found, and what else an annotation holds.

Frame of every box and mask: the image as people see it (EXIF applied), (0, 0) its
top-left corner, pixel i spanning [i, i + 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from client.mask_png import decode_mask_png
from formats.mask_crop import CropBox, Mask, MaskCrop, unite_crops
from formats.supervisely.annotation import bitmap_object, rectangle_object, tag_json

SCORE_DIGITS = 4
"""Decimal places of a confidence tag."""


@dataclass(frozen=True)
class Instance:
    """One thing that the model found.

    Attributes:
        class_name: its class, suffix included.
        class_id: its class in the model, 1 and up.
        score: 0..1; NaN from a model that gives none.
        box: (y1, x1, y2, x2), pixels, half-open, not rounded.
        mask_box: (y1, x1, y2, x2), the box in whole pixels: the frame of `mask_crop`.
        mask_png: one-channel 0/255 PNG of that size; empty if it has no pixel, or
            there are `parts`; None from a model that gives boxes only, whose mask is
            the whole box.
        image_size: (height, width) of the image, pixels.
        parts: what several windows saw of it, whose union it is; most have none.
    """

    class_name: str
    class_id: int
    score: float
    box: tuple[float, float, float, float]
    mask_box: CropBox
    mask_png: bytes | None = field(repr=False)
    image_size: tuple[int, int] = field(repr=False)
    parts: tuple[Instance, ...] = field(default=(), repr=False)

    @property
    def confidence(self) -> float:
        """The score as annotations have it, rounded to four digits."""
        return round(self.score, SCORE_DIGITS)

    @cached_property
    def crop(self) -> MaskCrop:
        """The mask within `mask_box`; decoded, or put together, at first use.

        Raises:
            ContractError: the server sent a damaged PNG.
        """
        if self.parts:
            return unite_crops([part.crop for part in self.parts])
        top, left, bottom, right = self.mask_box
        shape = (bottom - top, right - left)
        if self.mask_png is None:
            return MaskCrop(top, left, np.ones(shape, bool))
        return MaskCrop(top, left, decode_mask_png(self.mask_png, *shape))

    @property
    def mask_crop(self) -> Mask:
        """bool[h, w], the mask within `mask_box`; see `crop`."""
        return self.crop.mask

    @property
    def mask_origin(self) -> tuple[int, int]:
        """(y, x) of the top-left pixel of `mask_crop` in the image."""
        return self.mask_box[:2]

    @property
    def mask(self) -> Mask:
        """bool[H, W], the mask in the whole image; made anew at every use."""
        return self.crop.within((0, 0, *self.image_size))

    def moved(self, origin: tuple[int, int], image_size: tuple[int, int]) -> Instance:
        """Returns the instance in the frame of the image that a part was cut out of.

        Args:
            origin: (y, x) of the part in the image, pixels.
            image_size: (height, width) of the whole image, pixels.
        """
        y, x = origin
        y1, x1, y2, x2 = self.box
        top, left, bottom, right = self.mask_box
        return replace(
            self,
            box=(y1 + y, x1 + x, y2 + y, x2 + x),
            mask_box=(top + y, left + x, bottom + y, right + x),
            image_size=image_size,
            parts=tuple(part.moved(origin, image_size) for part in self.parts),
        )

    def to_object(self, confidence_tag: str | None) -> dict[str, Any] | None:
        """Returns the object of an annotation, None where no pixel of it is set.

        Args:
            confidence_tag: name of the score's tag, None for none.

        Raises:
            ContractError: the server sent a damaged mask.
        """
        tags = []
        if confidence_tag is not None and not math.isnan(self.score):
            tags.append(tag_json(confidence_tag, self.confidence))
        if self.mask_png is None:
            return rectangle_object(self.class_name, self.mask_box, tags)
        return bitmap_object(self.class_name, self.crop, tags)


@dataclass(frozen=True)
class Region:
    """A part of the image that the model saw, saved as a rectangle.

    Attributes:
        class_name: its class.
        box: (y1, x1, y2, x2), whole pixels, half-open.
        tags: tags of the whole part, as annotations have them.
    """

    class_name: str
    box: CropBox
    tags: tuple[Mapping[str, Any], ...] = ()

    def to_object(self) -> dict[str, Any] | None:
        """Returns the object of an annotation."""
        return rectangle_object(self.class_name, self.box, [dict(t) for t in self.tags])


Entry = Instance | Region | Mapping[str, Any]
"""What an annotation lists: what was found, a region, or an object that was there."""
