"""A Supervisely project: its meta, its datasets and their items.

`<dataset>/img/<picture>` goes with `<dataset>/ann/<picture>.json`, or in the old naming
with `<dataset>/ann/<picture without extension>.json`. Datasets may hold others under
`<dataset>/datasets/`. A project may lie one folder down.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from os import PathLike
from pathlib import PurePosixPath

from formats.annotation_reader import Annotation, read_annotation
from formats.errors import AnnotationError, ConfigError, FormatError
from formats.image import Pixels, checked_size, decode_image
from formats.json_file import parse_json
from formats.meta import ProjectMeta
from formats.project_files import ProjectFiles, open_files

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
    items: tuple[Item, ...] = field(repr=False)

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
    return Project(files, root, meta, tuple(_items(inside)))


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


def _items(paths: list[str]) -> list[Item]:
    annotations = {p for p in paths if p.endswith(".json")}
    found: list[tuple[str, str, str, str]] = []
    for path in paths:
        match = _IMAGE.fullmatch(path)
        name = PurePosixPath(path)
        if not match or name.name.startswith("."):
            continue
        if name.suffix.lower() in EXTENSIONS:
            folder = path[: match.end("dataset")]
            new, old = (
                f"{folder}/ann/{name.name}.json",
                f"{folder}/ann/{name.stem}.json",
            )
            dataset = match["dataset"].replace("/datasets/", "/")
            found.append((dataset, path, new, old))
    uses = Counter(old for _, _, new, old in found if new not in annotations)
    return [_item(*entry, annotations, uses) for entry in found]


def _item(
    dataset: str,
    image: str,
    new: str,
    old: str,
    annotations: Collection[str],
    uses: Counter[str],
) -> Item:
    if new in annotations:
        return Item(dataset, image, new)
    if old not in annotations:
        problem = f"has no annotation; add {new}, or remove the picture"
        return Item(dataset, image, None, problem)
    if uses[old] > 1:
        problem = f"{old} matches several pictures; rename it to {new}"
        return Item(dataset, image, None, problem)
    return Item(dataset, image, old)


__all__ = ["EXTENSIONS", "Item", "Project", "open_project"]
