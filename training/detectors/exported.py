"""A model of the serving contract as a detector, whoever runs its signatures.

Its answers are read as a client reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from client import ClientError, ImageError, Result
from formats.supervisely.meta import BITMAP, ClassMeta
from serving.contract import ModelInfo
from training.datasets.classes import ClassMap
from training.detectors.detector import DetectorImage, EvaluatedDetections, to_coco_mask
from training.detectors.model import DetectionLimits
from training.errors import DatasetError, TrainingError


class ExportedDetector:
    """Shows images to an exported model, one at a time."""

    def __init__(
        self, predict: Callable[[DetectorImage], Result], version: int | None
    ) -> None:
        """Asks nothing yet.

        Args:
            predict: asks the model; what it raises are `ClientError`s, or already
                `TrainingError`s.
            version: the version that is evaluated.
        """
        self._predict = predict
        self._version = version

    def __call__(self, image: DetectorImage) -> EvaluatedDetections:
        """Finds the instances of an image.

        Raises:
            DatasetError: the image cannot be read, or is not of its annotation's
                size.
            TrainingError: no answer, one that does not keep the contract, or one of
                another version.
        """
        try:
            result = self._predict(image)
            if result.image_size != image.size:
                raise DatasetError([_other_size(image, result.image_size)])
            instances = result.instances
            masks = tuple(to_coco_mask(one.crop, image.size) for one in instances)
        except ImageError as err:
            raise DatasetError([f"{image.name}: {err}"]) from err
        except ClientError as err:
            raise TrainingError(f"{image.name}: {err}") from err
        if result.model_version != self._version:
            raise TrainingError(
                f"{image.name}: version {result.model_version} of the model "
                f"answered, the pictures before were version {self._version}'s; name "
                "one with --model-version"
            )
        return EvaluatedDetections(
            result.boxes,
            np.array([one.class_id for one in instances], np.int32),
            result.scores,
            masks,
        )


def _other_size(image: DetectorImage, seen: tuple[int, int]) -> str:
    return (
        f"{image.name}: the model saw {seen[1]} x {seen[0]} pixels, its annotation "
        f"is for {image.size[1]} x {image.size[0]}"
    )


def exported_classes(info: ModelInfo) -> ClassMap:
    """Returns the classes of an exported model."""
    return ClassMap(
        tuple(ClassMeta(c.title, BITMAP, c.color) for c in info.classes),
        {c.title: c.id for c in info.classes},
    )


def check_exported(name: str, info: ModelInfo, limits: DetectionLimits) -> None:
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
