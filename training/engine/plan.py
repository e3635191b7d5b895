"""When a training steps, validates and saves."""

from __future__ import annotations

from dataclasses import dataclass

from training.config.train_config import TrainConfig
from training.errors import TrainingError


@dataclass(frozen=True)
class Plan:
    """Steps of a training.

    Attributes:
        per_epoch: steps of an epoch; what does not fill a step is left out.
        total: steps of the whole training.
        val_every: steps between validations.
        save_every: steps between checkpoints.
    """

    per_epoch: int
    total: int
    val_every: int
    save_every: int

    def is_due(self, step: int, every: int) -> bool:
        """Says whether something is due after so many steps; at the end all is."""
        return step % every == 0 or step == self.total


def make_plan(config: TrainConfig, samples: int, replicas: int) -> Plan:
    """Returns the steps of a training.

    Raises:
        TrainingError: there are fewer samples than one step takes.
    """
    step_size = config.batch_size.train * replicas
    if step_size > samples:
        raise TrainingError(
            f"batch_size.train: a step takes {config.batch_size.train} pictures on "
            f"each of {replicas} devices, the training set has {samples}"
        )
    per_epoch = samples // step_size
    return Plan(
        per_epoch,
        per_epoch * config.epochs,
        max(1, round(config.val_every * per_epoch)),
        max(1, round(config.save_every * per_epoch)),
    )
