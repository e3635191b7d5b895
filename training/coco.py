"""COCO files as a source."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from os import PathLike
from pathlib import Path

from formats.coco import CocoFile, open_coco
from formats.errors import FormatError
from formats.image import Pixels, checked_size, decode_image
from formats.left_out import LeftOut
from formats.meta import BITMAP, ClassMeta
from formats.palette import distinct_color
from training.sources import Content, Labelled
from training.supervisely import DIGEST_BYTES


@dataclass(frozen=True)
class CocoSource:
    """The images of a COCO file.

    Attributes:
        file: the file.
        images: folder of the pictures.
    """

    file: CocoFile
    images: Path

    @property
    def classes(self) -> Sequence[ClassMeta]:
        """The categories, in the order of the file."""
        return [
            ClassMeta(name, BITMAP, distinct_color(number))
            for number, name in enumerate(self.file.categories.values(), start=1)
        ]

    @property
    def left_out(self) -> LeftOut:
        """Nothing: the file lists the items."""
        return LeftOut()

    def __len__(self) -> int:
        """Returns the number of items."""
        return len(self.file.images)

    def name(self, index: int) -> str:
        """Returns what tells an item apart: its `file_name`."""
        return self.file.images[index].file_name

    def locate(self, index: int) -> str:
        """Returns what messages call the picture of an item."""
        return str(self.images / self.name(index))

    def content(self, index: int) -> Content:
        """Reads and draws the annotations of an item.

        Raises:
            AnnotationError: lists every problem.
        """
        entries = self.file.read(index)
        objects = [
            Labelled(found.category, found.crop, found.is_crowd)
            for found in self.file.objects(index, entries)
            if found.crop is not None
        ]
        size = self.file.images[index].size
        digest = blake2b(json.dumps(size).encode(), digest_size=DIGEST_BYTES)
        for entry in entries:
            digest.update(entry)
        return Content(size, objects, (), digest.digest())

    def image(self, index: int) -> Pixels:
        """Reads the picture of an item, uint8[H, W, 3] RGB.

        Raises:
            FormatError: it cannot be read.
        """
        return decode_image(self.encoded(index), self.locate(index))

    def image_size(self, index: int) -> tuple[int, int]:
        """Reads (height, width) of a picture from its header.

        Raises:
            FormatError: it cannot be read.
        """
        return checked_size(self.encoded(index), self.locate(index))

    def encoded(self, index: int) -> bytes:
        """Reads the file of the picture of an item.

        Raises:
            FormatError: it cannot be read.
        """
        try:
            return (self.images / self.name(index)).read_bytes()
        except OSError as err:
            raise FormatError(
                f"{self.locate(index)}: {err.strerror or err}; check the folder of "
                "the pictures"
            ) from err


def open_coco_source(
    path: str | PathLike[str], images: str | PathLike[str]
) -> CocoSource:
    """Opens a COCO file with the folder of its pictures.

    Raises:
        FormatError: the file is not readable, or not what COCO files are.
    """
    return CocoSource(open_coco(path), Path(images))


__all__ = ["CocoSource", "open_coco_source"]
