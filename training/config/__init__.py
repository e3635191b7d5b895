"""The train config."""

from training.config.train_config import TrainConfig, read_config

__all__ = ["TrainConfig", "read_config"]
