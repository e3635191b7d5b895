"""Supervisely projects as a source, and their sets by image tags."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from os import PathLike

from formats.errors import AnnotationError
from formats.files.archive import MAX_ARCHIVE_BYTES
from formats.files.left_out import LeftOut
from formats.images.image import Pixels
from formats.quoted import quoted
from formats.supervisely.meta import ClassMeta, ProjectMeta
from formats.supervisely.project import Project, open_project
from training.datasets.claims import MaskRoom, check_large
from training.datasets.sources import Content, Labelled, notes_of_objects

DIGEST_BYTES = 16


@dataclass(frozen=True)
class ProjectSource:
    """The items of a project.

    Attributes:
        project: the project.
    """

    project: Project

    @property
    def classes(self) -> Sequence[ClassMeta]:
        """Classes of the objects, in the order of the file."""
        return self.project.meta.classes

    @property
    def left_out(self) -> LeftOut:
        """What of the project is no item, and no part of one."""
        return self.project.left_out

    def __len__(self) -> int:
        """Returns the number of items."""
        return len(self.project.items)

    def name(self, index: int) -> str:
        """Returns what tells an item apart: the path of the picture."""
        return self.project.items[index].image

    def locate(self, index: int) -> str:
        """Returns what messages call the picture of an item."""
        return self.project.locate(self.name(index))

    def content(self, index: int) -> Content:
        """Reads and draws the annotation of an item.

        Raises:
            AnnotationError: lists every problem.
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
            except AnnotationError as err:
                problems += [f"{where}: objects[{number}]: {p}" for p in err.problems]
            else:
                objects += [Labelled(figure.class_title, crop) for crop in crops]
                empty += not crops
                fractions += figure.has_fractions()
                thin += bool(crops) and figure.is_thin_polygon()
        if problems:
            raise AnnotationError(*problems)
        digest = blake2b(data, digest_size=DIGEST_BYTES).digest()
        notes = notes_of_objects(empty, fractions, thin)
        return Content(annotation.size, objects, annotation.tags, digest, **notes)

    def image(self, index: int) -> Pixels:
        """Reads the picture of an item, uint8[H, W, 3] RGB.

        Raises:
            FormatError: it cannot be read.
        """
        return self.project.image(self.project.items[index])

    def encoded(self, index: int) -> bytes:
        """Reads the file of the picture of an item.

        Raises:
            FormatError: it cannot be read.
        """
        return self.project.read(self.project.items[index].image)

    def image_size(self, index: int) -> tuple[int, int]:
        """Reads (height, width) of a picture from its header.

        Raises:
            FormatError: it cannot be read.
        """
        return self.project.image_size(self.project.items[index])


def open_supervisely(
    path: str | PathLike[str], max_archive_bytes: int = MAX_ARCHIVE_BYTES
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


def missing_tags(tags: Mapping[str, str], meta: ProjectMeta) -> list[str]:
    """Returns a problem for every tag of the config that a project does not have.

    Args:
        tags: set -> name of its tag.
        meta: of the project.
    """
    return [
        f"dataset_tags.{purpose}: {problem}; tag the pictures of the {purpose} set "
        "with it"
        for purpose, name in tags.items()
        if (problem := missing_tag(name, meta))
    ]


def missing_tag(name: str, meta: ProjectMeta) -> str:
    """Returns what is wrong where a project does not have a tag, else nothing."""
    known = [tag.name for tag in meta.tags]
    if name in known:
        return ""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    listed = f"; it has: {', '.join(known)}" if known and not near else ""
    return f"the project has no tag {quoted(name)}{hint}{listed}"


def split_by_tags(
    tags: Mapping[str, str], tags_of_items: Mapping[int, Sequence[str]]
) -> dict[str, tuple[int, ...]]:
    """Sorts items into sets; the values of tags play no part.

    Args:
        tags: set -> name of its tag.
        tags_of_items: index of an item -> names of its picture's tags.

    Returns:
        Set -> items, in their order. An item may be in several, or in none.
    """
    return {
        purpose: tuple(i for i, names in tags_of_items.items() if name in names)
        for purpose, name in tags.items()
    }


__all__ = [
    "ProjectSource",
    "missing_tag",
    "missing_tags",
    "open_supervisely",
    "split_by_tags",
]
