"""What to change where a training is unlikely to find anything, or found nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from formats.files.left_out import counted
from training.config.groups import Sgd
from training.config.train_config import TrainConfig
from training.evaluation.scores import Evaluation

FEW_IMAGES = 1000
"""Below so many training images, SGD from random weights was not seen to learn."""
FEW_STEPS = 300
"""Below so many steps, no optimiser was seen to learn from random weights."""
CONFIG = "examples/configs/few_photos.json"
_WEIGHTS = "trained weights (--weights mask_rcnn_coco.h5)"
_ADAMW = '"optimizer": {"name": "adamw"} and "backbone": "small"'


def start_hints(
    config: TrainConfig, steps: int, images: int, *, has_weights: bool
) -> list[str]:
    """Returns what to change before a training that is unlikely to find anything.

    Args:
        config: of the training.
        steps: of the whole training.
        images: of the training set.
        has_weights: it does not start from random weights.
    """
    if has_weights:
        return []
    reasons = []
    if isinstance(config.optimizer, Sgd) and images < FEW_IMAGES:
        reasons.append(f"with SGD and {counted(images, 'image')}")
    if steps < FEW_STEPS:
        reasons.append(f"in {counted(steps, 'step')}")
    if not reasons:
        return []
    return [
        f"from random weights {' and '.join(reasons)} a network seldom finds anything: "
        f"start from {_WEIGHTS}, or from {CONFIG} ({_ADAMW}, more epochs)"
    ]


def nothing_found(evaluation: Evaluation, training: Mapping[str, Any]) -> list[str]:
    """Returns what to change where an evaluation found no object at all.

    Args:
        evaluation: its figures.
        training: `config.json` of the training that the network came from; empty where
            it is not known.
    """
    objects = sum(evaluation.objects.values())
    if not objects or evaluation.f1_score_threshold is not None:
        return []
    if not evaluation.detections:
        found = f"no detection with a score of {evaluation.score_threshold:g}"
    else:
        made = counted(evaluation.detections, "detection")
        found = f"{made}, none right at IoU 0.5"
    ways = _ways(training)
    text = f"nothing of {counted(objects, 'object')} was found ({found})"
    return [f"{text}: {'; or '.join(ways)}" if ways else text]


def _ways(training: Mapping[str, Any]) -> list[str]:
    settings, past = training.get("settings"), training.get("training")
    if not isinstance(settings, Mapping):
        return ["check that the config and the classes are those of the weights"]
    past = past if isinstance(past, Mapping) else {}
    ways = []
    if past.get("first_weights", "") is None:
        ways.append(f"train from {_WEIGHTS} in place of random ones")
    optimizer = settings.get("optimizer", {})
    if isinstance(optimizer, Mapping) and optimizer.get("name", "sgd") == "sgd":
        ways.append(f"train with {_ADAMW}, as in {CONFIG}")
    steps = past.get("step")
    if isinstance(steps, int) and steps < FEW_STEPS:
        ways.append(f"train longer than {counted(steps, 'step')} (epochs)")
    return ways or ["train longer (epochs), or on more images"]
