"""A checkpoint as an evaluated model: its network runs in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from formats.errors import ConfigFileError
from models.checkpoint import inspect_checkpoint, load_network, sha256
from models.errors import ModelConfigError, WeightsError
from models.weight_path import find_weights
from training.detectors.model import DetectionLimits, EvaluatedModel
from training.detectors.model_config import read_model_config
from training.detectors.network import NetworkDetector
from training.errors import TrainingError


def open_checkpoint(
    weights: Path,
    config: Path | None,
    titles: Sequence[str] | None,
    limits: DetectionLimits,
) -> EvaluatedModel:
    """Loads what `Weights` describes; its own limits play no part.

    Raises:
        TrainingError: it cannot be read, or its config is missing or another one's.
    """
    try:
        weights = find_weights(weights)
        checkpoint = inspect_checkpoint(weights)
        read = read_model_config(
            weights,
            checkpoint.architecture,
            config=config,
            titles=titles,
        )
        network, _ = load_network(weights, read.model)
    except (ConfigFileError, ModelConfigError) as err:
        name = weights if config is None else config
        text = str(err)
        raise TrainingError(text if str(name) in text else f"{name}: {text}") from err
    except WeightsError as err:
        raise TrainingError(str(err)) from err
    return EvaluatedModel(
        NetworkDetector(network, limits),
        read.classes,
        {"kind": "checkpoint", "file": str(weights), "sha256": sha256(weights)},
        notes=read.notes,
        training=read.content,
    )
