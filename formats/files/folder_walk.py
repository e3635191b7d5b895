"""Lists the files below a folder, whatever a stranger has put there.

Links are followed where they stay inside. Pipes, sockets and devices are never opened.
A folder that links show again and again is listed a few times, so that the work grows
with what is there, not with the ways through it.
"""

from __future__ import annotations

import os
import stat
from collections import Counter, deque
from collections.abc import Iterator
from os import DirEntry

from formats.errors import FormatError
from formats.files.left_out import LeftOut
from formats.files.safe_path import is_inside

MAX_FILES = 20_000_000
"""Most files of a folder or an archive."""
MAX_SHOWN = 8
"""How often links show one folder."""
SPECIAL = "of a special kind (pipe, socket or device)"
OUTSIDE = "leading out of the folder"
UNREADABLE = "not readable"
CIRCLE = "leading in a circle"


def list_folder(root: str, left_out: LeftOut, *, strict: bool = True) -> list[str]:
    """Lists all files below a folder.

    Args:
        root: the folder; it may itself be a link.
        left_out: gets what is not listed.
        strict: as a project wants it. Otherwise names that begin with a dot are left
            out, links to files are followed wherever they lead, and a folder that
            cannot be read is told as left out.

    Returns:
        Paths relative to the folder, parts separated by "/", sorted.

    Raises:
        FormatError: a folder cannot be read, or there are too many files.
    """
    walk = _Walk(root, left_out, strict=strict)
    found = []
    for path in walk.files():
        found.append(path)
        if len(found) > MAX_FILES:
            raise FormatError(f"{root}: expected at most {MAX_FILES:,} files, got more")
    found.sort()
    return found


class _Walk:
    def __init__(self, root: str, left_out: LeftOut, *, strict: bool) -> None:
        self._root = root
        self._left_out = left_out
        self._strict = strict
        self._links: deque[str] = deque()
        self._shown: Counter[tuple[int, int]] = Counter()

    def files(self) -> Iterator[str]:
        """Yields what is there without links, then what links show."""
        yield from self._below("", through_link=False)
        while self._links:
            yield from self._follow(self._links.popleft())

    def _below(self, top: str, *, through_link: bool) -> Iterator[str]:
        """Yields the files of a folder and those below it, and notes links."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            if through_link and not self._may_show(folder):
                continue
            for entry in self._entries(folder):
                path = folder + entry.name
                if entry.is_symlink():
                    self._links.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{path}/")
                elif entry.is_file(follow_symlinks=False):
                    yield path
                else:
                    self._left_out.add("file", SPECIAL, path)

    def _may_show(self, folder: str) -> bool:
        try:
            found = os.stat(f"{self._root}/{folder}")
        except OSError as err:
            raise _unreadable(f"{self._root}/{folder}", err) from err
        self._shown[found.st_dev, found.st_ino] += 1
        if self._shown[found.st_dev, found.st_ino] <= MAX_SHOWN:
            return True
        self._left_out.add("link", CIRCLE, folder.rstrip("/"))
        return False

    def _entries(self, folder: str) -> list[DirEntry[str]]:
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                return [e for e in entries if self._strict or e.name[0] != "."]
        except OSError as err:
            if self._strict or not folder:
                raise _unreadable(f"{self._root}/{folder}", err) from err
            self._left_out.add("folder", UNREADABLE, folder.rstrip("/"))
            return []

    def _follow(self, link: str) -> Iterator[str]:
        """Yields what a link shows."""
        path = f"{self._root}/{link}"
        is_outside = not is_inside(path, self._root)
        if is_outside and (self._strict or not os.path.isfile(path)):
            self._left_out.add("link", OUTSIDE, link)
            return
        try:
            mode = os.stat(path).st_mode
        except OSError:
            yield link  # leads nowhere, which reading it tells
            return
        if stat.S_ISREG(mode):
            yield link
        elif not stat.S_ISDIR(mode):
            self._left_out.add("file", SPECIAL, link)
        elif is_inside(os.path.dirname(path), path):
            self._left_out.add("link", CIRCLE, link)
        else:
            yield from self._below(f"{link}/", through_link=True)


def _unreadable(folder: str, err: OSError) -> FormatError:
    return FormatError(f"{folder}: {err.strerror or err}")
