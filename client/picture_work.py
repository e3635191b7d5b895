"""Files and folders of pictures as work.

`OUTPUT/meta.json`, `OUTPUT/ann/<picture>.json`; a picture from a folder keeps its path
within that folder.
"""

from __future__ import annotations

import bisect
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from client.client import Client
from client.paths import holds, resolve
from client.result import Result
from client.run_folder import OutputError, RunFolder
from client.work import json_bytes
from formats.image_header import read_header
from formats.meta import ProjectMeta
from formats.text_list import TextList

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
"""Names that make a file of a folder a picture, whatever its content."""
HEADER_BYTES = 64


class PictureWork:
    """Pictures without annotations; see `Work`."""

    def __init__(self, inputs: Iterable[Path], output: Path) -> None:
        """Lists the pictures among files and folders, folders with all within them.

        What is named is taken as it is, hidden or not; of a folder's content those
        files that are pictures by content or by name, nothing hidden, and no earlier
        results.

        Args:
            inputs: files and folders.
            output: the folder of the results; nothing in it is taken from a folder.

        Raises:
            OutputError: nothing is there, or two pictures would share their results.
        """
        self.meta = ProjectMeta()
        self.inputs: list[str] = []
        # Texts and numbers, as there may be very many; paths take ten times as much.
        self._folders: list[str] = []
        self._firsts: list[int] = []
        self._names: Sequence[str] = TextList(self._list(inputs, resolve(output)))
        if len(self._folders) > 1:
            self._check_names()
        if not self._names:
            raise OutputError("expected at least one picture, got none")

    def _list(self, inputs: Iterable[Path], output: Path) -> Iterator[str]:
        """Yields names of pictures, and notes which folders they are in."""
        # Of all files that are listed, by what they are without links.
        seen: set[bytes] = set()
        count = 0
        for path in inputs:
            self.inputs.append(str(resolve(path)))
            named = not holds(path.is_dir)
            folder = str(path.parent if named else path)
            self._folders.append(folder)
            self._firsts.append(count)
            for name in [path.name] if named else sorted(_pictures_in(folder)):
                resolved = resolve(Path(folder, name))
                digest = hashlib.blake2b(os.fsencode(resolved), digest_size=16).digest()
                within = output in resolved.parents
                if digest not in seen and (named or not within):
                    seen.add(digest)
                    count += 1
                    yield name

    def _check_names(self) -> None:
        places: dict[str, str] = {}
        for index, name in enumerate(self._names):
            other = places.setdefault(name, self.place(index))
            if other != self.place(index):
                raise OutputError(
                    f"{other} and {self.place(index)}: expected pictures with "
                    f"different names, got {name} twice; run them apart, or give the "
                    "folder above both"
                )

    def __len__(self) -> int:
        return len(self._names)

    def place(self, index: int) -> str:
        """See `Work`."""
        folder = self._folders[bisect.bisect_right(self._firsts, index) - 1]
        name = self._names[index]
        return name if folder == "." else f"{folder}/{name}"

    def label(self, index: int) -> str:
        """See `Work`."""
        return self._names[index]

    def targets(self, index: int) -> list[str]:
        """See `Work`."""
        return [f"ann/{self.label(index)}.json"]

    def predict(self, client: Client, index: int) -> Result:
        """See `Work`."""
        return client.predict(self.place(index))

    def write(self, folder: RunFolder, index: int, result: Result) -> None:
        """See `Work`."""
        (target,) = self.targets(index)
        folder.write(target, json_bytes(result.to_annotation()))


def _pictures_in(folder: str) -> Iterator[str]:
    """Yields paths of pictures within a folder."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = "" if place == folder else f"{place[len(folder) :].lstrip('/')}/"
        for name in names:
            path = Path(place, name)
            if not name.startswith(".") and holds(path.is_file) and _is_picture(path):
                yield inner + name


def _is_picture(path: Path) -> bool:
    if path.suffix.lower() in EXTENSIONS:
        return True
    try:
        with path.open("rb") as file:
            return read_header(file.read(HEADER_BYTES)) is not None
    except ValueError:  # a known beginning; the rest of the header lies further on
        return True
    except OSError:
        return False


__all__ = ["PictureWork"]
