"""Finds the files that COCO's `file_name`s mean, as other systems write them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from formats.coco.index import plain_name
from formats.files.left_out import LeftOut
from formats.files.safe_path import path_problem
from formats.files.text_list import TextList

MOST_FILES = 1_000_000
"""Of a folder that is searched for names in another letter case."""

BACKSLASHES = "found with / in place of the backslashes of its file_name"
DOTS = "found without the ./ or // of its file_name"
LETTER_CASE = "found under another letter case than its file_name has"
TWICE = "whose file another entry of images has too"


def find_images(names: Iterable[str], folder: Path) -> tuple[TextList, LeftOut]:
    """Finds files by their names.

    Args:
        names: as the file has them, checked to lie inside of the folder.
        folder: of the images.

    Returns:
        Paths within the folder, of what is not there too; and what is odd about them.
    """
    odd = LeftOut()
    finder = _Finder(folder)
    seen: set[str] = set()

    def found() -> Iterable[str]:
        for name in names:
            path, reason = finder.find(name)
            if reason:
                odd.add("image", reason, name)
            if path in seen:
                odd.add("image", TWICE, name)
            seen.add(path)
            yield path

    return TextList(found()), odd


class _Finder:
    """A folder; it is listed when a name is not found as it is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folded: dict[str, str | None] | None = None

    def find(self, name: str) -> tuple[str, str]:
        """Returns the path of a name, and what had to be changed for it."""
        plain = plain_name(name)
        if not path_problem(name) and self._is_file(name):
            return name, ""
        if plain != name and self._is_file(plain):
            return plain, BACKSLASHES if "\\" in name else DOTS
        if self._folded is None:
            self._folded = _fold(self._folder)
        path = self._folded.get(plain.casefold())
        return (plain, "") if path is None else (path, LETTER_CASE)

    def _is_file(self, name: str) -> bool:
        try:
            return (self._folder / name).is_file()
        except OSError:  # such as a folder that may not be entered
            return False


def _fold(folder: Path) -> dict[str, str | None]:
    """Returns folded path -> path of the files of a folder; None where two are one.

    A folder of very many files is not searched through.
    """
    folded: dict[str, str | None] = {}
    for place, _, names in os.walk(folder):
        inner = os.path.relpath(place, folder)
        for name in names:
            path = name if inner == "." else f"{inner}/{name}"
            folded[path.casefold()] = None if path.casefold() in folded else path
        if len(folded) > MOST_FILES:
            return {}
    return folded
