"""Version directories below a model's base path."""

from __future__ import annotations

import os
import re
from pathlib import Path

_VERSION = re.compile(r"[0-9]{1,18}")  # 18 digits always fit the int64 of the wire


def list_versions(base_path: Path) -> dict[int, Path]:
    """Returns the version directories; names that are no plain numbers are left out.

    Raises:
        OSError: the base path cannot be listed.
    """
    return {
        int(path.name): path
        for path in sorted(base_path.iterdir())
        if _VERSION.fullmatch(path.name) and path.is_dir()
    }


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
