"""A Supervisely project: its meta, its datasets and their items.

`<dataset>/img/<picture>` goes with `<dataset>/ann/<picture>.json`, or in the old naming
with `<dataset>/ann/<picture without extension>.json`. Datasets may hold others under
`<dataset>/datasets/`. A project may lie one folder down.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import overload

from formats.annotation_reader import Annotation, read_annotation
from formats.errors import AnnotationError, ConfigError, FormatError
from formats.image import Pixels, checked_size, decode_image
from formats.json_file import parse_json
from formats.meta import ProjectMeta
from formats.project_files import ProjectFiles, open_files
from formats.text_list import TextList

EXTENSIONS = frozenset(
    {".bmp", ".jfif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
"""Names that make a file of `img/` a picture."""

META = "meta.json"
_IMAGE = re.compile(r"(?P<dataset>[^/]+(?:/datasets/[^/]+)*)/img/(?P<name>[^/]+)")


@dataclass(frozen=True)
class Item:
    """One picture of a project.

    Attributes:
        dataset: its dataset; a nested one is "outer/inner".
        image: path of the picture within the project; tells items apart.
        annotation: path of its annotation, None where there is none.
        problem: why it has none.
    """

    dataset: str
    image: str
    annotation: str | None
    problem: str = ""


@dataclass(frozen=True)
class Project:
    """A project; items are read when asked for.

    Attributes:
        files: where it is.
        root: path of the project in `files`, "" or ending in "/".
        meta: classes and tags.
        items: in the order of their paths.
    """

    files: ProjectFiles
    root: str
    meta: ProjectMeta
    items: Items = field(repr=False)

    def locate(self, path: str) -> str:
        """Returns what messages call a file."""
        return self.files.locate(self.root + path)

    def read(self, path: str) -> bytes:
        """Reads a file.

        Raises:
            FormatError: it cannot be read.
        """
        return self.files.read(self.root + path)

    def parse(self, item: Item, data: bytes) -> Annotation:
        """Reads the annotation of an item from the content of its file.

        Raises:
            AnnotationError: lists every problem.
        """
        where = self.locate(item.annotation or item.image)
        try:
            return read_annotation(parse_json(data, where), self.meta)
        except AnnotationError as err:
            raise AnnotationError(*(f"{where}: {p}" for p in err.problems)) from err
        except ConfigError as err:
            raise AnnotationError(*err.problems) from err

    def image_size(self, item: Item) -> tuple[int, int]:
        """Reads (height, width) of the picture of an item from its header.

        Raises:
            FormatError: it cannot be read.
        """
        return checked_size(self.read(item.image), self.locate(item.image))

    def image(self, item: Item) -> Pixels:
        """Reads the picture of an item.

        Returns:
            uint8[H, W, 3] RGB, as people see it.

        Raises:
            FormatError: it cannot be read.
        """
        return decode_image(self.read(item.image), self.locate(item.image))


def open_project(path: str | PathLike[str]) -> Project:
    """Opens a project and lists its items; annotations are not read.

    Args:
        path: the folder or tar of the project, or one that holds just this project.

    Raises:
        FormatError: no project or several, or a meta that cannot be read.
    """
    files = open_files(path)
    paths = files.paths()
    root = _find_root(paths, str(path))
    meta_path = files.locate(root + META)
    try:
        content = parse_json(files.read(root + META), meta_path)
        meta = ProjectMeta.from_json(content)
    except AnnotationError as err:
        raise AnnotationError(*(f"{meta_path}: {p}" for p in err.problems)) from err
    inside = [p.removeprefix(root) for p in paths if p.startswith(root)]
    return Project(files, root, meta, Items(inside))


def _find_root(paths: list[str], name: str) -> str:
    if META in paths:
        return ""
    roots = [p.removesuffix(META) for p in paths if re.fullmatch(f"[^/]+/{META}", p)]
    if len(roots) != 1:
        found = f"several: {', '.join(roots)}" if roots else "none"
        raise FormatError(
            f"{name}: expected one project (a folder with {META}), got {found}"
        )
    return roots[0]


class Items(Sequence[Item]):
    """The items of a project; each is put together when asked for.

    A project may have very many: what is held of one is the path of its picture.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        """Finds pictures and their annotations among the files of a project.

        Args:
            paths: of all files within the project, sorted.
        """
        annotations = {p for p in paths if p.endswith(".json")}
        self._images = TextList(path for path in paths if _is_image(path))
        pairs = map(_annotation_names, self._images)
        uses = Counter(old for new, old in pairs if new not in annotations)
        self._namings = bytes(
            _NEW
            if new in annotations
            else _NONE
            if old not in annotations
            else _OLD
            if uses[old] == 1
            else _SHARED
            for new, old in map(_annotation_names, self._images)
        )

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...

    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        image, naming = self._images[index], self._namings[index]
        inner = image.rpartition("/img/")[0].replace("/datasets/", "/")
        new, old = _annotation_names(image)
        if naming == _NONE:
            problem = f"has no annotation; add {new}, or remove the picture"
            return Item(inner, image, None, problem)
        if naming == _SHARED:
            problem = f"{old} matches several pictures; rename it to {new}"
            return Item(inner, image, None, problem)
        return Item(inner, image, new if naming == _NEW else old)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Items) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


_NEW, _OLD, _NONE, _SHARED = range(4)
"""How an item's annotation is named: as now, as before, not at all, as others' too."""


def _is_image(path: str) -> bool:
    match = _IMAGE.fullmatch(path)
    if not match or match["name"].startswith("."):
        return False
    return f".{path.rpartition('.')[2].lower()}" in EXTENSIONS


def _annotation_names(image: str) -> tuple[str, str]:
    """Returns where the annotation of a picture is in the new and the old naming."""
    # Texts, as there may be very many; paths would leave their parts in memory.
    dataset, _, name = image.rpartition("/img/")
    stem = name.rpartition(".")[0]
    return f"{dataset}/ann/{name}.json", f"{dataset}/ann/{stem}.json"


__all__ = ["EXTENSIONS", "Item", "Items", "Project", "open_project"]
