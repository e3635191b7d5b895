"""What can be evaluated: a detector with its classes, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from formats.supervisely.meta import BITMAP, ClassMeta
from serving.contract import ModelInfo
from training.datasets.classes import ClassMap
from training.detectors.detector import Detector
from training.errors import TrainingError


def _nothing_to_close() -> None:
    pass


@dataclass(frozen=True)
class Candidate:
    """A network to evaluate.

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
class Limits:
    """Which detections are scored.

    Attributes:
        score_threshold: those below are left out, 0..1.
        max_detections: of a picture, at least 1.
    """

    score_threshold: float
    max_detections: int

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


def exported_classes(info: ModelInfo, neutral: str | None) -> ClassMap:
    """Returns the classes of an exported model.

    Args:
        info: what the model says of itself.
        neutral: title of what the set marks as not to be looked at.
    """
    return ClassMap(
        tuple(ClassMeta(c.title, BITMAP, c.color) for c in info.classes),
        {c.title: c.id for c in info.classes},
        neutral,
    )


def check_exported(name: str, info: ModelInfo, limits: Limits) -> None:
    """Checks that an exported model can answer what is asked.

    Raises:
        TrainingError: the limits of the model leave out detections that are asked for.
    """
    problems = []
    # In JSON and in the graph the threshold is a number of another precision.
    if info.score_threshold > limits.score_threshold + 1e-6:
        problems.append(
            f"it leaves out detections below score {info.score_threshold:g}, asked for "
            f"are those from {limits.score_threshold:g} on; evaluate it with "
            f"--score-threshold {info.score_threshold:g}, or export it anew with "
            f"--score-threshold {limits.score_threshold:g}"
        )
    if info.max_detections < limits.max_detections:
        problems.append(
            f"it returns at most {info.max_detections} detections of a picture, asked "
            f"for are {limits.max_detections}; evaluate it with --max-detections "
            f"{info.max_detections}, or export it anew with --max-detections "
            f"{limits.max_detections}"
        )
    if problems:
        raise TrainingError("\n".join(f"{name}: {problem}" for problem in problems))


def describe_exported(info: ModelInfo, version: int | None) -> dict[str, Any]:
    """Returns JSON values that tell which exported model it is."""
    return {
        "name": info.name,
        "version": version,
        "created": info.created,
        "precision": info.precision,
        "checkpoint": dict(info.checkpoint),
    }


__all__ = [
    "Candidate",
    "Limits",
    "check_exported",
    "describe_exported",
    "exported_classes",
]
