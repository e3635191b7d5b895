"""What a COCO file lists, checked entry by entry while it is read through.

Of an annotation its image and its place in the file are held, of a problem its text,
and of these the first ones.
"""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from formats.coco.json_stream import Piece
from formats.errors import AnnotationFileError
from formats.files.left_out import LeftOut
from formats.files.safe_path import path_problem
from formats.mask_crop import MAX_PIXELS
from formats.problem_list import ProblemList
from formats.quoted import is_whole_text, quoted

Ints = np.ndarray[Any, np.dtype[np.int64]]
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class CocoImage(NamedTuple):
    """An entry of `images`.

    Attributes:
        file_name: path within the folder of images.
        size: (height, width), pixels.
        id: what the file calls it.
    """

    file_name: str
    size: tuple[int, int]
    id: Any


class Places(NamedTuple):
    """Where the annotations are in the file, sorted by image.

    Attributes:
        offsets: int64[N], bytes.
        lengths: int64[N], bytes.
        firsts: int64[images + 1], where the annotations of an image begin in these.
    """

    offsets: Ints
    lengths: Ints
    firsts: Ints


class CocoIndex:
    """Collects what a file lists, in whatever order it does.

    Attributes:
        images: number of the id -> image, in the order of the file.
        categories: id -> name, in the order of the file.
        left_out: what a lenient reading went past.
    """

    def __init__(self, path: Path, *, is_lenient: bool) -> None:
        """Starts with nothing.

        Args:
            path: of the file, for messages.
            is_lenient: go past wrong entries that nothing refers to, and past
                annotations of images that are not there.
        """
        self.images: dict[int, CocoImage] = {}
        self.categories: dict[Any, str] = {}
        self.left_out = LeftOut()
        self._path = path
        self._is_lenient = is_lenient
        self._problems = ProblemList()
        self._keys: dict[str, None] = {}
        self._numbers: dict[Any, int] = {}
        self._titles: set[str] = set()
        self._broken: dict[int, str] = {}
        self._broken_categories: list[tuple[Any, str]] = []
        self._used_categories: set[Any] = set()
        self._has_nameless = False
        self._owners = array("q")
        self._offsets = array("q")
        self._lengths = array("q")

    def add(self, piece: Piece) -> None:
        """Adds an entry of the file."""
        self._keys[piece.key] = None
        add = {
            "images": self._add_image,
            "categories": self._add_category,
            "annotations": self._add_annotation,
        }.get(piece.key)
        if add is None:
            return
        if piece.number is None:
            self._problems.add(
                f"{piece.key}: expected a list, got {quoted(piece.value)}"
            )
        else:
            add(piece, f"{piece.key}[{piece.number}]")

    def finish(self) -> Places:
        """Returns the places of the annotations.

        Raises:
            AnnotationFileError: lists every problem.
        """
        owners = np.array(self._owners, np.int64)
        used = np.zeros(len(self._numbers), np.bool_)
        used[owners] = True
        self._judge_broken(used)
        rows = np.full(len(self._numbers), -1, np.int64)
        rows[list(self.images)] = np.arange(len(self.images))
        known = rows[owners] >= 0
        self._judge_orphans(owners[~known])
        if "images" not in self._keys:
            self._problems.add(self._no_images())
        if self._problems:
            raise AnnotationFileError(*(f"{self._path}: {p}" for p in self._problems))
        mine = rows[owners[known]]
        order = np.argsort(mine, kind="stable")
        counts = np.bincount(mine, minlength=len(self.images))
        return Places(
            np.array(self._offsets, np.int64)[known][order],
            np.array(self._lengths, np.int64)[known][order],
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )

    def _add_image(self, piece: Piece, where: str) -> None:
        entry = piece.value
        problem = _image_problem(entry)
        key = entry.get("id") if isinstance(entry, dict) else None
        if not is_id(key):
            self._has_nameless = True
            self._judge_image(f"{where}: {problem}", where)
            return
        number = self._numbers.setdefault(key, len(self._numbers))
        if problem:
            name = quoted(entry.get("file_name", key))
            self._broken[number] = f"{where} ({name}): {problem}"
        elif number in self.images:
            self._problems.add(f"images: id {quoted(key)} twice")
        else:
            size = (entry["height"], entry["width"])
            self.images[number] = CocoImage(entry["file_name"], size, key)

    def _add_category(self, piece: Piece, where: str) -> None:
        entry = piece.value
        problem = _category_problem(entry)
        key = entry.get("id") if isinstance(entry, dict) else None
        if not problem and key in self.categories:
            problem = f"id {quoted(key)} twice"
        elif not problem and entry["name"] in self._titles:
            problem = f"name {quoted(entry['name'])} twice"
        if problem:
            self._broken_categories.append((key, f"{where}: {problem}"))
        else:
            self.categories[key] = entry["name"]
            self._titles.add(entry["name"])

    def _add_annotation(self, piece: Piece, where: str) -> None:
        entry = piece.value
        key = entry.get("image_id") if isinstance(entry, dict) else None
        if not is_id(key):
            if not isinstance(entry, dict):
                problem = f"expected an object, got {quoted(entry)}"
            elif "image_id" in entry:
                problem = f"image_id: expected a number or text, got {quoted(key)}"
            else:
                problem = "image_id is missing"
            if self._is_lenient:
                self.left_out.add("annotation", "without an image_id", where)
            else:
                self._problems.add(f"{where}: {problem}")
            return
        number = self._numbers.setdefault(key, len(self._numbers))
        category = entry.get("category_id")
        if is_id(category):
            self._used_categories.add(category)
        self._owners.append(number)
        self._offsets.append(piece.offset)
        self._lengths.append(piece.length)

    def _judge_image(self, problem: str, name: str) -> None:
        """Leaves out a wrong image that no annotation refers to, or refuses it."""
        if self._is_lenient:
            reason = "with wrong keys, which no annotation is of"
            self.left_out.add("image", reason, name)
        else:
            self._problems.add(problem)

    def _judge_broken(self, used: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        for number, problem in self._broken.items():
            if used[number]:
                self._problems.add(problem)
            else:
                self._judge_image(problem, problem.partition(":")[0])
        for key, problem in self._broken_categories:
            is_used = is_id(key) and key in self._used_categories
            if self._is_lenient and not is_used:
                reason = "with wrong keys, which no annotation is of"
                self.left_out.add("category", reason, problem.partition(":")[0])
            else:
                self._problems.add(problem)

    def _judge_orphans(self, owners: Ints) -> None:
        """Leaves out annotations of images that are not there, or refuses them."""
        if self._has_nameless and not self._is_lenient:
            return  # they may be of these
        numbers, counts = np.unique(owners, return_counts=True)
        orphans = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        for number in self._broken:
            orphans.pop(number, None)  # told already
        if not orphans:
            return
        for key, number in self._numbers.items():
            if number not in orphans:
                continue
            if self._is_lenient:
                reason = "of images that are not listed"
                name = f"image_id {quoted(key)}"
                self.left_out.add("annotation", reason, name, orphans[number])
            else:
                self._problems.add(
                    f"annotations: image_id {quoted(key)} is not in images; add it or "
                    "remove the annotations"
                )

    def _no_images(self) -> str:
        found = "an empty file"
        if self._keys:
            found = f"none; the file has {quoted(list(self._keys))}"
        return f"images: expected a list that is not empty, got {found}"


def is_id(value: Any) -> bool:
    """Says whether something may be the id of an image or a category."""
    return type(value) in (int, str, float)


def plain_name(file_name: str) -> str:
    """Returns a `file_name` as Linux writes paths: without backslashes and "./"."""
    parts = file_name.replace("\\", "/").split("/")
    start = "/" if not parts[0] and len(parts) > 1 else ""
    return start + "/".join(part for part in parts if part not in ("", "."))


def _image_problem(entry: Any) -> str:
    """Returns what is wrong with an entry of `images`, all of it; else nothing."""
    if not isinstance(entry, dict):
        return f"expected an object, got {quoted(entry)}"
    missing = [k for k in ("id", "file_name", "height", "width") if k not in entry]
    problems = [_all_missing(missing)] if missing else []
    if "id" in entry and not is_id(entry["id"]):
        problems.append(f"id: expected a number or text, got {quoted(entry['id'])}")
    for key in ("height", "width"):
        side = entry.get(key, 1)
        if type(side) is not int or side < 1:
            problems.append(
                f"{key}: expected pixels, a whole number from 1, got {quoted(side)}"
            )
    if not problems and entry["height"] * entry["width"] > MAX_PIXELS:
        size = quoted([entry["height"], entry["width"]])
        problems.append(
            f"height and width: expected at most {MAX_PIXELS:,} pixels in all, got "
            f"{size}"
        )
    if "file_name" in entry and (problem := _name_problem(entry["file_name"])):
        problems.append(f"file_name: {problem}")
    return "; ".join(problems)


def _name_problem(name: Any) -> str:
    if not isinstance(name, str) or not name:
        return f"expected text, got {quoted(name)}"
    problem = path_problem(plain_name(name))
    if not problem and _CONTROL.search(name):
        problem = "it has control characters"
    if problem:
        return f"{quoted(name)}: expected a path inside the folder of images; {problem}"
    return ""


def _category_problem(entry: Any) -> str:
    if not isinstance(entry, dict):
        return f"expected an object, got {quoted(entry)}"
    if missing := [key for key in ("id", "name") if key not in entry]:
        return _all_missing(missing)
    if not is_id(entry["id"]):
        return f"id: expected a number or text, got {quoted(entry['id'])}"
    name = entry["name"]
    if not isinstance(name, str) or not name or not is_whole_text(name):
        return f"name: expected text, got {quoted(name)}"
    return ""


def _all_missing(keys: list[str]) -> str:
    listed = " and ".join([", ".join(keys[:-1])] * (len(keys) > 1) + keys[-1:])
    return f"{listed} {'is' if len(keys) == 1 else 'are'} missing"
