"""A checkpoint as a candidate: its network runs in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from formats.config import load_config
from formats.errors import ConfigError
from formats.json_file import read_json
from formats.meta import BITMAP, ClassMeta
from formats.palette import distinct_color
from models.checkpoint import inspect_checkpoint, load_network, sha256
from models.errors import ModelConfigError, WeightsError
from models.matterport_config import from_matterport
from training.candidate import Candidate, Limits
from training.checkpoint_config import CONFIG_NAME, earlier_config
from training.checkpoints import WEIGHTS
from training.classes import ClassMap
from training.errors import TrainingError
from training.network_detector import NetworkDetector


class _Size(BaseModel):
    min_dim: int = Field(ge=1)
    max_dim: int = Field(ge=1)


class _Special(BaseModel):
    neutral: str | None = None


class _Settings(BaseModel):
    input_size: _Size
    special_classes: _Special = _Special()


class _Class(BaseModel):
    title: str
    color: str | None = None


class _Config(BaseModel):
    """The part of a checkpoint's `config.json` that an evaluation reads."""

    model_config = ConfigDict(frozen=True)

    settings: _Settings
    classes: tuple[_Class, ...] = ()
    class_title_to_idx: dict[str, int]
    model: dict[str, Any] = Field(default_factory=dict)


def open_checkpoint(
    weights: Path, config: Path | None, neutral: str | None, limits: Limits
) -> Candidate:
    """Loads a checkpoint.

    Args:
        weights: Keras or Matterport weight file, or a checkpoint's folder as a training
            writes it.
        config: its `config.json`; beside it or one folder up without it.
        neutral: title of what the set marks as not to be looked at; the config's
            without it.
        limits: which detections are wanted; the checkpoint's own play no part.

    Raises:
        TrainingError: it cannot be read, or its config is missing or another one's.
    """
    if weights.is_dir():
        weights /= WEIGHTS
    try:
        checkpoint = inspect_checkpoint(weights)
        where, content = _read_config(weights, config)
        read = load_config(content, _Config, name=where)
        size = read.settings.input_size
        constants = {
            "IMAGE_MIN_DIM": size.min_dim,
            "IMAGE_MAX_DIM": size.max_dim,
            **read.model,
        }
        model = from_matterport(constants, checkpoint.architecture)
        classes = _classes(read, neutral)
        expected = checkpoint.architecture.num_classes
        if classes.num_classes != expected:
            raise TrainingError(
                f"{where}: class_title_to_idx has ids up to "
                f"{classes.num_classes - 1}, the weights {weights} have {expected} "
                f"classes (ids 0 to {expected - 1}); name the config that was saved "
                "with the weights with --config"
            )
        network, _ = load_network(weights, model)
    except (ConfigError, ModelConfigError, WeightsError) as err:
        raise TrainingError(str(err)) from err
    return Candidate(
        NetworkDetector(network, limits.score_threshold, limits.max_detections),
        classes,
        {"kind": "checkpoint", "file": str(weights), "sha256": sha256(weights)},
    )


def _read_config(weights: Path, config: Path | None) -> tuple[str, dict[str, Any]]:
    """Returns what messages call the config, and its content.

    Raises:
        ConfigError: it is not readable.
        TrainingError: there is none, or it does not name the classes.
    """
    content: Any
    if config is None:
        where, content = f"{CONFIG_NAME} of {weights}", earlier_config(weights)
    else:
        where, content = str(config), read_json(config)
    if not isinstance(content, dict) or "class_title_to_idx" not in content:
        found = "none" if content is None else "one without class_title_to_idx"
        raise TrainingError(
            f"{weights}: expected its {CONFIG_NAME}, which names the classes, got "
            f"{found}; name it with --config, or export the weights (python -m export "
            "--score-threshold) and evaluate that with --model"
        )
    return where, content


def _classes(config: _Config, neutral: str | None) -> ClassMap:
    ids = config.class_title_to_idx
    colors = {c.title: c.color for c in config.classes if c.color}
    return ClassMap(
        tuple(
            ClassMeta(title, BITMAP, colors.get(title) or distinct_color(class_id))
            for title, class_id in ids.items()
        ),
        ids,
        neutral or config.settings.special_classes.neutral,
    )


__all__ = ["open_checkpoint"]
