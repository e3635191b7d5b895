"""The files of a project: a folder, or a tar that is read in place.

Paths are relative to the project, with "/". Safe to read from many threads.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Protocol

from formats.errors import FormatError


class ProjectFiles(Protocol):
    """Where the files of a project are."""

    def paths(self) -> list[str]:
        """Returns the paths of all files, sorted."""
        ...

    def read(self, path: str) -> bytes:
        """Reads a file.

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

    def paths(self) -> list[str]:
        """Returns the paths of all files, sorted; links are followed.

        Raises:
            FormatError: a folder cannot be read.
        """
        found: list[str] = []
        self._list("", set(), found)
        found.sort()
        return found

    def _list(self, folder: str, above: set[str], found: list[str]) -> None:
        """Adds the files of a folder; a link to a folder above it is left out."""
        try:
            real = os.path.realpath(self.root / folder)
            if real in above:
                return
            with os.scandir(self.root / folder) as entries:
                for entry in entries:
                    path = folder + entry.name
                    if entry.is_dir():
                        self._list(f"{path}/", above | {real}, found)
                    else:
                        found.append(path)
        except OSError as err:
            where = self.root / folder
            raise FormatError(f"{where}: {err.strerror or err}") from err

    def read(self, path: str) -> bytes:
        """Reads a file.

        Raises:
            FormatError: it cannot be read.
        """
        try:
            with open(self.locate(path), "rb") as file:
                return file.read()
        except OSError as err:
            raise FormatError(f"{self.locate(path)}: {err.strerror or err}") from err

    def locate(self, path: str) -> str:
        """Returns what messages call a file."""
        return f"{self.root}/{path}"


@dataclass(frozen=True)
class TarFiles:
    """Files of a tar; only their places are held.

    Attributes:
        archive: the tar.
        places: path -> (offset, size), bytes.
    """

    archive: Path
    places: Mapping[str, tuple[int, int]] = field(repr=False)

    def paths(self) -> list[str]:
        """Returns the paths of all files, sorted."""
        return sorted(self.places)

    def read(self, path: str) -> bytes:
        """Reads a file.

        Raises:
            FormatError: it cannot be read.
        """
        if path not in self.places:
            raise FormatError(f"{self.locate(path)}: no such file in the archive")
        offset, size = self.places[path]
        try:
            with self.archive.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(size)
        except OSError as err:
            raise FormatError(f"{self.locate(path)}: {err.strerror or err}") from err
        if len(data) < size:
            raise FormatError(f"{self.locate(path)}: the archive is cut off")
        return data

    def locate(self, path: str) -> str:
        """Returns what messages call a file."""
        return f"{self.archive}:{path}"


def open_files(path: str | PathLike[str]) -> ProjectFiles:
    """Opens the folder or the tar of a project.

    Raises:
        FormatError: neither, or a tar that is compressed or damaged.
    """
    place = Path(path)
    if place.is_dir():
        return FolderFiles(place)
    if not place.exists():
        raise FormatError(f"{place}: no such folder or file")
    try:
        with tarfile.open(place, "r:") as archive:
            return TarFiles(place, _places(archive))
    except (tarfile.TarError, OSError, EOFError) as err:
        raise FormatError(
            f"{place}: expected a folder or a tar that is not compressed, got neither "
            f"({err}); unpack it and name the folder"
        ) from err


def _places(archive: tarfile.TarFile) -> dict[str, tuple[int, int]]:
    """Returns where the files of an archive are; hard links are followed."""
    places: dict[str, tuple[int, int]] = {}
    for member in archive:
        name = os.path.normpath(member.name)
        if member.isreg() and not member.issparse():
            places[name] = (member.offset_data, member.size)
        elif member.islnk():
            target = os.path.normpath(member.linkname)
            if target in places:
                places[name] = places[target]
    return places


__all__ = ["FolderFiles", "ProjectFiles", "TarFiles", "open_files"]
