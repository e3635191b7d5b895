"""Files of a training that cannot be written, in words for the user."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from formats.files.atomic_file import make_folder
from training.errors import TrainingError


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what keeps a block from writing a file into an error of the training.

    Raises:
        TrainingError: the file cannot be written, as on a full disk.
    """
    try:
        yield
    except OSError as err:
        is_full = err.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = err.strerror or str(err)
        raise TrainingError(_text(path, reason, is_full=is_full)) from err
    except tf.errors.OpError as err:
        is_full = isinstance(err, tf.errors.ResourceExhaustedError)
        reason = err.message.partition("\n")[0].rpartition("; ")[2]
        raise TrainingError(_text(path, reason, is_full=is_full)) from err


def make_output(folder: Path) -> None:
    """Makes the folder of a training, before anything is computed.

    Raises:
        TrainingError: nothing can be written there.
    """
    with writing(folder):
        make_folder(folder)


def _text(path: Path, reason: str, *, is_full: bool) -> str:
    advice = "make room and go on with --resume" if is_full else "check --output"
    return (
        f"{path}: cannot be written: {reason}; {advice}; checkpoints that are there "
        "are whole"
    )


__all__ = ["make_output", "writing"]
