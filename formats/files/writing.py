"""What cannot be written, in words for the user."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

_FULL = (errno.ENOSPC, errno.EDQUOT)
_RESOURCE_EXHAUSTED = 8
"""Code of TensorFlow's error where a disk is full."""


@contextlib.contextmanager
def writing(
    what: object,
    error: type[Exception],
    advice: str = "",
    *,
    when_full: str = "",
    also: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turns what keeps a block from writing into an error for the user.

    Args:
        what: begin of its text, before the reason: the path.
        error: its class.
        advice: end of its text: what to do.
        when_full: the same where a disk is full, if it differs.
        also: exceptions beside OSError that tell of files: TensorFlow's.
    """
    told: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except told as err:
        end = (_is_full(err) and when_full) or advice
        raise error(f"{what}: {_reason(err)}{end and f'; {end}'}") from err


def _is_full(err: Exception) -> bool:
    if isinstance(err, OSError):
        return err.errno in _FULL
    return getattr(err, "error_code", None) == _RESOURCE_EXHAUSTED


def _reason(err: Exception) -> str:
    if isinstance(err, OSError):
        return err.strerror or str(err)
    # TensorFlow's has the path before the reason, and may have a node's name after it.
    first_line = str(getattr(err, "message", err)).partition("\n")[0]
    return first_line.rpartition("; ")[2]
