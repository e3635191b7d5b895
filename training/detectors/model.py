"""What is evaluated: a detector with its classes, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.datasets.classes import ClassMap
from training.detectors.detector import Detector
from training.errors import TrainingError


def _nothing_to_close() -> None:
    pass


@dataclass(frozen=True)
class EvaluatedModel:
    """A model to evaluate, behind its detector.

    Attributes:
        detector: runs it.
        classes: that it knows.
        description: JSON values that tell which one it is.
        close: frees what the detector holds.
        notes: what had to be assumed of it, one text each.
        training: `config.json` of the training it came from; empty if unknown.
    """

    detector: Detector
    classes: ClassMap
    description: Mapping[str, Any]
    close: Callable[[], None] = _nothing_to_close
    notes: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DetectionLimits:
    """Which detections are scored; the defaults are those of COCO's figures.

    Attributes:
        score_threshold: those below are left out, 0..1; average precision looks at
            weak ones too.
        max_detections: of an image, at least 1; the best ones count.
    """

    score_threshold: float = 0.05
    max_detections: int = 100

    def __post_init__(self) -> None:
        """Refuses limits that no network can have.

        Raises:
            TrainingError: names the limit.
        """
        if not 0 <= self.score_threshold <= 1:
            raise TrainingError(
                "score_threshold: expected a number from 0 to 1, got "
                f"{self.score_threshold}"
            )
        if self.max_detections < 1:
            raise TrainingError(
                "max_detections: expected a whole number of at least 1, got "
                f"{self.max_detections}"
            )


COCO_LIMITS = DetectionLimits()
