"""What a training tells as it runs: `metrics.csv`, TensorBoard and `curves.png`."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from formats.files.atomic_file import replaced_file
from training.errors import TrainingError
from training.learning.losses import Losses
from training.weights.writing import writing_output

CSV_NAME = "metrics.csv"
TENSORBOARD = "tensorboard"
COLUMNS = (
    "step",
    "epoch",
    "split",
    "loss",
    *Losses._fields,
    "l2",
    "lr",
    "gradient_norm",
    "mask_ap",
    "mask_ap50",
    "box_ap",
    "seconds",
    "data_wait",
)
"""`epoch` is a fraction; `seconds` since the start, earlier processes included;
`data_wait` the share of them that the loop waited for batches."""

Row = Mapping[str, float | str]


class Metrics:
    """Writes rows as they come; rows of a resumed training follow those before."""

    def __init__(self, output: Path, step: int) -> None:
        """Opens the files.

        Args:
            output: of the training.
            step: rows of later steps, which are to be run again, are taken out.

        Raises:
            TrainingError: the file there is none of ours, or cannot be written.
        """
        self._path = output / CSV_NAME
        rows = read_rows(self._path) if self._path.exists() else []
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        writer.writerows(row for row in rows if int(row["step"]) <= step)
        with writing_output(self._path), replaced_file(self._path) as file:
            file.write(text.getvalue().encode())
        self._tensorboard = output / TENSORBOARD
        with writing_output(self._tensorboard):
            self._events = tf.summary.create_file_writer(str(self._tensorboard))
        with writing_output(self._path):
            self._file = self._path.open("a", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, COLUMNS)

    def close(self) -> None:
        """Closes the files; what could not be written was told by `add` or `flush`."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(tf.errors.OpError):
            self._events.close()

    def add(self, row: Row) -> None:
        """Adds a row; columns that are not given stay empty.

        Raises:
            TrainingError: the file cannot be written.
        """
        text = {name: _text(value) for name, value in row.items()}
        with writing_output(self._path):
            self._writer.writerow(text)
            self._file.flush()
        with (
            writing_output(self._tensorboard),
            self._events.as_default(step=int(row["step"])),
        ):
            for name, value in row.items():
                if name not in ("step", "split"):
                    tf.summary.scalar(f"{name}/{row['split']}", float(value))

    def flush(self) -> None:
        """Puts everything on the disk.

        Raises:
            TrainingError: it cannot be written.
        """
        with writing_output(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
        with writing_output(self._tensorboard):
            self._events.flush()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Reads `metrics.csv`; a last line that a kill cut off is left out.

    Raises:
        TrainingError: it cannot be read, or has other columns.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise TrainingError(f"{path}: cannot be read: {err}") from err
    whole = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise TrainingError(
            f"{path}: expected the columns {', '.join(COLUMNS)}; got "
            f"{', '.join(reader.fieldnames or ()) or 'none'}; move the file away"
        )
    rows = list(reader)
    for line, row in enumerate(rows, start=2):
        if not (row["step"] or "").isdecimal() or row["data_wait"] is None:
            raise TrainingError(
                f"{path}: line {line}: expected a row of {len(COLUMNS)} values, got "
                f"{','.join(map(str, row.values()))!r:.60}; move the file away"
            )
    return rows


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
