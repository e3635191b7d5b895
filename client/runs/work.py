"""What a run is applied to: images, or the items of a project."""

from __future__ import annotations

import json
from typing import Any, Protocol

from client.client import Client
from client.errors import OutputError
from client.result import Result
from client.runs.run_folder import RunFolder
from formats.errors import FormatError
from formats.files.left_out import LeftOut
from formats.files.regular_file import MAX_JSON_BYTES, read_regular
from formats.json_file import parse_json
from formats.supervisely.meta import ProjectMeta


class Work(Protocol):
    """Images in, annotations out. Safe to use from several threads."""

    @property
    def meta(self) -> ProjectMeta:
        """Classes and tags that are there already."""

    @property
    def left_out(self) -> LeftOut:
        """What is there and no image, or belongs to none."""

    @property
    def inputs(self) -> list[str]:
        """What the user named."""

    def __len__(self) -> int:
        """Returns the number of images."""

    def place(self, index: int) -> str:
        """Returns what messages call an image."""

    def label(self, index: int) -> str:
        """Returns what results call an image: a relative path with "/"."""

    def targets(self, index: int) -> list[str]:
        """Returns the files of an image's results, the annotation last.

        Relative to the folder of the run.
        """

    def predict(self, client: Client, index: int) -> Result:
        """Reads an image and asks the model.

        Raises:
            ClientError: no result.
            FormatError: files of the image cannot be read.
        """

    def write(self, folder: RunFolder, index: int, result: Result) -> None:
        """Writes an image's results, the annotation last.

        Raises:
            ClientError: they cannot be written, or a mask is damaged.
        """


def read_kept(folder: RunFolder, path: str) -> Any:
    """Reads JSON that a run keeps of an image.

    Args:
        folder: of the run.
        path: relative to it.

    Raises:
        OutputError: it is damaged.
    """
    place = f"{folder.path}/{path}"
    try:
        return parse_json(read_regular(place, MAX_JSON_BYTES), place)
    except FormatError as err:
        raise OutputError(f"{err}; start again with --overwrite") from err


def json_bytes(content: Any) -> bytes:
    """Returns JSON as results have it."""
    try:
        return json.dumps(content, ensure_ascii=False, indent=1).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only JSON can escape
        return json.dumps(content, indent=1).encode()
