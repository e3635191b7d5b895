"""Where labelled images are, and what the forms have to say in which they lie there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

from formats.files.archive import MAX_ARCHIVE_BYTES
from training.datasets.sources import Source
from training.errors import TrainingError

FilePath = str | PathLike[str]


@dataclass(frozen=True)
class DataFormat:
    """A form in which labelled images lie on disk.

    Attributes:
        name: the argument and the flag that name a place in this form: "coco".
        title: what such a place is, for messages and help: "COCO file".
        metavar: what help shows for a place.
        open: opens a place; what it raises are `FormatError`s.
        has_tags: image tags tell the sets apart, so that all are in one place; else
            each set has a place of its own.
        has_images: the images lie in a folder that is named apart.
        lenient: what a lenient reading goes past; "" where there is none.
    """

    name: str
    title: str
    metavar: str
    open: Callable[[FilePath, LabelledData], Source]
    has_tags: bool = False
    has_images: bool = False
    lenient: str = ""

    def places(self, sets: int) -> int:
        """Returns how many places hold so many sets."""
        return 1 if self.has_tags else sets


@dataclass(frozen=True)
class LabelledData:
    """Where labelled images are.

    Attributes:
        format: how they lie there.
        places: one, or one for each set; see `DataFormat.has_tags`.
        images: folder of the images, where the format has one.
        tag: image tag of the set that is meant; every image without it.
        max_archive_bytes: what a compressed archive may unpack to.
        is_lenient: go past what can be done without, and count it.
    """

    format: DataFormat
    places: tuple[FilePath, ...]
    images: FilePath | None = None
    tag: str | None = None
    max_archive_bytes: int = MAX_ARCHIVE_BYTES
    is_lenient: bool = False

    def __post_init__(self) -> None:
        """Refuses what the format does not have.

        Raises:
            TrainingError: names what is there and what is expected.
        """
        form = self.format
        if form.has_images and self.images is None:
            raise TrainingError(
                f"images: a {form.title} needs the folder of its pictures; got "
                f"{form.name} {self.name} alone"
            )
        if not form.has_images and self.images is not None:
            raise TrainingError(
                f"images: a {form.title} has its pictures in itself, got "
                f'"{self.images}"; leave it out'
            )
        if self.is_lenient and not form.lenient:
            raise TrainingError(
                f"is_lenient: a {form.title} cannot be read leniently; leave it out"
            )
        if self.tag is not None and not form.has_tags:
            raise TrainingError(
                f'tag: {form.title}s have no tags, got "{self.tag}"; leave it out'
            )

    @property
    def name(self) -> str:
        """What messages call the data."""
        return ", ".join(map(str, self.places))

    def describe(self) -> dict[str, Any]:
        """Returns JSON values that tell which data it is, its place first."""
        told: dict[str, Any] = {self.format.name: self.name}
        if self.format.has_tags:
            told["tag"] = self.tag
        if self.format.has_images:
            told["images"] = str(self.images)
        return told
