"""Trainings in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.shapes_project import train_config
from training.engine.run import TrainingResult, train


def running_config(**changes: Any) -> dict[str, Any]:
    """Returns a config that leaves the operations of this process as they are."""
    return train_config(deterministic=False, **changes)


def run_training(
    shapes: Path, output: Path, changes: dict[str, Any] | None = None, **arguments: Any
) -> TrainingResult:
    """Trains on the CPU; `changes` go into the config."""
    arguments = {"project": shapes, "output": output, "device": "cpu"} | arguments
    return train(running_config(**(changes or {})), **arguments)
