"""Links in the folder of a run, which must not lead what is written out of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from client.errors import OutputError
from formats.files.safe_path import RUN_SCRATCH, is_inside


def noted(targets: Iterable[str], folders: set[str]) -> Iterator[str]:
    """Yields files, and notes the folders that they are in."""
    for target in targets:
        folders.add(os.path.dirname(target))
        yield target


def check_links(path: Path, folders: Iterable[str]) -> None:
    """Checks that no link in a folder leads what will be written out of it.

    Args:
        path: the folder.
        folders: within it, that will be written to.

    Raises:
        OutputError: one does.
    """
    for folder in sorted(folders):
        target = f"{path}/{folder}"
        if not is_inside(target, path) or (
            folder == RUN_SCRATCH and os.path.islink(target)
        ):
            raise OutputError(
                f"{target}: expected a folder inside {path}, got a link out of it; "
                "remove the link, or choose another --output"
            )


def remove_tree(path: Path) -> None:
    """Removes a folder; of a link, the link."""
    if path.is_symlink():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)
