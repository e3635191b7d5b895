"""Mask R-CNN on Keras 3 with TensorFlow, its weights and its preprocessing."""

from models.architecture import Architecture, preset
from models.checkpoint import (
    Checkpoint,
    inspect_checkpoint,
    load_network,
    load_weights,
    save_weights,
)
from models.config import ModelConfig
from models.errors import ModelConfigError, WeightsError
from models.matterport_config import from_matterport

__all__ = [
    "Architecture",
    "Checkpoint",
    "ModelConfig",
    "ModelConfigError",
    "WeightsError",
    "from_matterport",
    "inspect_checkpoint",
    "load_network",
    "load_weights",
    "preset",
    "save_weights",
]
