"""Files of a training that cannot be written, in words for the user."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import tensorflow as tf

from formats.files import writing as files
from formats.files.atomic_file import make_folder
from training.errors import TrainingError

_WHOLE = "checkpoints that are there are whole"


def writing_output(path: Path) -> AbstractContextManager[None]:
    """Turns what keeps a block from writing a file into an error of the training.

    Raises:
        TrainingError: the file cannot be written, as on a full disk.
    """
    return files.writing(
        f"{path}: cannot be written",
        TrainingError,
        f"check --output; {_WHOLE}",
        when_full=f"make room and go on with --resume; {_WHOLE}",
        also=(tf.errors.OpError,),
    )


def make_output(folder: Path) -> None:
    """Makes the folder of a training, before anything is computed.

    Raises:
        TrainingError: nothing can be written there.
    """
    with writing_output(folder):
        make_folder(folder)
