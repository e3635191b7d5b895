"""Version folders: how one appears whole or not at all.

An export works in `.export-...` beside the versions, under a lock that ends with its
process; what it leaves there when it is killed, the next export clears away. A version
that is replaced waits in `.replaced-...` meanwhile, and comes back in the same way.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from export.errors import ExportError
from formats.files.writing import writing
from serving.version_dirs import next_version, version_numbers

logger = logging.getLogger(__name__)

_STAGING, _REPLACED = ".export-", ".replaced-"


def check_version(base_path: Path, version: int | None, *, overwrite: bool) -> None:
    """Refuses a version that cannot be published.

    Raises:
        ExportError: it exists and may not be replaced.
    """
    if version is not None and not overwrite and version in version_numbers(base_path):
        raise ExportError(
            f"{base_path / str(version)}: this version exists; choose another "
            "--version, leave it out for the next free one, or replace this one with "
            "--overwrite"
        )


@contextlib.contextmanager
def staging_folder(base_path: Path) -> Iterator[Path]:
    """Gives a folder beside the versions that no server takes for one.

    It is removed at the end if it is still there.

    Raises:
        ExportError: the base path cannot be written.
    """
    with writing(
        f"{base_path}: cannot be written", ExportError, "choose another --output"
    ):
        base_path.mkdir(parents=True, exist_ok=True)
        with _lock(base_path):
            _clear(base_path)
            folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=base_path))
            lock = _open_lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _clear(base_path: Path) -> None:
    """Removes what killed exports left; call it with the base path locked."""
    for old in _folders(base_path, _REPLACED):
        for version in version_numbers(old):
            target = base_path / str(version)
            if not target.exists():
                (old / target.name).rename(target)
                logger.info("%s: back after an export that was killed", target)
        shutil.rmtree(old, ignore_errors=True)
    for left in _folders(base_path, _STAGING):
        if not _is_locked(left):
            shutil.rmtree(left, ignore_errors=True)
            logger.info("%s: removed, a killed export left it", left)


def _folders(base_path: Path, prefix: str) -> list[Path]:
    """Returns real folders, no links to others."""
    found = sorted(base_path.glob(f"{prefix}*"))
    return [path for path in found if path.is_dir() and not path.is_symlink()]


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keeps other exports of a base path waiting."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # not every file system locks folders
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_lock(folder: Path) -> int:
    """Locks a folder as long as the descriptor is open."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _is_locked(folder: Path) -> bool:
    """Says whether a folder is another export's, or may be."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def publish(
    folder: Path, base_path: Path, version: int | None, *, overwrite: bool
) -> Path:
    """Makes a finished folder a version by one atomic rename.

    Args:
        folder: on the file system of `base_path`.
        base_path: holds the versions.
        version: the number; the next free one without it.
        overwrite: replace the version if it exists.

    Returns:
        The version's folder.

    Raises:
        ExportError: the version exists and may not be replaced, or the rename failed.
    """
    folder.chmod(0o755)
    check_version(base_path, version, overwrite=overwrite)
    while True:
        number = version or next_version(base_path)
        target = base_path / str(number)
        try:
            if overwrite and target.exists():
                with _lock(base_path):
                    return _replace(folder, target)
            folder.rename(target)
        except OSError as err:
            if version is None and target.is_dir():
                continue  # another export took the number just now
            raise ExportError(f"{target}: cannot be published: {err}") from err
        return target


def _replace(folder: Path, target: Path) -> Path:
    """Swaps in a new version; the old one is whole until it is gone from its name."""
    old = Path(tempfile.mkdtemp(prefix=_REPLACED, dir=target.parent))
    target.rename(old / target.name)
    try:
        folder.rename(target)
    except OSError:
        (old / target.name).rename(target)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
    return target


def folder_bytes(folder: Path) -> int:
    """Returns the size of all files below a folder."""
    return sum(
        (Path(parent) / name).stat().st_size
        for parent, _, names in os.walk(folder)
        for name in names
    )
