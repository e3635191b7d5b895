"""The checkpoints of a training on disk.

    <output>/checkpoints/00000000/config.json              as Supervisely's plugin wrote
    <output>/checkpoints/00000000/model_weights/model.h5   Matterport's layout
    <output>/checkpoints/00000003/training_state.npz       what resuming needs
    <output>/checkpoints/best -> 00000002
    <output>/checkpoints/last -> 00000003

A checkpoint appears under its number by one rename, after all of it is on the disk; so
one that is there is whole, whenever the process ends. Only the newest keeps its
training state, which is as large as the weights or twice that.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from formats.checkpoint_config import CONFIG_NAME
from models.checkpoint import save_weights
from models.mask_rcnn import MaskRCNN
from models.weight_path import CHECKPOINT_WEIGHTS
from training.errors import TrainingError
from training.weights.writing import writing_output

FOLDER = "checkpoints"
WEIGHTS = CHECKPOINT_WEIGHTS
STATE = "training_state.npz"
BEST, LAST = "best", "last"
_DIGITS = 8
_PARTIAL = ".partial-"

Array = np.ndarray[Any, Any]


class Checkpoints:
    """The checkpoints of one training.

    Attributes:
        folder: where they lie.
    """

    def __init__(self, output: Path, keep_last: int | None = None) -> None:
        """Names the folder; nothing is written yet.

        Args:
            output: of the training.
            keep_last: how many of the newest are kept, beside the best; None keeps all.
        """
        self.folder = output / FOLDER
        self._keep_last = keep_last

    def numbers(self) -> list[int]:
        """Returns the numbers of the checkpoints, ascending."""
        if not self.folder.is_dir():
            return []
        return sorted(
            int(path.name)
            for path in self.folder.iterdir()
            if path.name.isdecimal() and len(path.name) == _DIGITS
        )

    def next_number(self) -> int:
        """Returns the number that the next checkpoint will have."""
        numbers = self.numbers()
        return numbers[-1] + 1 if numbers else 0

    def path(self, number: int) -> Path:
        """Returns the folder of a checkpoint."""
        return self.folder / f"{number:0{_DIGITS}}"

    def save(
        self,
        network: MaskRCNN,
        config: Mapping[str, Any],
        state: Mapping[str, Any],
        *,
        is_best: bool,
    ) -> Path:
        """Writes the next checkpoint.

        Args:
            network: its weights.
            config: content of config.json.
            state: name -> array, what resuming needs.
            is_best: none was better.

        Returns:
            Its folder.

        Raises:
            TrainingError: it cannot be written, as on a full disk; the checkpoints
                before it are untouched.
        """
        target = self.path(self.next_number())
        with writing_output(target):
            self._save(target, network, config, state, is_best=is_best)
        return target

    def read_state(self, number: int) -> dict[str, Array]:
        """Reads what resuming needs.

        Raises:
            TrainingError: it is not there, or damaged.
        """
        path = self.path(number) / STATE
        try:
            with path.open("rb") as opened, np.load(opened) as file:
                return {name: file[name] for name in file.files}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as err:
            raise TrainingError(
                f"{path}: cannot be read: {err}; remove the checkpoint "
                f"{self.path(number).name} to begin anew, or continue from its weights"
            ) from err

    def remove_partial(self) -> None:
        """Makes the folder, without what an earlier process left half-written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(path)

    def restore_links(self, best: int | None) -> None:
        """Points best and last where they belong, whatever a kill left of them."""
        self._point(LAST, self.path(self.numbers()[-1]).name)
        if best is not None:
            self._point(BEST, self.path(best).name)

    def _save(
        self,
        target: Path,
        network: MaskRCNN,
        config: Mapping[str, Any],
        state: Mapping[str, Any],
        *,
        is_best: bool,
    ) -> None:
        partial = self.folder / f"{_PARTIAL}{target.name}"
        try:
            self.remove_partial()
            (partial / WEIGHTS.parent).mkdir(parents=True)
            save_weights(network, partial / WEIGHTS)
            _write(partial / CONFIG_NAME, json.dumps(config, indent=1).encode())
            with (partial / STATE).open("wb") as file:
                np.savez(file, allow_pickle=False, **state)
                file.flush()
                os.fsync(file.fileno())
            for folder in (partial / WEIGHTS.parent, partial):
                _sync(folder)
            partial.rename(target)
            _sync(self.folder)
            self._point(LAST, target.name)
            if is_best:
                self._point(BEST, target.name)
            self._prune(target)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def _point(self, name: str, target: str) -> None:
        link = self.folder / f".{name}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        link.replace(self.folder / name)

    def _prune(self, newest: Path) -> None:
        numbers = self.numbers()
        for number in numbers:
            if self.path(number) != newest:
                (self.path(number) / STATE).unlink(missing_ok=True)
        if self._keep_last is None:
            return
        best = self.folder / BEST
        kept = {best.readlink().name} if best.is_symlink() else set()
        for number in numbers[: -self._keep_last]:
            path = self.path(number)
            if path.name not in kept:
                # Its name goes first, so that half of it is never taken for the whole.
                gone = self.folder / f"{_PARTIAL}{path.name}"
                path.rename(gone)
                shutil.rmtree(gone)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
