"""What comes out of a training step."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from training.learning.detection_targets import DetectionTargets
from training.learning.losses import Losses


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
        mask_rows: int64[Q, 2] (image, RoI) of `mask_logits`; one row that is no
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
