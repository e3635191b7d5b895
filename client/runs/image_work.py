"""Files and folders of images as work.

`OUTPUT/meta.json`, `OUTPUT/ann/<image>.json`; an image from a folder keeps its path
within that folder.
"""

from __future__ import annotations

import bisect
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from client.client import Client
from client.errors import OutputError
from client.result import Result
from client.runs.paths import holds, resolve_path
from client.runs.run_folder import RunFolder
from client.runs.work import json_bytes
from formats.errors import FormatError
from formats.files.folder_walk import list_folder
from formats.files.left_out import LeftOut
from formats.files.regular_file import read_regular
from formats.files.text_list import TextList
from formats.images.image import unreadable
from formats.images.image_header import FIRST_BYTES
from formats.supervisely.meta import ProjectMeta

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
"""Names that make a file of a folder an image, whatever its content."""
TWICE = "taken already, under this name or another"


class ImageWork:
    """Images without annotations; see `Work`."""

    def __init__(self, inputs: Iterable[Path], output: Path) -> None:
        """Lists the images among files and folders, folders with all within them.

        What is named is taken as it is, hidden or not; of a folder's content those
        files that are images by content or by name, nothing hidden, and no earlier
        results. What else is there is told in `left_out`.

        Args:
            inputs: files and folders.
            output: the folder of the results; nothing in it is taken from a folder.

        Raises:
            OutputError: nothing is there, or two images would share their results.
        """
        self.meta = ProjectMeta()
        self.left_out = LeftOut()
        self.inputs: list[str] = []
        # Texts and numbers, as there may be very many; paths take ten times as much.
        self._folders: list[str] = []
        self._firsts: list[int] = []
        self._names: Sequence[str] = TextList(self._list(inputs, resolve_path(output)))
        if len(self._folders) > 1:
            self._check_names()
        if not self._names:
            raise OutputError("expected at least one picture, got none")

    def _list(self, inputs: Iterable[Path], output: Path) -> Iterator[str]:
        """Yields names of images, and notes which folders they are in."""
        # Of all files that are listed, by what they are without links.
        seen: set[bytes] = set()
        count = 0
        for path in inputs:
            self.inputs.append(str(resolve_path(path)))
            named = not holds(path.is_dir)
            folder = str(path.parent if named else path)
            self._folders.append(folder)
            self._firsts.append(count)
            for name in [path.name] if named else self._files_in(folder):
                resolved = resolve_path(Path(folder, name))
                digest = hashlib.blake2b(os.fsencode(resolved), digest_size=16).digest()
                if not named and output in resolved.parents:
                    continue
                if digest in seen:
                    if not named:
                        self.left_out.add("file", TWICE, name)
                    continue
                seen.add(digest)
                if not named and (reason := _problem(f"{folder}/{name}")):
                    self.left_out.add("file", reason, name)
                    continue
                count += 1
                yield name

    def _files_in(self, folder: str) -> list[str]:
        try:
            return list_folder(folder, self.left_out, strict=False)
        except FormatError as err:
            raise OutputError(str(err)) from err

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


def _problem(path: str) -> str:
    """Returns why a file is no image, "" if it is one, or cannot be looked at."""
    if f".{path.rpartition('.')[2].lower()}" in EXTENSIONS:
        return ""
    try:
        return unreadable(read_regular(path, FIRST_BYTES, start=True))
    except FormatError:
        return ""
