"""What can be evaluated: where a model is, and the one way to open it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from training.detectors.model import DetectionLimits, EvaluatedModel
from training.errors import TrainingError


@dataclass(frozen=True)
class Weights:
    """A checkpoint; its network runs in this process.

    Attributes:
        path: Keras or Matterport weight file, the folder of a checkpoint, or that of a
            training, whose best checkpoint counts.
        config: its `config.json`, or Matterport's constants as flat JSON, where that is
            not beside it or one folder up.
        classes: class names in id order, in place of its config's.
    """

    path: str | PathLike[str]
    config: str | PathLike[str] | None = None
    classes: Sequence[str] | None = None


@dataclass(frozen=True)
class ModelFolder:
    """A SavedModel of the serving contract; it runs in this process.

    Attributes:
        path: folder of a version, or the base path that holds versions.
        version: the one to take of a base path; the latest without it.
    """

    path: str | PathLike[str]
    version: int | None = None


@dataclass(frozen=True)
class ModelServer:
    """A model on a running server.

    Attributes:
        address: host and gRPC port.
        name: the model's name on the server.
        version: the version to ask, the server's choice without it.
    """

    address: str
    name: str = "mask_rcnn"
    version: int | None = None


ModelSource = Weights | ModelFolder | ModelServer


def open_model(
    source: ModelSource, limits: DetectionLimits, *, neutral: str | None = None
) -> EvaluatedModel:
    """Loads a model, or connects to it.

    Args:
        source: where it is.
        limits: which detections are wanted.
        neutral: title of what the set marks as not to be looked at; a checkpoint's
            config names it without that.

    Raises:
        TrainingError: it is not there, not readable, or its own limits leave out what
            is wanted.
    """
    opened = _opened(source, limits)
    if not neutral:
        return opened
    return replace(opened, classes=replace(opened.classes, neutral=neutral))


def _opened(source: ModelSource, limits: DetectionLimits) -> EvaluatedModel:
    match source:
        case Weights(path, config, titles):
            from training.detectors.checkpoint import open_checkpoint

            named = None if config is None else Path(config)
            return open_checkpoint(Path(path), named, titles, limits)
        case ModelFolder(path, version):
            from training.detectors.saved_model import open_saved_model

            return open_saved_model(Path(path), version, limits)
        case ModelServer(address, name, version):
            from training.detectors.server import open_server

            return open_server(address, name, version, limits)
    raise TrainingError(
        f"model: expected Weights, ModelFolder or ModelServer, got {source!r}"
    )
