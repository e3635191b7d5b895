"""Version directories below a model's base path: what counts as one, newest, next.

A version is a directory whose name is a whole number; the largest number is the newest.
"""

from __future__ import annotations

import re
from pathlib import Path

SAVED_MODEL = "saved_model.pb"
"""File that makes a version's directory a model."""
_VERSION = re.compile(r"[0-9]{1,18}")  # 18 digits always fit the int64 of the wire


def version_number(name: str) -> int | None:
    """Returns the version that a directory of this name is, None for no version."""
    return int(name) if _VERSION.fullmatch(name) else None


def list_versions(base_path: Path) -> dict[int, Path]:
    """Returns the version directories; names that are no plain numbers are left out.

    Raises:
        OSError: the base path cannot be listed.
    """
    return {
        number: path
        for path in sorted(base_path.iterdir())
        if (number := version_number(path.name)) is not None and path.is_dir()
    }


def list_models(base_path: Path) -> dict[int, Path]:
    """Returns the version directories that hold a SavedModel.

    Raises:
        OSError: the base path cannot be listed.
    """
    versions = list_versions(base_path)
    return {n: path for n, path in versions.items() if (path / SAVED_MODEL).is_file()}


def version_numbers(base_path: Path) -> list[int]:
    """Returns the versions in ascending order; none where there is no base path."""
    return sorted(list_versions(base_path)) if base_path.is_dir() else []


def next_version(base_path: Path) -> int:
    """Returns the number after the newest version's."""
    return max(version_numbers(base_path), default=0) + 1
