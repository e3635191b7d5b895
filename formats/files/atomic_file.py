"""Files that appear whole or not at all, and folders that can take them."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def replaced_file(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a file that takes its name when the block ends without an exception.

    It is written beside that name, hidden; an exception removes it and leaves what was
    there before. Missing folders are made.

    Raises:
        OSError: it cannot be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Short, as the whole name may be as long as the file system allows.
    temporary = target.with_name(f".{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_folder(path: Path) -> None:
    """Makes a folder where it is missing, and tries that files can be written there.

    Raises:
        OSError: they cannot.
    """
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
        pass
