"""Inference modes: which parts of a picture a model sees, and what becomes of them.

A mode is pure: it sees a picture and something that detects, no server and no file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from client.answer import Detections
from client.image import Picture
from client.result import Instance
from client.selection import Selection


class Predictor(Protocol):
    """What a mode needs of a model."""

    def detect(self, picture: Picture) -> Detections:
        """Returns what the model finds, in the frame of this picture."""


class Mode(Protocol):
    """What every mode offers."""

    @property
    def selection(self) -> Selection:
        """Which detections are kept, and their names."""

    def run(self, picture: Picture, predictor: Predictor) -> tuple[Instance, ...]:
        """Returns the instances of a picture, in its frame."""


@dataclass(frozen=True)
class FullImage:
    """The model sees the picture as a whole."""

    selection: Selection = field(default_factory=Selection)

    def run(self, picture: Picture, predictor: Predictor) -> tuple[Instance, ...]:
        """Returns the instances of a picture, in its frame."""
        return self.selection.instances(predictor.detect(picture))


__all__ = ["FullImage", "Mode", "Predictor"]
