"""What to evaluate: the files and addresses that a user names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.datasets.labelled_data import FilePath
from training.detectors.model import Candidate, Limits
from training.errors import TrainingError


@dataclass(frozen=True)
class Network:
    """Where the network is: one of `weights`, `model` and `server`.

    Attributes:
        weights: checkpoint.
        config: its `config.json`, or Matterport's constants as flat JSON, where that is
            not beside it or one folder up.
        model: SavedModel, a version's folder or the base path of versions.
        server: host and gRPC port of a running server.
        model_name: of the model on the server.
        model_version: of the model on the server or under the base path.
        neutral: title of what the set marks as not to be looked at; a checkpoint's
            config names it.
        classes: class names of the checkpoint in id order, in place of its config's.
    """

    weights: FilePath | None = None
    config: FilePath | None = None
    model: FilePath | None = None
    server: str | None = None
    model_name: str = "mask_rcnn"
    model_version: int | None = None
    neutral: str | None = None
    classes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Refuses what does not name one network.

        Raises:
            TrainingError: names what is there and what is expected.
        """
        _expect_one("weights, model and server", self.weights, self.model, self.server)
        if self.weights is not None:
            return
        for name in ("config", "classes"):
            if getattr(self, name) is not None:
                raise TrainingError(
                    f"{name}: goes with weights; an exported model has its own, leave "
                    f"--{name} out"
                )

    def open(self, limits: Limits) -> Candidate:
        """Loads the network, or connects to it.

        Raises:
            TrainingError: it is not there, not readable, or its own limits leave out
                what is wanted.
        """
        if self.weights is not None:
            from training.detectors.checkpoint import open_checkpoint

            config = None if self.config is None else Path(self.config)
            weights = Path(self.weights)
            return open_checkpoint(weights, config, self.neutral, limits, self.classes)
        if self.model is not None:
            from training.detectors.saved_model import open_saved_model

            path = Path(self.model)
            return open_saved_model(path, self.model_version, self.neutral, limits)
        from training.detectors.server import open_server

        address = str(self.server)
        return open_server(
            address, self.model_name, self.model_version, self.neutral, limits
        )


def _expect_one(names: str, *values: Any) -> None:
    given = [value for value in values if value is not None]
    if len(given) != 1:
        raise TrainingError(
            f"expected one of {names}, got "
            f"{' and '.join(map(str, given)) if given else 'none'}"
        )


__all__ = ["FilePath", "Network"]
