"""The files of a project: a folder, or an archive.

Paths are relative to the project, with "/". Safe to read from many threads.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Protocol

from formats.errors import FormatError
from formats.files.archive import MAX_ARCHIVE_BYTES, unpack_archive
from formats.files.folder_walk import list_folder
from formats.files.left_out import LeftOut
from formats.files.packed_files import open_tar
from formats.files.regular_file import MAX_FILE_BYTES, read_regular


class ProjectFiles(Protocol):
    """Where the files of a project are."""

    def paths(self, left_out: LeftOut) -> list[str]:
        """Returns the paths of all files, sorted.

        Args:
            left_out: gets what is there and no file of the project.
        """
        ...

    def read(self, path: str, most: int = MAX_FILE_BYTES) -> bytes:
        """Reads a file of at most so many bytes.

        Raises:
            FormatError: it cannot be read, or is too large.
        """
        ...

    def start(self, path: str, count: int) -> bytes:
        """Reads the first bytes of a file.

        Raises:
            FormatError: it cannot be read.
        """
        ...

    def locate(self, path: str) -> str:
        """Returns what messages call a file."""
        ...


@dataclass(frozen=True)
class FolderFiles:
    """Files of a folder.

    Attributes:
        root: the folder.
    """

    root: Path

    def paths(self, left_out: LeftOut) -> list[str]:
        """Returns the paths of all files, sorted; links are followed within the folder.

        Raises:
            FormatError: a folder cannot be read, or there are too many files.
        """
        return list_folder(str(self.root), left_out)

    def read(self, path: str, most: int = MAX_FILE_BYTES) -> bytes:
        """Reads a file of at most so many bytes.

        Raises:
            FormatError: it cannot be read, or is too large.
        """
        return read_regular(self.locate(path), most)

    def start(self, path: str, count: int) -> bytes:
        """Reads the first bytes of a file.

        Raises:
            FormatError: it cannot be read.
        """
        return read_regular(self.locate(path), count, start=True)

    def locate(self, path: str) -> str:
        """Returns what messages call a file."""
        return f"{self.root}/{path}"


def open_files(
    path: str | PathLike[str], max_archive_bytes: int = MAX_ARCHIVE_BYTES
) -> ProjectFiles:
    """Opens the folder or the archive of a project.

    Args:
        path: a folder, a tar, a tar that gzip, bzip2 or xz made smaller, or a zip.
        max_archive_bytes: what a compressed one may unpack to.

    Raises:
        FormatError: none of these, damaged, or with members that are not files of
            their own below the root.
    """
    place = Path(path)
    try:
        if place.is_dir():
            return FolderFiles(place)
        if not place.exists():
            raise FormatError(f"{place}: no such folder or file")
        if not place.is_file():
            raise FormatError(f"{place}: expected a folder or an archive, got a device")
        made = unpack_archive(place, max_archive_bytes)
        if made is not None:
            return made
        with place.open("rb") as file:
            start = file.read(tarfile.BLOCKSIZE)
            if _is_tar(start):
                file.seek(0)
                return open_tar(file, str(place))
    except (OSError, RuntimeError) as err:
        reason = getattr(err, "strerror", None) or err
        raise FormatError(f"{place}: {reason}") from err
    raise FormatError(
        f"{place}: expected a folder, a tar, a tar.gz, tar.bz2 or tar.xz, or a zip, "
        f"got a file that starts with {start[:8]!r}"
    )


def _is_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        return True
    except tarfile.HeaderError:
        return False
    return True
