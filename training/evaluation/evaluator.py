"""Shows every image of a set to a detector, and a scorer what it found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from training.datasets.dataset import FileDataset
from training.detectors.detector import Detector, DetectorImage
from training.detectors.model import DetectionLimits
from training.errors import TrainingError
from training.evaluation.coco_score import CocoScorer

Tell = Callable[[int, int], None]
"""Is told after each image how many are done, and how many there are."""


def run_detector(
    detector: Detector,
    dataset: FileDataset,
    limits: DetectionLimits,
    tell: Tell | None = None,
) -> CocoScorer:
    """Shows every image of a set to a detector.

    Args:
        detector: finds instances.
        dataset: in whose order the images come.
        limits: which detections count.
        tell: for a progress bar.

    Returns:
        What was to find and what was found, ready to be scored.

    Raises:
        DatasetError: an image cannot be read.
        TrainingError: the set is empty.
    """
    if not len(dataset):
        raise TrainingError("evaluation: expected a set of pictures, got an empty one")
    scorer = CocoScorer(dataset.classes, limits)
    for index in range(len(dataset)):
        sample = dataset[index]
        image = DetectorImage(
            name=dataset.locate(index),
            size=sample.size,
            pixels=sample.read_image,
            encoded=partial(dataset.encoded, index),
        )
        scorer.add(sample, detector(image))
        if tell is not None:
            tell(index + 1, len(dataset))
    return scorer
