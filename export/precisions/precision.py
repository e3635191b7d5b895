"""What a precision is made of: passes over the weights, a network, tolerances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from models.config import ModelConfig
from models.layout import Arrays

if TYPE_CHECKING:
    from models.mask_rcnn import MaskRCNN


class Pass(NamedTuple):
    """A step from the weights of one network to those of another.

    Attributes:
        name: what it does, as log and errors say it: "folding ...".
        run: leaves the arrays that it is given as they are.
    """

    name: str
    run: Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Tolerances:
    """How far a served network may be from the one in its checkpoint.

    Attributes:
        feature_error: largest difference, per unit of the largest feature.
        score_error: largest difference of the scores of one instance.
        box_iou: least IoU of the boxes of one instance.
        mask_iou: least IoU of the masks of one instance, and the share of its mask
            probabilities that must agree.
        mask_prob_error: largest difference of those.
        lost_share: of the instances, those that may have no partner.
    """

    feature_error: float
    score_error: float
    box_iou: float
    mask_iou: float
    mask_prob_error: float
    lost_share: float


@dataclass(frozen=True)
class Precision:
    """A kind of numbers that a network is served in.

    Attributes:
        name: in `model_info`.
        passes: over the weights of a checkpoint, in this order.
        build: makes the network that computes with the weights after the last pass.
        tolerances: of its verification.
    """

    name: str
    passes: tuple[Pass, ...]
    build: Callable[[ModelConfig, Arrays], MaskRCNN]
    tolerances: Tolerances
