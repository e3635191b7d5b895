"""What the server looks at in the folders it is given."""

from __future__ import annotations

import os
from pathlib import Path

from serving.version_dirs import SAVED_MODEL, list_versions, version_number


def explain_base_path(base_path: Path) -> str | None:
    """Returns why a path can never hold versions, None where it may.

    Args:
        base_path: what was given as the directory of version directories.
    """
    if base_path.is_file():
        return f"{base_path} is a file; expected a directory of version directories"
    if not (base_path / SAVED_MODEL).is_file():
        return None
    if version_number(base_path.name) is not None:
        return (
            f"{base_path} is a version of a model; give the directory that holds its "
            f"versions: --model-base-path {base_path.parent}"
        )
    return (
        f"{base_path} holds a SavedModel itself; expected it in a version directory: "
        f"move it to {base_path / '1'}"
    )


def find_models(base_path: Path) -> list[Path]:
    """Returns the directories below a base path that hold versions, in order."""
    return [
        path
        for path in sorted(base_path.iterdir())
        if path.is_dir() and list_versions(path)
    ]


def fingerprint(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Returns names, sizes and times: what changes when a version is mended."""
    entries = []
    # os.walk, unlike Path.rglob, passes over folders that vanish meanwhile.
    for folder, _, names in os.walk(path):
        for file in (Path(folder, name) for name in names):
            try:
                stat = file.stat()
            except OSError:
                continue
            relative = str(file.relative_to(path))
            entries.append((relative, stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(entries))
