"""The five losses of Mask R-CNN (section 3; Faster R-CNN eq. 1, Fast R-CNN eq. 3).

Each is a mean over what was sampled, kept as a sum and a count until the counts of all
replicas are added up: a step over several devices then equals one device with the whole
batch, and gradients of replicas are summed. Equal to Matterport's losses, but for a
mean over nothing, which is 0 here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from training.learning.detection_targets import DetectionTargets

EPSILON = 1e-7
"""Keras' fuzz factor."""


class Mean(NamedTuple):
    """A mean before its division, both float32 scalars."""

    total: tf.Tensor
    count: tf.Tensor


class Means(NamedTuple):
    """The five losses before division."""

    rpn_class_loss: Mean
    rpn_bbox_loss: Mean
    mrcnn_class_loss: Mean
    mrcnn_bbox_loss: Mean
    mrcnn_mask_loss: Mean


class Losses(NamedTuple):
    """The five losses, float32 scalars, in Matterport's order and names."""

    rpn_class_loss: tf.Tensor
    rpn_bbox_loss: tf.Tensor
    mrcnn_class_loss: tf.Tensor
    mrcnn_bbox_loss: tf.Tensor
    mrcnn_mask_loss: tf.Tensor


def smooth_l1(difference: tf.Tensor) -> tf.Tensor:
    """Returns 0.5 d^2 below 1 and |d| - 0.5 above. Source: Fast R-CNN eq. (3)."""
    size = tf.abs(difference)
    return tf.where(size < 1, 0.5 * size * size, size - 0.5)


def rpn_class_loss(match: tf.Tensor, logits: tf.Tensor) -> Mean:
    """Cross entropy of object against background over the sampled anchors.

    Args:
        match: int[B, N], 1 object, -1 background, 0 not sampled.
        logits: float32[B, N, 2] (background, object).
    """
    sampled = tf.where(tf.not_equal(match, 0))  # [S, 2] (image, anchor)
    labels = tf.cast(tf.equal(tf.gather_nd(match, sampled), 1), tf.int32)  # [S]
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels, tf.gather_nd(logits, sampled)
    )
    return _mean(losses)


def rpn_bbox_loss(match: tf.Tensor, target: tf.Tensor, deltas: tf.Tensor) -> Mean:
    """Smooth L1 over the four deltas of the positive anchors.

    Args:
        match: int[B, N], 1 for positive anchors.
        target: float32[B, n, 4], of the positive anchors in their order, then zeros.
        deltas: float32[B, N, 4] as the RPN emits them.
    """
    positive = tf.equal(match, 1)
    rows = tf.where(positive)  # [P, 2] (image, anchor)
    # [B, N]: which positive of its image an anchor is.
    order = tf.cumsum(tf.cast(positive, tf.int64), axis=1, exclusive=True)
    places = tf.stack([rows[:, 0], tf.gather_nd(order, rows)], axis=1)  # [P, 2]
    wanted = tf.gather_nd(target, places)  # [P, 4]
    return _mean(smooth_l1(wanted - tf.gather_nd(deltas, rows)))


def mrcnn_class_loss(
    class_ids: tf.Tensor,
    logits: tf.Tensor,
    *,
    valid: tf.Tensor | None = None,
) -> Mean:
    """Cross entropy over the classes of the RoIs.

    Args:
        class_ids: int32[B, R] targets.
        logits: float32[B, R, C].
        valid: float32[B, R], 1 for rows that count; all without it, padding too, as in
            Matterport.
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(class_ids, logits)  # [B, R]
    weights = tf.ones_like(losses) if valid is None else valid
    return Mean(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))


def mrcnn_bbox_loss(class_ids: tf.Tensor, target: tf.Tensor, deltas: tf.Tensor) -> Mean:
    """Smooth L1 over the four deltas of the positive RoIs' own class.

    Args:
        class_ids: int32[B, R] targets, 0 for negatives.
        target: float32[B, R, 4].
        deltas: float32[B, R, C, 4] as the box head emits them.
    """
    rows = tf.where(class_ids > 0)  # [P, 2] (image, RoI)
    own = tf.cast(tf.gather_nd(class_ids, rows), tf.int64)  # [P]
    # [P, 3] (image, RoI, class) -> [P, 4]
    predicted = tf.gather_nd(deltas, tf.concat([rows, own[:, None]], axis=1))
    return _mean(smooth_l1(tf.gather_nd(target, rows) - predicted))


def mrcnn_mask_loss(target: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> Mean:
    """Binary cross entropy over the mask pixels of the positive RoIs' own class.

    As Keras 2 computes it from probabilities, bounded by `EPSILON`: a pixel adds at
    most -log(2 EPSILON) = 15.4.

    Args:
        target: float32[P, M, M], 0 or 1.
        logits: float32[P, M, M], of the RoI's own class.
        weights: float32[P, M, M], 1 where a pixel counts.

    Source: Mask R-CNN section 3, "Mask R-CNN".
    """
    probs = tf.clip_by_value(tf.sigmoid(logits), EPSILON, 1 - EPSILON)
    losses = -tf.where(
        target > 0.5, tf.math.log(probs + EPSILON), tf.math.log(1 - probs + EPSILON)
    )
    return Mean(tf.reduce_sum(losses * weights), tf.reduce_sum(weights))


def head_losses(
    targets: DetectionTargets,
    class_logits: tf.Tensor,
    box_deltas: tf.Tensor,
    *,
    count_padding: bool,
) -> tuple[Mean, Mean]:
    """Returns the class and the box loss of sampled RoIs.

    Args:
        targets: what the RoIs should predict.
        class_logits: float32[B, R, C].
        box_deltas: float32[B, R, C, 4].
        count_padding: rows past `targets.count` are learned as background.
    """
    rows = targets.class_ids.shape[1]
    valid = None if count_padding else tf.sequence_mask(targets.count, rows, tf.float32)
    return (
        mrcnn_class_loss(targets.class_ids, class_logits, valid=valid),
        mrcnn_bbox_loss(targets.class_ids, targets.deltas, box_deltas),
    )


def l2_regularisation(kernels: list[tf.Tensor], weight_decay: float) -> tf.Tensor:
    """Returns weight_decay * the sum of every array's mean square.

    Matterport divides by the size of each array, and leaves out gamma and beta; the
    caller chooses the arrays.
    """
    squares = [tf.reduce_mean(tf.square(kernel)) for kernel in kernels]
    return weight_decay * tf.add_n(squares) if squares else tf.constant(0.0)


def divide(means: Means, reduce_counts: Callable[[tf.Tensor], tf.Tensor]) -> Losses:
    """Divides sums by counts; an empty mean is 0.

    Args:
        means: sums and counts of this replica.
        reduce_counts: float32[5] counts of this replica -> of all replicas. Losses are
            then this replica's share: their sum over replicas is the loss.
    """
    counts = reduce_counts(tf.stack([mean.count for mean in means]))  # [5]
    return Losses(
        *(
            tf.math.divide_no_nan(mean.total, count)
            for mean, count in zip(means, tf.unstack(counts), strict=True)
        )
    )


def sum_over_replicas(counts: tf.Tensor) -> tf.Tensor:
    """Adds up counts over the replicas of the current strategy."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return counts
    return context.all_reduce(tf.distribute.ReduceOp.SUM, counts)


def _mean(losses: tf.Tensor) -> Mean:
    return Mean(tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32))
