"""Files that lie one after another in one file: a tar that is read in place.

Nothing of it gets a name on disk, so that names of members lead nowhere.
"""

from __future__ import annotations

import os
import tarfile
import weakref
from collections.abc import Mapping
from typing import IO, BinaryIO, cast

from formats.errors import FormatError
from formats.files.folder_walk import MAX_FILES
from formats.files.left_out import LeftOut
from formats.files.regular_file import MAX_FILE_BYTES, check_bytes
from formats.files.safe_path import check_path

Places = dict[str, tuple[int, int]]
"""Path of a file -> its (offset, size), bytes."""
MAX_HEADER_BYTES = 2**20
"""Longest header of a member; the longest names and attributes take some thousands."""
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link; pack with tar --dereference",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
_DAMAGED = (
    tarfile.TarError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    RecursionError,
    LookupError,
)


class PackedFiles:
    """Files within one file. Safe to read from many threads."""

    def __init__(self, name: str, number: int, places: Places) -> None:
        """Takes over an open file.

        Args:
            name: what messages call the archive.
            number: descriptor of the file, closed with this object.
            places: where its files are.
        """
        self.name = name
        self.places: Mapping[str, tuple[int, int]] = places
        self._number = number
        weakref.finalize(self, os.close, number)

    def paths(self, left_out: LeftOut) -> list[str]:  # noqa: ARG002
        """Returns the paths of all files, sorted; nothing else may be in an archive."""
        return sorted(self.places)

    def read(self, path: str, most: int = MAX_FILE_BYTES) -> bytes:
        """Reads a file of at most so many bytes.

        Raises:
            FormatError: it cannot be read, or is too large.
        """
        offset, size = self._place(path)
        check_bytes(size, self.locate(path), most)
        return self._read(path, offset, size)

    def start(self, path: str, count: int) -> bytes:
        """Reads the first bytes of a file.

        Raises:
            FormatError: it cannot be read.
        """
        offset, size = self._place(path)
        return self._read(path, offset, min(size, count))

    def locate(self, path: str) -> str:
        """Returns what messages call a file."""
        return f"{self.name}:{path}"

    def _place(self, path: str) -> tuple[int, int]:
        if path not in self.places:
            raise FormatError(f"{self.locate(path)}: no such file in the archive")
        return self.places[path]

    def _read(self, path: str, offset: int, size: int) -> bytes:
        parts, left = [], size
        try:
            while left and (part := os.pread(self._number, left, offset)):
                parts.append(part)
                offset += len(part)
                left -= len(part)
        except OSError as err:
            raise FormatError(f"{self.locate(path)}: {err.strerror or err}") from err
        if left:
            raise FormatError(f"{self.locate(path)}: the archive is cut off")
        return b"".join(parts)


def open_tar(file: BinaryIO, name: str) -> PackedFiles:
    """Opens a tar that is not compressed; only the places of its files are held.

    Args:
        file: the tar.
        name: what messages call it.

    Raises:
        FormatError: damaged, or a member that is no file of its own below the root.
    """
    try:
        archive = tarfile.TarFile(fileobj=cast("IO[bytes]", _Headers(file)), mode="r")
        places = _places(archive, name)
    except FormatError:
        raise
    except _DAMAGED as err:
        raise FormatError(f"{name}: the tar is damaged: {err or type(err)}") from err
    return PackedFiles(name, os.dup(file.fileno()), places)


class _Headers:
    """What `tarfile` sees of a tar: headers of a bounded size."""

    mode = "rb"

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell = file.tell
        self.seek = file.seek

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= MAX_HEADER_BYTES:
            raise ValueError(
                f"expected headers of at most {MAX_HEADER_BYTES:,} bytes, got {count:,}"
            )
        return self._file.read(count)


def _places(archive: tarfile.TarFile, name: str) -> Places:
    """Returns where the files of a tar are; hard links are followed."""
    places: Places = {}
    count, last = 0, -1
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]
        count += 1
        if count > MAX_FILES:
            raise FormatError(f"{name}: expected at most {MAX_FILES:,} files, got more")
        if member.size < 0 or not last < member.offset_data:
            raise ValueError("a member lies before the one that it follows")
        last = member.offset_data
        path = _clean(member.name)
        if member.isdir() and path in ("", "."):
            continue
        check_path(path, f"{name}: member")
        if member.isdir():
            continue
        place = _place(member, places, f"{name}: member {path}")
        if path in places:
            raise FormatError(
                f"{name}: member {path}: expected every name once, got it twice"
            )
        places[path] = place
    return places


def _place(member: tarfile.TarInfo, places: Places, where: str) -> tuple[int, int]:
    if member.isreg() and not member.issparse():
        return member.offset_data, member.size
    if member.islnk() and _clean(member.linkname) in places:
        return places[_clean(member.linkname)]
    kind = _KINDS.get(member.type, "something else")
    if member.islnk():
        kind = "a hard link to nothing before it; pack with tar --hard-dereference"
    elif member.issparse():
        kind = "a sparse file; pack without --sparse"
    raise FormatError(f"{where}: expected files and folders, got {kind}")


def _clean(name: str) -> str:
    """Returns a member's path without what `tar` adds to it."""
    while name.startswith("./"):
        name = name[2:]
    return name.rstrip("/") if name.strip("/") else name
