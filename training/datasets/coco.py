"""COCO files as a source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from formats.coco.file import CocoFile, CocoObject, open_coco
from formats.drawing.palette import distinct_color
from formats.errors import FormatError
from formats.files.left_out import LeftOut
from formats.files.regular_file import read_regular
from formats.files.text_list import TextList
from formats.images.image import Pixels, checked_size, decode_image
from formats.supervisely.meta import BITMAP, ClassMeta
from training.datasets.claims import MaskRoom, check_large
from training.datasets.coco_images import find_images
from training.datasets.labelled_data import DataFormat, FilePath, LabelledData
from training.datasets.sources import (
    DIGEST_BYTES,
    Content,
    Labelled,
    Note,
    notes_of_objects,
)


@dataclass(frozen=True)
class CocoSource:
    """The images of a COCO file.

    Attributes:
        file: the file.
        images: folder of the images.
        paths: of the images, within the folder.
        odd: which files are not where their `file_name` says, or belong to two entries.
    """

    file: CocoFile
    images: Path
    paths: TextList = field(repr=False)
    odd: LeftOut = field(repr=False, compare=False)

    @property
    def where(self) -> str:
        """What messages call the whole: the path of the file."""
        return str(self.file.path)

    @property
    def classes(self) -> Sequence[ClassMeta]:
        """The categories, in the order of the file."""
        return [
            ClassMeta(name, BITMAP, distinct_color(number))
            for number, name in enumerate(self.file.categories.values(), start=1)
        ]

    @property
    def tags(self) -> Sequence[str]:
        """Names of image tags: COCO files have none."""
        return ()

    @property
    def left_out(self) -> LeftOut:
        """What a lenient reading of the file's lists went past."""
        return self.file.left_out

    def __len__(self) -> int:
        """Returns the number of items."""
        return len(self.file.images)

    def name(self, index: int) -> str:
        """Returns what tells an item apart: its `file_name`."""
        return self.file.images[index].file_name

    def locate(self, index: int) -> str:
        """Returns what messages call the image of an item."""
        return str(self.images / self.paths[index])

    def content(self, index: int) -> Content:
        """Reads and draws the annotations of an item.

        Raises:
            AnnotationFileError: lists every problem.
        """
        size, where = self.file.images[index].size, self.locate(index)
        check_large(where, size, lambda: self.image_size(index))
        entries = self.file.read(index)
        found = self.file.objects(index, entries, MaskRoom(where).add)
        objects = [
            Labelled(entry.category, entry.crop, entry.is_crowd)
            for entry in found
            if entry.crop is not None
        ]
        digest = blake2b(json.dumps(size).encode(), digest_size=DIGEST_BYTES)
        for data in entries:
            digest.update(data)
        empty = sum(entry.crop is None and entry.has_segmentation for entry in found)
        notes = notes_of_objects(empty, sum(entry.has_fractions for entry in found))
        left_out = (*_lenient_notes(found), *notes["left_out"])
        return Content(size, objects, (), digest.digest(), left_out, notes["odd"])

    def image(self, index: int) -> Pixels:
        """Reads the image of an item, uint8[H, W, 3] RGB.

        Raises:
            FormatError: it cannot be read.
        """
        return decode_image(self.encoded(index), self.locate(index))

    def image_size(self, index: int) -> tuple[int, int]:
        """Reads (height, width) of an image from its header.

        Raises:
            FormatError: it cannot be read.
        """
        return checked_size(self.encoded(index), self.locate(index))

    def encoded(self, index: int) -> bytes:
        """Reads the file of the image of an item.

        Raises:
            FormatError: it cannot be read.
        """
        try:
            return read_regular(self.locate(index))
        except FormatError as err:
            raise FormatError(f"{err}; check the folder of the pictures") from err


def _lenient_notes(found: Sequence[CocoObject]) -> Iterator[Note]:
    """Yields what a lenient reading of an item's annotations went past."""
    rings = sum(entry.stray_rings for entry in found)
    if rings:
        yield Note("polygon", "of under 3 points, or with wrong numbers", rings)
    empty = sum(not entry.has_segmentation for entry in found)
    if empty:
        yield Note("annotation", "with an empty segmentation", empty)
    flags = sum(not entry.has_crowd_flag for entry in found)
    if flags:
        yield Note("iscrowd", "that is neither 0 nor 1 (taken as 0)", flags)


def open_coco_source(
    path: FilePath,
    images: FilePath,
    *,
    is_lenient: bool = False,
) -> CocoSource:
    """Opens a COCO file with the folder of its images.

    Args:
        path: of the file.
        images: folder of the images.
        is_lenient: go past what a training can do without, and count it.

    Raises:
        FormatError: the file is not readable, or not what COCO files are.
    """
    file = open_coco(path, is_lenient=is_lenient)
    folder = Path(images)
    if not folder.is_dir():
        raise FormatError(f"{folder}: expected the folder of the pictures, got none")
    paths, odd = find_images((image.file_name for image in file.images), folder)
    return CocoSource(file, folder, paths, odd)


def _open(path: FilePath, data: LabelledData) -> CocoSource:
    return open_coco_source(path, str(data.images), is_lenient=data.is_lenient)


COCO = DataFormat(
    name="coco",
    title="COCO file",
    metavar="JSON",
    open=_open,
    has_images=True,
    lenient="polygons of under 3 points, empty segmentations, wrong iscrowd, wrong "
    "images and categories that no annotation is of, annotations of images not listed",
)
