"""Evaluates a detector, or a network in this process, on a set."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial

from models.mask_rcnn import MaskRCNN
from training.coco_score import CocoScorer
from training.errors import TrainingError
from training.figures import Evaluation
from training.file_dataset import FileDataset
from training.found import Detector, Picture
from training.network_detector import NetworkDetector

SCORE_THRESHOLD = 0.05
"""Average precision looks at weak detections too; COCO's figures use this bound."""
MAX_DETECTIONS = 100
"""Of a picture, as in COCO's figures."""

Tell = Callable[[int, int], None]
"""Is told after each picture how many are done, and how many there are."""

_detectors: weakref.WeakKeyDictionary[MaskRCNN, NetworkDetector] = (
    weakref.WeakKeyDictionary()
)
"""Traced graphs of the networks that are alive."""


def evaluate_network(
    network: MaskRCNN,
    dataset: FileDataset,
    tell: Tell | None = None,
) -> Evaluation:
    """Computes the figures that a deployment of a network would have on a set.

    The graph is traced at the first call for a network and used again at later ones,
    with the weights of then. Memory grows with detections, not with pixels.

    Args:
        network: its own score threshold and number of detections play no part.
        dataset: with the class ids of the network.
        tell: for a progress bar.

    Raises:
        DatasetError: a picture cannot be read.
        TrainingError: the set is empty, or has classes that the network does not have.
    """
    num_classes = network.config.architecture.num_classes
    if dataset.classes.num_classes > num_classes:
        raise TrainingError(
            f"evaluation: the network has {num_classes} classes with the background, "
            f"the set {dataset.classes.num_classes}: "
            f"{', '.join(dataset.classes.foreground)}; use the set of its training"
        )
    if network not in _detectors:
        _detectors[network] = NetworkDetector(network, SCORE_THRESHOLD, MAX_DETECTIONS)
    scorer = CocoScorer(
        dataset.classes, score_threshold=SCORE_THRESHOLD, max_detections=MAX_DETECTIONS
    )
    run_detector(_detectors[network], dataset, scorer, tell)
    return scorer.finish().evaluation


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
    "evaluate_network",
    "run_detector",
]
