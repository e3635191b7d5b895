"""Shows every picture of a set to a detector, and a scorer what it found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from training.datasets.dataset import FileDataset
from training.detectors.detector import Detector, Picture
from training.errors import TrainingError
from training.evaluation.coco_score import CocoScorer

SCORE_THRESHOLD = 0.05
"""Average precision looks at weak detections too; COCO's figures use this bound."""
MAX_DETECTIONS = 100
"""Of a picture, as in COCO's figures."""

Tell = Callable[[int, int], None]
"""Is told after each picture how many are done, and how many there are."""


def run_detector(
    detector: Detector,
    dataset: FileDataset,
    scorer: CocoScorer,
    tell: Tell | None = None,
) -> None:
    """Shows every picture of a set to a detector.

    Args:
        detector: finds instances.
        dataset: in whose order the pictures come.
        scorer: is given what was found.
        tell: for a progress bar.

    Raises:
        DatasetError: a picture cannot be read.
        TrainingError: the set is empty.
    """
    if not len(dataset):
        raise TrainingError("evaluation: expected a set of pictures, got an empty one")
    for index in range(len(dataset)):
        sample = dataset[index]
        picture = Picture(
            name=dataset.locate(index),
            size=sample.size,
            pixels=sample.read_image,
            encoded=partial(dataset.encoded, index),
        )
        scorer.add(sample, detector(picture))
        if tell is not None:
            tell(index + 1, len(dataset))


__all__ = [
    "MAX_DETECTIONS",
    "SCORE_THRESHOLD",
    "Tell",
    "run_detector",
]
