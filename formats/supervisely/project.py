"""A Supervisely project: its meta, its datasets and their items.

`<dataset>/img/<image>` goes with `<dataset>/ann/<image>.json`, or in the old naming
with `<dataset>/ann/<image without extension>.json`. Datasets may hold others under
`<dataset>/datasets/`. A project may lie one folder down.

Names come from strangers: all of them are checked here, when a project is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

from formats.errors import AnnotationFileError, ConfigFileError, FormatError
from formats.files.archive import MAX_ARCHIVE_BYTES
from formats.files.left_out import LeftOut
from formats.files.regular_file import MAX_JSON_BYTES
from formats.files.safe_path import OWN_NAMES, check_path
from formats.images.image import Pixels, checked_size, decode_image, unreadable
from formats.images.image_header import FIRST_BYTES
from formats.json_file import parse_json
from formats.problem_list import located
from formats.quoted import quoted
from formats.supervisely.annotation_reader import Annotation, read_annotation
from formats.supervisely.meta import ProjectMeta
from formats.supervisely.project_files import ProjectFiles, open_files
from formats.supervisely.project_items import Item, Items
from formats.supervisely.project_layout import (
    META,
    expected_layout,
    found_layout,
    misplaced,
)


@dataclass(frozen=True)
class Project:
    """A project; items are read when asked for.

    Attributes:
        files: where it is.
        root: path of the project in `files`, "" or ending in "/".
        meta: classes and tags.
        items: in the order of their paths.
        left_out: what is there and neither an item nor a part of one.
    """

    files: ProjectFiles
    root: str
    meta: ProjectMeta
    items: Items = field(repr=False)
    left_out: LeftOut = field(default_factory=LeftOut, repr=False, compare=False)

    def locate(self, path: str) -> str:
        """Returns what messages call a file."""
        return self.files.locate(self.root + path)

    def read(self, path: str) -> bytes:
        """Reads a file.

        Raises:
            FormatError: it cannot be read.
        """
        return self.files.read(self.root + path)

    def read_annotation(self, item: Item) -> bytes:
        """Reads the file of the annotation of an item.

        Raises:
            AnnotationFileError: the item has none.
            FormatError: it cannot be read.
        """
        if item.annotation is None:
            raise AnnotationFileError(f"{self.locate(item.image)}: {item.problem}")
        return self.files.read(self.root + item.annotation, MAX_JSON_BYTES)

    def content(self, item: Item) -> dict[str, Any]:
        """Reads the annotation of an item as JSON.

        Raises:
            AnnotationFileError: the item has none, or it is no JSON object.
            FormatError: it cannot be read.
        """
        data = self.read_annotation(item)
        where = self.locate(item.annotation or item.image)
        content = parse_json(data, where)
        if not isinstance(content, dict):
            raise AnnotationFileError(
                f'{where}: expected {{"size": {{"height", "width"}}, "tags", '
                f'"objects"}}, got {quoted(content)}'
            )
        return content

    def parse(self, item: Item, data: bytes) -> Annotation:
        """Reads the annotation of an item from the content of its file.

        Raises:
            AnnotationFileError: lists every problem.
        """
        where = self.locate(item.annotation or item.image)
        try:
            return read_annotation(parse_json(data, where), self.meta)
        except AnnotationFileError as err:
            raise AnnotationFileError(*located(where, err.problems)) from err
        except ConfigFileError as err:
            raise AnnotationFileError(*err.problems) from err

    def image_size(self, item: Item) -> tuple[int, int]:
        """Reads (height, width) of the image of an item from its header.

        Raises:
            FormatError: it cannot be read.
        """
        return checked_size(self.read(item.image), self.locate(item.image))

    def image(self, item: Item) -> Pixels:
        """Reads the image of an item.

        Returns:
            uint8[H, W, 3] RGB, as people see it.

        Raises:
            FormatError: it cannot be read.
        """
        return decode_image(self.read(item.image), self.locate(item.image))


def open_project(
    path: str | PathLike[str], max_archive_bytes: int = MAX_ARCHIVE_BYTES
) -> Project:
    """Opens a project and lists its items; annotations are not read.

    Args:
        path: the folder or archive of the project, or one that holds just this project.
        max_archive_bytes: what a compressed archive may unpack to.

    Raises:
        FormatError: no project or several, one of another layout or with names that
            lead elsewhere, or a meta that cannot be read.
    """
    files = open_files(path, max_archive_bytes)
    left_out = LeftOut()
    paths = files.paths(left_out)
    root = _find_root(paths, str(path))
    meta_path = files.locate(root + META)
    try:
        content = parse_json(files.read(root + META, MAX_JSON_BYTES), meta_path)
        meta = ProjectMeta.from_json(content)
    except AnnotationFileError as err:
        raise AnnotationFileError(*(f"{meta_path}: {p}" for p in err.problems)) from err
    inside = [p.removeprefix(root) for p in paths if p.startswith(root)]
    items = Items(inside, _looks_at(files, root), left_out)
    misplaced(inside, left_out)
    if not items:
        found = found_layout(inside, meta.extra.get("projectType"), left_out)
        raise FormatError(
            f"{path}: expected a project with pictures, got none; expected "
            f"{expected_layout()}; {found}"
        )
    for folder in sorted(items.folders):
        check_path(folder, f"{path}: dataset")
        if folder.partition("/")[0] in OWN_NAMES:
            raise FormatError(
                f"{path}: dataset {folder}: expected another name, got one that "
                "programs of ours keep for themselves; rename the folder"
            )
    return Project(files, root, meta, items, left_out)


def _find_root(paths: list[str], name: str) -> str:
    if META in paths:
        return ""
    roots = [p.removesuffix(META) for p in paths if re.fullmatch(f"[^/]+/{META}", p)]
    if len(roots) > 1:
        raise FormatError(
            f"{name}: expected one project (a folder with {META}), got several: "
            f"{', '.join(roots[:20])}"
        )
    if not roots:
        found = found_layout(paths, None, LeftOut())
        raise FormatError(
            f"{name}: expected one project (a folder with {META}), got none: it has no "
            f"{META}; expected {expected_layout()}; {found}"
        )
    return roots[0]


def _looks_at(files: ProjectFiles, root: str) -> Callable[[str], str]:
    """Returns what says why a file of `img/` cannot be read, "" where it can."""

    def look(path: str) -> str:
        try:
            return unreadable(files.start(root + path, FIRST_BYTES))
        except FormatError:
            return ""  # fails when it is read, by name

    return look
