"""`config.json` of a checkpoint: what was trained, on which classes.

Its first three keys are Supervisely's; `model` holds the network in Matterport's
constants, so that an export needs nothing else, and `training` tells the epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from formats.checkpoint_config import find_config
from formats.errors import ConfigFileError
from formats.json_file import read_json
from formats.quoted import quoted
from models.matterport_config import to_matterport
from training.config.train_config import TrainConfig
from training.datasets.classes import ClassMap
from training.errors import TrainingError


def checkpoint_config(config: TrainConfig, classes: ClassMap) -> dict[str, Any]:
    """Returns what the `config.json` of all checkpoints of a training have in common.

    Raises:
        TrainConfigError: no network can be built of the config.
    """
    return {
        "settings": config.settings(),
        **classes.to_json(),
        "model": to_matterport(config.network(classes.num_classes)),
    }


def training_entry(
    epoch: float, step: int, initial_weights: Path | None
) -> dict[str, Any]:
    """Returns the entry of `config.json` that tells how a checkpoint came about.

    Args:
        epoch: passes over the training set so far, a fraction.
        step: steps so far.
        initial_weights: what the training began with; None for random weights.
    """
    name = None if initial_weights is None else str(initial_weights)
    return {"training": {"epoch": round(epoch, 4), "step": step, "first_weights": name}}


def earlier_config(weights: Path) -> dict[str, Any] | None:
    """Reads the `config.json` beside a weight file or one folder up.

    Returns:
        Its content, or None where there is none.

    Raises:
        TrainingError: it is there, but not readable.
    """
    path = find_config(weights)
    if path is None:
        return None
    try:
        content = read_json(path)
    except ConfigFileError as err:
        raise TrainingError(str(err)) from err
    if not isinstance(content, dict):
        raise TrainingError(f"{path}: expected an object, got {quoted(content)}")
    return content
