"""The items of a Supervisely project, found among the paths of its files.

Every file of `img/` and `ann/` is one of an item, or told to be left out. Hidden files
are not looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import overload

from formats.files.left_out import LeftOut
from formats.files.text_list import TextList

EXTENSIONS = frozenset(
    {".bmp", ".jfif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
"""Names that make a file of `img/` an image without a look at its content."""

_DATASET = r"(?P<dataset>[^/]+(?:/datasets/[^/]+)*)"
_IMAGE = re.compile(_DATASET + r"/img/(?P<inner>(?:[^/]+/)*)(?P<name>[^/]+)")
_ANNOTATION = re.compile(_DATASET + r"/ann/[^./][^/]*")


@dataclass(frozen=True)
class Item:
    """One image of a project.

    Attributes:
        dataset: its dataset; a nested one is "outer/inner".
        image: path of the image within the project; tells items apart.
        annotation: path of its annotation, None where there is none.
        problem: why it has none.
    """

    dataset: str
    image: str
    annotation: str | None
    problem: str = ""


class Items(Sequence[Item]):
    """The items of a project; each is put together when asked for.

    A project may have very many: what is held of one is the path of its image.
    """

    def __init__(
        self, paths: Sequence[str], look: Callable[[str], str], left_out: LeftOut
    ) -> None:
        """Finds images and their annotations among the files of a project.

        Args:
            paths: of all files within the project, sorted.
            look: says why a file whose name tells nothing is no image, "" if it is.
            left_out: gets the files of datasets that belong to no item.
        """
        annotations = {p for p in paths if p.endswith(".json")}
        self.folders: set[str] = set()
        others: list[str] = []
        self._images = TextList(self._find(paths, look, left_out, others))
        pairs = map(_annotation_names, self._images)
        uses = Counter(
            old for new, old in pairs if new not in annotations or new == old
        )
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

        for image in chain(self._images, others):
            annotations.difference_update(_annotation_names(image))
        for path in sorted(filter(_ANNOTATION.fullmatch, annotations)):
            left_out.add("annotation", "without an image", path)

    def _find(
        self,
        paths: Sequence[str],
        look: Callable[[str], str],
        left_out: LeftOut,
        others: list[str],
    ) -> Iterator[str]:
        """Yields the images, and notes which files of `img/` are none."""
        for path in paths:
            match = _IMAGE.fullmatch(path)
            if not match or match["name"].startswith("."):
                continue
            extension = f".{match['name'].rpartition('.')[2].lower()}"
            if match["inner"]:
                left_out.add("file", "in folders within img/, which has none", path)
            elif extension not in EXTENSIONS and (reason := look(path)):
                left_out.add("file", reason, path)
                others.append(path)
            else:
                self.folders.add(match["dataset"])
                yield path

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


def _annotation_names(image: str) -> tuple[str, str]:
    """Returns where the annotation of an image is in the new and the old naming."""
    # Texts, as there may be very many; paths would leave their parts in memory.
    dataset, _, name = image.rpartition("/img/")
    stem = name.rpartition(".")[0] or name
    return f"{dataset}/ann/{name}.json", f"{dataset}/ann/{stem}.json"
