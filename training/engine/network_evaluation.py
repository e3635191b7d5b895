"""Evaluates a network in this process on a set, as its deployment would do."""

from __future__ import annotations

import weakref

from models.mask_rcnn import MaskRCNN
from training.datasets.dataset import FileDataset
from training.detectors.model import COCO_LIMITS
from training.detectors.network import NetworkDetector
from training.errors import TrainingError
from training.evaluation.evaluator import Tell, run_detector
from training.evaluation.scores import Evaluation

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
        DatasetError: an image cannot be read.
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
        _detectors[network] = NetworkDetector(network, COCO_LIMITS)
    scorer = run_detector(_detectors[network], dataset, COCO_LIMITS, tell)
    return scorer.finish().evaluation
