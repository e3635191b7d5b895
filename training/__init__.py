"""Training of a Mask R-CNN: `train`, and `evaluate` for what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.datasets.data_formats import labelled_data
    from training.detectors.model import DetectionLimits
    from training.detectors.sources import ModelFolder, ModelServer, Weights
    from training.engine.run import TrainingResult, train
    from training.evaluation.evaluate import evaluate

_PLACES = {
    "DetectionLimits": "training.detectors.model",
    "ModelFolder": "training.detectors.sources",
    "ModelServer": "training.detectors.sources",
    "TrainingResult": "training.engine.run",
    "Weights": "training.detectors.sources",
    "evaluate": "training.evaluation.evaluate",
    "labelled_data": "training.datasets.data_formats",
    "train": "training.engine.run",
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, as reading data needs no TensorFlow."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)


__all__ = [
    "DetectionLimits",
    "ModelFolder",
    "ModelServer",
    "TrainingResult",
    "Weights",
    "evaluate",
    "labelled_data",
    "train",
]
