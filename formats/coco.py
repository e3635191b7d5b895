"""COCO JSON: an index is held, annotations are read from the file when asked for."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from formats.coco_masks import draw_segmentation
from formats.errors import AnnotationError, FormatError
from formats.json_stream import stream_object
from formats.mask_crop import MaskCrop

Ints = np.ndarray[Any, np.dtype[np.int64]]


class CocoImage(NamedTuple):
    """An entry of `images`.

    Attributes:
        file_name: path within the folder of pictures.
        size: (height, width), pixels.
        id: what the file calls it.
    """

    file_name: str
    size: tuple[int, int]
    id: Any


class CocoObject(NamedTuple):
    """An entry of `annotations`, drawn.

    Attributes:
        category: its name.
        crop: its mask; None where no pixel is set.
        is_crowd: it covers a group that is not told apart.
    """

    category: str
    crop: MaskCrop | None
    is_crowd: bool


@dataclass(frozen=True)
class CocoFile:
    """A COCO file. Safe to read from many threads.

    Attributes:
        path: the file.
        categories: id -> name, in the order of the file.
        images: in the order of the file.
        offsets: int64[N], bytes; where the annotations are, sorted by image.
        lengths: int64[N], bytes.
        firsts: int64[images + 1], where the annotations of an image begin in these.
    """

    path: Path
    categories: Mapping[Any, str]
    images: tuple[CocoImage, ...] = field(repr=False)
    offsets: Ints = field(repr=False)
    lengths: Ints = field(repr=False)
    firsts: Ints = field(repr=False)

    def read(self, index: int) -> list[bytes]:
        """Reads the annotations of an image, as the file has them.

        Raises:
            FormatError: the file cannot be read any more.
        """
        here = slice(int(self.firsts[index]), int(self.firsts[index + 1]))
        places = zip(self.offsets[here], self.lengths[here], strict=True)
        entries = []
        try:
            with self.path.open("rb") as file:
                for offset, length in places:
                    file.seek(int(offset))
                    entries.append(file.read(int(length)))
        except OSError as err:
            raise FormatError(f"{self.path}: {err.strerror or err}") from err
        return entries

    def objects(self, index: int, entries: list[bytes]) -> list[CocoObject]:
        """Draws the annotations of an image.

        Args:
            index: of the image.
            entries: as `read` returns them.

        Raises:
            AnnotationError: lists every problem.
        """
        objects, problems = [], []
        for entry in entries:
            content: Any = None
            try:
                content = json.loads(entry)
                objects.append(self._object(content, self.images[index].size))
            except (AnnotationError, ValueError, TypeError) as err:
                number = content.get("id") if isinstance(content, dict) else None
                name = self.images[index].file_name
                problems.append(f"{self.path}: annotation {number} of {name}: {err}")
        if problems:
            raise AnnotationError(*problems)
        return objects

    def _object(self, content: Any, size: tuple[int, int]) -> CocoObject:
        if not isinstance(content, dict):
            raise AnnotationError(f"expected an object, got {content!r:.60}")
        category = content.get("category_id")
        if category not in self.categories:
            raise AnnotationError(
                f"unknown category_id {category!r}; add it to categories or remove the "
                "annotation"
            )
        crowd = content.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise AnnotationError(f"iscrowd: expected 0 or 1, got {crowd!r}")
        crop = draw_segmentation(content.get("segmentation"), size)
        return CocoObject(self.categories[category], crop, bool(crowd))


def open_coco(path: str | PathLike[str]) -> CocoFile:
    """Reads a COCO file through and remembers where its annotations are.

    Raises:
        AnnotationError: lists wrong images and categories, and annotations of images
            that are not there.
        FormatError: not readable or not JSON.
    """
    index = _Index(Path(path))
    for piece in stream_object(index.path):
        if piece.key == "images":
            index.add_image(piece.value)
        elif piece.key == "categories":
            index.add_category(piece.value)
        elif piece.key == "annotations":
            index.add_annotation(piece.value, piece.offset, piece.length)
    return index.finish()


class _Index:
    """Collects what a file lists, in whatever order it does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._problems: list[str] = []
        self._numbers: dict[Any, int] = {}
        self._images: dict[int, CocoImage] = {}
        self._categories: dict[Any, str] = {}
        self._owners = array("q")
        self._offsets = array("q")
        self._lengths = array("q")

    def add_image(self, entry: Any) -> None:
        try:
            key, name = entry["id"], entry["file_name"]
            size = (entry["height"], entry["width"])
            number = self._numbers.setdefault(key, len(self._numbers))
        except (KeyError, TypeError):
            name = size = None
        whole = size and all(type(side) is int and side >= 1 for side in size)
        if not isinstance(name, str) or not name or not size or not whole:
            self._problems.append(
                "images: expected id, file_name, height and width (pixels), got "
                f"{entry!r:.80}"
            )
        elif number in self._images:
            self._problems.append(f"images: id {key!r} twice")
        else:
            self._images[number] = CocoImage(name, size, key)

    def add_category(self, entry: Any) -> None:
        try:
            key, name = entry["id"], entry["name"]
            known = key in self._categories or name in self._categories.values()
        except (KeyError, TypeError):
            key = name = known = None
        if not isinstance(name, str) or not name:
            self._problems.append(
                f"categories: expected id and name, got {entry!r:.80}"
            )
        elif known:
            self._problems.append(f"categories: {entry!r:.80}: id or name twice")
        else:
            self._categories[key] = name

    def add_annotation(self, entry: Any, offset: int, length: int) -> None:
        try:
            number = self._numbers.setdefault(entry["image_id"], len(self._numbers))
        except (KeyError, TypeError):
            self._problems.append(
                f"annotations: expected an image_id, got {entry!r:.80}"
            )
            return
        self._owners.append(number)
        self._offsets.append(offset)
        self._lengths.append(length)

    def finish(self) -> CocoFile:
        keys = {number: key for key, number in self._numbers.items()}
        owners = np.array(self._owners, np.int64)
        rows = np.full(len(self._numbers), -1, np.int64)
        rows[list(self._images)] = np.arange(len(self._images))
        for number in np.unique(owners[rows[owners] < 0]):
            self._problems.append(
                f"annotations: image_id {keys[int(number)]!r} is not in images; add "
                "it or remove the annotations"
            )
        if not self._images:
            self._problems.append("images: expected a list, got none")
        if self._problems:
            raise AnnotationError(*(f"{self.path}: {p}" for p in self._problems))
        order = np.argsort(rows[owners], kind="stable")
        counts = np.bincount(rows[owners], minlength=len(self._images))
        return CocoFile(
            self.path,
            self._categories,
            tuple(self._images.values()),
            np.array(self._offsets, np.int64)[order],
            np.array(self._lengths, np.int64)[order],
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )


__all__ = ["CocoFile", "CocoImage", "CocoObject", "open_coco"]
