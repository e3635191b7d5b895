"""The disk that the checkpoints of a training take, told before it starts."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.engine.plan import Plan
from training.errors import TrainingError

UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class DiskNeed:
    """What the checkpoints take.

    Attributes:
        weights: bytes of a checkpoint's weights.
        state: bytes of what resuming needs; of the newest checkpoint only.
        kept: checkpoints that lie there at the end, at most.
        keep_last: newest checkpoints that are kept, None for all.
    """

    weights: int
    state: int
    kept: int
    keep_last: int | None

    @property
    def first(self) -> int:
        """Bytes of one checkpoint."""
        return self.weights + self.state

    @property
    def most(self) -> int:
        """Bytes at most, while the last checkpoint is written beside the others."""
        return (self.kept + 1) * self.weights + 2 * self.state

    def text(self, free: int) -> str:
        """Returns what to tell.

        Args:
            free: bytes that are free.
        """
        which = "all"
        if self.keep_last is not None:
            which = f"the last {self.keep_last} and the best (keep_last)"
        return (
            f"checkpoints: {size_text(self.weights)} each, kept are {which}, "
            f"{self.kept} at most; with what --resume needs up to "
            f"{size_text(self.most)} on the disk, where {size_text(free)} are free"
        )


def disk_need(
    weights: Iterable[Any], slots: Iterable[Any], plan: Plan, keep_last: int | None
) -> DiskNeed:
    """Computes what the checkpoints of a training take.

    Args:
        weights: variables of the network.
        slots: variables of the optimiser.
        plan: when checkpoints are written.
        keep_last: newest ones that are kept beside the best, None for all.
    """
    # A checkpoint is written where one is due, and where a validation may be the best.
    both = math.lcm(plan.save_every, plan.val_every)
    due = (plan.total - 1) // np.array((plan.save_every, plan.val_every, both))
    saves = int(due[0] + due[1] - due[2]) + 1
    kept = saves if keep_last is None else min(saves, keep_last + 1)
    return DiskNeed(_bytes(weights), _bytes(slots), kept, keep_last)


def check_disk(folder: Path, need: DiskNeed) -> list[str]:
    """Compares what checkpoints take with what is free.

    Args:
        folder: of the training; exists.
        need: of its checkpoints.

    Returns:
        What to tell.

    Raises:
        TrainingError: there is no room for a single checkpoint.
    """
    free = shutil.disk_usage(folder).free
    if free < need.first:
        raise TrainingError(
            f"{folder}: a checkpoint takes {size_text(need.first)} "
            f"({size_text(need.weights)} of weights, the rest is for --resume), free "
            f"are {size_text(free)}; make room, or choose another --output"
        )
    texts = [need.text(free)]
    if free < need.most:
        advice = "make room" if need.keep_last == 1 else "make room, or lower keep_last"
        texts.append(
            f"warning: {folder}: the disk may be full before the end of the training: "
            f"{advice}"
        )
    return texts


def size_text(size: float) -> str:
    """Returns "255 MB" for a number of bytes."""
    for unit in UNITS[:-1]:
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {UNITS[-1]}"


def _bytes(variables: Iterable[Any]) -> int:
    return sum(
        int(np.prod(variable.shape)) * np.dtype(variable.dtype).itemsize
        for variable in variables
    )
