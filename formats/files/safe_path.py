"""Names and paths that files bring: checked before anything is read or written by them.

A name of a project, a dataset, an item, an archive's member or COCO's `file_name` comes
from somebody else. It may name a file below a root, and nothing else.
"""

from __future__ import annotations

import os
import re
from os import PathLike

from formats.errors import FormatError

MAX_PATH_BYTES = 4096
"""Longest path, that of Linux."""
MAX_NAME_BYTES = 255
"""Longest part of a path, that of the usual file systems."""
RUN_STATE = ".maskrcnn-run.json"
"""File of a run's output that says what made it."""
RUN_SCRATCH = ".maskrcnn-run"
"""Folder of a run's output for what is being made."""
OWN_NAMES = frozenset({RUN_STATE, RUN_SCRATCH, "meta.json"})
"""What lies beside the datasets in the output of a run."""
_DRIVE = re.compile("[A-Za-z]:")


def path_problem(path: str) -> str:
    """Says why a path may not be used below a root.

    Args:
        path: as a file gives it, parts separated by "/".

    Returns:
        What is wrong with it, "" if nothing is.
    """
    if not path:
        return "it is empty"
    if "\0" in path:
        return "it has a NUL character"
    if path.startswith("/"):
        return "it is absolute"
    if _DRIVE.match(path):
        return "it names a drive"
    parts = path.split("/")
    if ".." in parts:
        return "it leads out of its folder (..)"
    if "." in parts or "" in parts:
        return "it has an empty part (. or //)"
    encoded = [os.fsencode(part) for part in parts if _encodes(part)]
    if len(encoded) < len(parts):
        return "it has characters that no file name can have"
    if max(map(len, encoded)) > MAX_NAME_BYTES:
        return f"a part of it is longer than {MAX_NAME_BYTES} bytes"
    if sum(map(len, encoded)) + len(encoded) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES} bytes"
    return ""


def check_path(path: str, what: str) -> str:
    """Returns a path that stays below the root it is used in.

    Args:
        path: as a file gives it, parts separated by "/".
        what: what the error calls it, with the file that gives it.

    Raises:
        FormatError: absolute, with a drive, "..", NUL or an empty part, or too long.
    """
    if problem := path_problem(path):
        raise FormatError(
            f"{what}: {_short(path)}: expected a path inside its folder; {problem}"
        )
    return path


def is_inside(path: str | PathLike[str], root: str | PathLike[str]) -> bool:
    """Says whether a path, all links followed, is a root or lies in it."""
    real, top = os.path.realpath(path), os.path.realpath(root)
    return real == top or real.startswith(top.rstrip(os.sep) + os.sep)


def _encodes(part: str) -> bool:
    try:
        os.fsencode(part)
    except UnicodeEncodeError:
        return False
    return True


def _short(path: str) -> str:
    text = ascii(path) if not path.isprintable() else repr(path)
    return text if len(text) <= 120 else f"{text[:117]}..."
