"""Reads regular files of bounded size, and nothing that could block or never end."""

from __future__ import annotations

import os
import stat

from formats.errors import FormatError

MAX_FILE_BYTES = 2**30
"""Largest image file that is read."""
MAX_JSON_BYTES = 2**28
"""Largest annotation of one image, and largest meta, that is read."""


def read_regular(
    path: str, most: int = MAX_FILE_BYTES, *, start: bool = False
) -> bytes:
    """Reads a file.

    Args:
        path: the file; links are followed.
        most: bytes that it may have.
        start: read so many bytes, and no more, of a file of any size.

    Raises:
        FormatError: it cannot be read, is a pipe or a device, or is too large.
    """
    try:
        # A pipe that nobody writes to would be waited for without O_NONBLOCK.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(number, "rb") as file:
            found = os.fstat(number)
            is_file = stat.S_ISREG(found.st_mode)
            fits = start or found.st_size <= most
            # No more than is there, as so much memory is taken.
            count = min(most, found.st_size) + (not start)
            data = file.read(count) if is_file and fits else b""
    except (OSError, ValueError) as err:  # such as a NUL in the path
        reason = getattr(err, "strerror", None) or err
        raise FormatError(f"{path}: {reason}") from err
    if not is_file:
        raise FormatError(f"{path}: expected a file, got a folder or a device")
    if not start:
        check_bytes(max(found.st_size, len(data)), path, most)
    return data


def check_bytes(size_bytes: int, name: str, most: int) -> None:
    """Checks that a file is not too large to be read.

    Raises:
        FormatError: it is.
    """
    if size_bytes > most:
        raise FormatError(
            f"{name}: expected a file of at most {most:,} bytes, got {size_bytes:,}"
        )
