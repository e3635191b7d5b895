"""What a dataset gives to training: images with their instances.

Frame of everything: the image as people see it (EXIF applied), whole pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from formats.images.image import Pixels
from formats.mask_crop import MaskCrop
from training.datasets.classes import ClassMap

ClassIds = np.ndarray[Any, np.dtype[np.int32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Boxes = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image with its instances.

    Attributes:
        name: of the item; unique in its dataset.
        size: (height, width), pixels.
        class_ids: int32[G], 1..C-1; objects of the background are left out.
        masks: G crops, each with a set pixel and inside of the image.
        is_crowd: bool[G]; true where the mask covers a group that is not told apart.
        neutral: crops of what no loss may look at.
        read_image: reads the pixels.
    """

    name: str
    size: tuple[int, int]
    class_ids: ClassIds
    masks: tuple[MaskCrop, ...]
    is_crowd: Flags
    neutral: tuple[MaskCrop, ...]
    read_image: Callable[[], Pixels] = field(repr=False)

    @cached_property
    def image(self) -> Pixels:
        """uint8[H, W, 3] RGB, read at the first use and then kept by this sample."""
        return self.read_image()

    @cached_property
    def boxes(self) -> Boxes:
        """float32[G, 4] yxyx, half-open: the tight boxes of the masks."""
        boxes = [crop.box for crop in self.masks]
        return np.array(boxes, np.float32).reshape(-1, 4)  # [G, 4]


class Dataset(Protocol):
    """Samples that are read when asked for. Safe to read from many threads."""

    @property
    def classes(self) -> ClassMap:
        """Titles and ids of the classes."""
        ...

    def __len__(self) -> int:
        """Returns the number of samples."""
        ...

    def __getitem__(self, index: int) -> LabelledImage:
        """Reads one sample.

        Raises:
            DatasetError: its files cannot be read any more, or have changed.
            IndexError: no such sample.
        """
        ...

    def fingerprint(self) -> str:
        """Returns a hash of names, order and annotations, the same on every machine.

        It does not look at pixels, and a class that gets another id changes it.
        """
        ...
