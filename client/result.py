"""What a prediction returns.

Frame of every box and mask: the picture as people see it (EXIF applied), (0, 0) its
top-left corner, pixel i spanning [i, i + 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from client.errors import ContractError, ImageError
from client.image import ImageSource, Pixels, load_picture
from formats.annotation import annotation_json, bitmap_object, tag_json

Mask = np.ndarray[Any, np.dtype[np.bool_]]

SCORE_DIGITS = 4
"""Decimal places of a confidence tag."""


@dataclass(frozen=True)
class Instance:
    """One thing that the model found.

    Attributes:
        class_name: its class, suffix included.
        class_id: its class in the model, 1 and up.
        score: 0..1.
        box: (y1, x1, y2, x2), pixels, half-open, not rounded.
        mask_box: (y1, x1, y2, x2), the box in whole pixels: the frame of `mask_crop`.
        mask_png: one-channel 0/255 PNG of that size; empty if it has no pixel.
        image_size: (height, width) of the picture, pixels.
    """

    class_name: str
    class_id: int
    score: float
    box: tuple[float, float, float, float]
    mask_box: tuple[int, int, int, int]
    mask_png: bytes = field(repr=False)
    image_size: tuple[int, int] = field(repr=False)

    @property
    def mask_origin(self) -> tuple[int, int]:
        """(y, x) of the top-left pixel of `mask_crop` in the picture."""
        return self.mask_box[:2]

    @cached_property
    def mask_crop(self) -> Mask:
        """bool[h, w], the mask within `mask_box`; decoded at first use.

        Raises:
            ContractError: the server sent a damaged PNG.
        """
        top, left, bottom, right = self.mask_box
        shape = (bottom - top, right - left)
        if 0 in shape:
            return np.zeros(shape, bool)
        import cv2  # slow to import, and not everyone looks at masks

        encoded = np.frombuffer(self.mask_png, np.uint8)
        try:
            pixels = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
        except cv2.error as err:
            raise ContractError(f"mask: the PNG is damaged: {err.err}") from err
        if pixels is None or pixels.shape != shape:
            raise ContractError(
                f"mask: expected a PNG of {shape[1]} x {shape[0]} pixels, got a "
                "damaged one"
            )
        return np.asarray(pixels > 127)

    @property
    def mask(self) -> Mask:
        """bool[H, W], the mask in the whole picture; made anew at every use."""
        full = np.zeros(self.image_size, bool)
        top, left, bottom, right = self.mask_box
        full[top:bottom, left:right] = self.mask_crop
        return full


@dataclass(frozen=True, eq=False)
class Result:
    """What the model found in one picture.

    Attributes:
        instances: in the model's order, best first.
        image_size: (height, width) of the picture as people see it, pixels.
        model_version: the version that answered, None if the server did not tell.
        warnings: what did not go as the config says, and is no error.
        confidence_tag: tag of the scores in annotations, None for none.
        colors: class id to "#RRGGBB".
        source: the picture, as it was given.
    """

    instances: tuple[Instance, ...]
    image_size: tuple[int, int]
    model_version: int | None = None
    warnings: list[str] = field(default_factory=list)
    confidence_tag: str | None = "confidence"
    colors: Mapping[int, str] = field(default_factory=dict, repr=False)
    source: ImageSource | None = field(default=None, repr=False)

    def to_annotation(self) -> dict[str, Any]:
        """Returns the Supervisely annotation of the picture.

        An instance whose mask has no pixel is left out, as the format has no empty
        bitmap, and told in `warnings`.

        Raises:
            ContractError: the server sent a damaged mask.
        """
        objects = []
        for instance in self.instances:
            tags = []
            if self.confidence_tag is not None:
                score = round(instance.score, SCORE_DIGITS)
                tags.append(tag_json(self.confidence_tag, score))
            made = bitmap_object(
                instance.class_name, instance.mask_crop, instance.mask_origin, tags
            )
            if made is None:
                self._warn(
                    f"{instance.class_name} with score {instance.score:.4f} is not in "
                    "the annotation: its mask is empty"
                )
            else:
                objects.append(made)
        return annotation_json(self.image_size, objects)

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def draw(self, image: ImageSource | None = None) -> Pixels:
        """Draws masks, outlines and labels over the picture.

        Args:
            image: the picture; the one that was sent, if not given.

        Returns:
            uint8[H, W, 3] RGB, a new array.

        Raises:
            ImageError: the picture is not readable any more, or of another size.
        """
        from client.drawing import draw_instances  # brings OpenCV

        source = self.source if image is None else image
        if source is None:
            raise ImageError("draw: expected a picture, got none; pass it as argument")
        picture = load_picture(source)
        if picture.size != self.image_size:
            raise ImageError(
                f"draw: expected the picture of the result, {list(self.image_size)} "
                f"(height, width), got {list(picture.size)}"
            )
        return draw_instances(picture.rgb(), self.instances, self.colors)


__all__ = ["Instance", "Result"]
