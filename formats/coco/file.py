"""COCO JSON: an index is held, annotations are read from the file when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from formats.coco.index import CocoImage, CocoIndex, Ints, is_id
from formats.coco.json_stream import stream_object
from formats.coco.masks import Segmentation, read_segmentation
from formats.errors import AnnotationFileError, FormatError
from formats.files.left_out import LeftOut
from formats.json_file import Decoder, NotJsonError
from formats.mask_crop import MaskCrop
from formats.problem_list import ProblemList
from formats.quoted import quoted


class CocoObject(NamedTuple):
    """An entry of `annotations`, drawn.

    Attributes:
        category: its name.
        crop: its mask; None where no pixel is set.
        is_crowd: it covers a group that is not told apart.
        has_segmentation: false where a lenient reading went past an empty one.
        has_crowd_flag: false where a lenient reading took a wrong `iscrowd` as 0.
        stray_rings: polygons that a lenient reading went past.
        has_fractions: its coordinates look like fractions of 1.
    """

    category: str
    crop: MaskCrop | None
    is_crowd: bool
    has_segmentation: bool = True
    has_crowd_flag: bool = True
    stray_rings: int = 0
    has_fractions: bool = False


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
        is_lenient: go past what a training can do without, and count it.
        left_out: what of the lists was gone past.
    """

    path: Path
    categories: Mapping[Any, str]
    images: tuple[CocoImage, ...] = field(repr=False)
    offsets: Ints = field(repr=False)
    lengths: Ints = field(repr=False)
    firsts: Ints = field(repr=False)
    is_lenient: bool = False
    left_out: LeftOut = field(default_factory=LeftOut, repr=False, compare=False)

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

    def objects(
        self,
        index: int,
        entries: list[bytes],
        check: Callable[[MaskCrop], None] | None = None,
    ) -> list[CocoObject]:
        """Draws the annotations of an image.

        Args:
            index: of the image.
            entries: as `read` returns them.
            check: is called with every mask, and may raise `AnnotationFileError`.

        Raises:
            AnnotationFileError: lists every problem.
        """
        objects, problems = [], ProblemList()
        name, size = self.images[index].file_name, self.images[index].size
        for entry in entries:
            content: Any = None
            try:
                content = _parse(entry)
                found = self._object(content, size)
                if check is not None and found.crop is not None:
                    check(found.crop)
                objects.append(found)
            except AnnotationFileError as err:
                number = content.get("id") if isinstance(content, dict) else None
                which = "" if number is None else f" {quoted(number)}"
                problems.add(f"{self.path}: annotation{which} of {name}: {err}")
        if problems:
            raise AnnotationFileError(*problems)
        return objects

    def _object(self, content: Any, size: tuple[int, int]) -> CocoObject:
        if not isinstance(content, dict):
            raise AnnotationFileError(f"expected an object, got {quoted(content)}")
        category = content.get("category_id")
        if "category_id" not in content:
            raise AnnotationFileError("category_id is missing")
        if not is_id(category):
            raise AnnotationFileError(
                f"category_id: expected a number or text, got {quoted(category)}"
            )
        if category not in self.categories:
            raise AnnotationFileError(
                f"unknown category_id {quoted(category)}; add it to categories or "
                "remove the annotation"
            )
        crowd = content.get("iscrowd", 0)
        has_crowd_flag = crowd in (0, 1)
        if not has_crowd_flag and not self.is_lenient:
            raise AnnotationFileError(f"iscrowd: expected 0 or 1, got {quoted(crowd)}")
        drawn = self._draw(content, size)
        return CocoObject(
            self.categories[category],
            None if drawn is None else drawn.crop,
            has_crowd_flag and bool(crowd),
            drawn is not None,
            has_crowd_flag,
            0 if drawn is None else drawn.stray_rings,
            drawn is not None and drawn.has_fractions,
        )

    def _draw(
        self, content: dict[str, Any], size: tuple[int, int]
    ) -> Segmentation | None:
        """Draws a segmentation; None where it is empty, and that is gone past."""
        segmentation = content.get("segmentation")
        if not segmentation and self.is_lenient:
            return None
        if "segmentation" not in content:
            raise AnnotationFileError(
                "segmentation is missing; a box or keypoints alone cannot be learnt: "
                "add polygons or run lengths, remove the annotation, or leave such "
                "ones out (--lenient)"
            )
        drawn = read_segmentation(segmentation, size, is_lenient=self.is_lenient)
        is_empty = isinstance(segmentation, list) and (
            drawn.stray_rings == len(segmentation)
        )
        return None if is_empty else drawn


def _parse(entry: bytes) -> Any:
    """Parses an annotation; the file may have changed since it was opened."""
    decoder = Decoder(bounds_digits=False)
    try:
        return decoder.read(entry.decode("utf-8"), 0)[0]
    except (UnicodeDecodeError, json.JSONDecodeError, NotJsonError) as err:
        raise AnnotationFileError("no JSON any more; has the file changed?") from err


def open_coco(path: str | PathLike[str], *, is_lenient: bool = False) -> CocoFile:
    """Reads a COCO file through and remembers where its annotations are.

    Args:
        path: of the file.
        is_lenient: go past what a training can do without, and count it: polygons that
            are none, empty segmentations, wrong `iscrowd`, wrong images and categories
            that no annotation is of, annotations of images that are not listed.

    Raises:
        AnnotationFileError: lists wrong images and categories, and annotations of
            images that are not there.
        FormatError: not readable or not JSON.
    """
    index = CocoIndex(Path(path), is_lenient=is_lenient)
    for piece in stream_object(Path(path)):
        index.add(piece)
    places = index.finish()
    return CocoFile(
        Path(path),
        index.categories,
        tuple(index.images.values()),
        *places,
        is_lenient,
        index.left_out,
    )
