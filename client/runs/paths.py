"""Questions to paths that users give: every path gets an answer, none an exception."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def resolve_path(path: Path) -> Path:
    """Returns the path without links; absolute as it is where they go in circles."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # which of them depends on Python's version
        return path.absolute()


def holds(test: Callable[[], bool]) -> bool:
    """Runs a path's `is_dir` or the like.

    Returns:
        Its answer; False where the system gives none, as for a name that is too long.
    """
    try:
        return test()
    except OSError:
        return False
