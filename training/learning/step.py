"""What decides a training step, and what comes out of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from training.learning.detection_targets import DetectionTargets, RoiSampling
from training.learning.losses import Losses


@dataclass(frozen=True)
class StepOptions:
    """How a step learns; defaults are Matterport's.

    Attributes:
        proposals: POST_NMS_ROIS_TRAINING, kept per picture.
        sampling: which of them the heads learn from.
        stop_target_gradients: True cuts the box loss off from the RPN's deltas.
        train_bn: True learns the statistics of batch normalisation, over all replicas;
            False keeps them, which needs weights that come with sound ones.
        bn_momentum: share of the old statistics that a step keeps.
        weight_decay: factor of the L2 term; 0 where the optimiser decays the weights.
    """

    proposals: int = 2000
    sampling: RoiSampling = dataclasses.field(default_factory=RoiSampling)
    stop_target_gradients: bool = False
    train_bn: bool = False
    bn_momentum: float = 0.99
    weight_decay: float = 1e-4


class Forward(NamedTuple):
    """What the network says of a batch in training.

    Attributes:
        objectness_logits: float32[B, N, 2] (background, object).
        anchor_deltas: float32[B, N, 4].
        proposals: float32[B, K, 4] boxes_norm.
        targets: the sampled RoIs with what they should predict.
        class_logits: float32[B, R, C].
        box_deltas: float32[B, R, C, 4].
        mask_logits: float32[Q, M, M], of the own class of the positive RoIs.
        mask_rows: int64[Q, 2] (picture, RoI) of `mask_logits`; one row that is no
            positive stands in where there are none.
    """

    objectness_logits: tf.Tensor
    anchor_deltas: tf.Tensor
    proposals: tf.Tensor
    targets: DetectionTargets
    class_logits: tf.Tensor
    box_deltas: tf.Tensor
    mask_logits: tf.Tensor
    mask_rows: tf.Tensor


class StepResult(NamedTuple):
    """Losses and gradients of one replica, already divided by the global counts.

    Attributes:
        losses: five float32 scalars.
        total: float32 scalar, sum of the losses, without the L2 term.
        l2: float32 scalar.
        gradients: of total + l2, one per trainable variable, zeros where none flows.
    """

    losses: Losses
    total: tf.Tensor
    l2: tf.Tensor
    gradients: list[tf.Tensor]


__all__ = ["Forward", "StepOptions", "StepResult"]
