"""Supervisely projects as a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from formats.errors import AnnotationFileError
from formats.files.archive import MAX_ARCHIVE_BYTES
from formats.files.left_out import LeftOut
from formats.images.image import Pixels
from formats.supervisely.meta import ClassMeta
from formats.supervisely.project import Project, open_project
from training.datasets.claims import MaskRoom, check_large
from training.datasets.labelled_data import DataFormat, FilePath, LabelledData
from training.datasets.sources import (
    DIGEST_BYTES,
    Content,
    Labelled,
    notes_of_objects,
)


@dataclass(frozen=True)
class ProjectSource:
    """The items of a project.

    Attributes:
        project: the project.
    """

    project: Project

    @property
    def where(self) -> str:
        """What messages call the whole: where the project is."""
        return self.project.locate("")

    @property
    def classes(self) -> Sequence[ClassMeta]:
        """Classes of the objects, in the order of the file."""
        return self.project.meta.classes

    @property
    def tags(self) -> Sequence[str]:
        """Names of the tags that the project has."""
        return [tag.name for tag in self.project.meta.tags]

    @property
    def left_out(self) -> LeftOut:
        """What of the project is no item, and no part of one."""
        return self.project.left_out

    @property
    def odd(self) -> LeftOut:
        """What looks wrong about the files: what does is no item here."""
        return LeftOut()

    def __len__(self) -> int:
        """Returns the number of items."""
        return len(self.project.items)

    def name(self, index: int) -> str:
        """Returns what tells an item apart: the path of the image."""
        return self.project.items[index].image

    def locate(self, index: int) -> str:
        """Returns what messages call the image of an item."""
        return self.project.locate(self.name(index))

    def content(self, index: int) -> Content:
        """Reads and draws the annotation of an item.

        Raises:
            AnnotationFileError: lists every problem.
        """
        item = self.project.items[index]
        data = self.project.read_annotation(item)
        annotation = self.project.parse(item, data)
        objects: list[Labelled] = []
        problems: list[str] = []
        where = self.project.locate(item.annotation or item.image)
        empty = fractions = thin = 0
        room = MaskRoom(where)
        check_large(self.locate(index), annotation.size, lambda: self.image_size(index))
        for number, figure in enumerate(annotation.figures):
            try:
                crops = figure.draw(annotation.size)
                for crop in crops:
                    room.add(crop)
            except AnnotationFileError as err:
                problems += [f"{where}: objects[{number}]: {p}" for p in err.problems]
            else:
                objects += [Labelled(figure.class_title, crop) for crop in crops]
                empty += not crops
                fractions += figure.has_fractions()
                thin += bool(crops) and figure.is_thin_polygon()
        if problems:
            raise AnnotationFileError(*problems)
        digest = blake2b(data, digest_size=DIGEST_BYTES).digest()
        notes = notes_of_objects(empty, fractions, thin)
        return Content(annotation.size, objects, annotation.tags, digest, **notes)

    def image(self, index: int) -> Pixels:
        """Reads the image of an item, uint8[H, W, 3] RGB.

        Raises:
            FormatError: it cannot be read.
        """
        return self.project.image(self.project.items[index])

    def encoded(self, index: int) -> bytes:
        """Reads the file of the image of an item.

        Raises:
            FormatError: it cannot be read.
        """
        return self.project.read(self.project.items[index].image)

    def image_size(self, index: int) -> tuple[int, int]:
        """Reads (height, width) of an image from its header.

        Raises:
            FormatError: it cannot be read.
        """
        return self.project.image_size(self.project.items[index])


def open_supervisely(
    path: FilePath, max_archive_bytes: int = MAX_ARCHIVE_BYTES
) -> ProjectSource:
    """Opens a project, a folder or an archive.

    Args:
        path: of the project.
        max_archive_bytes: what a compressed archive may unpack to.

    Raises:
        FormatError: no project or several, one of another layout, names that lead
            elsewhere, or a meta that cannot be read.
    """
    return ProjectSource(open_project(path, max_archive_bytes))


def _open(path: FilePath, data: LabelledData) -> ProjectSource:
    return open_supervisely(path, data.max_archive_bytes)


PROJECT = DataFormat(
    name="project",
    title="Supervisely project (folder or archive)",
    metavar="DIR",
    open=_open,
    has_tags=True,
)
