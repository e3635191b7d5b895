"""Classified proposals to detections: refine, clip, threshold, NMS per class.

Faster R-CNN section 3.2, in the order of Matterport: boxes are clipped before NMS, and
masks are predicted afterwards on the refined boxes.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from models import boxes as box_ops
from models.config import ModelConfig


class Detections(NamedTuple):
    """Detections of a batch, best first, rows at and past `count` zero.

    Attributes:
        boxes_norm: float32[B, D, 4], canvas frame.
        class_ids: int32[B, D], 1..C-1.
        scores: float32[B, D], 0..1, descending.
        count: int32[B].
    """

    boxes_norm: tf.Tensor
    class_ids: tf.Tensor
    scores: tf.Tensor
    count: tf.Tensor


def detections(
    rois: tf.Tensor,
    class_probs: tf.Tensor,
    box_deltas: tf.Tensor,
    windows_norm: tf.Tensor,
    config: ModelConfig,
) -> Detections:
    """Turns classified proposals into detections.

    Args:
        rois: float32[B, K, 4] boxes_norm.
        class_probs: float32[B, K, C].
        box_deltas: float32[B, K, C, 4] as the box head emits them.
        windows_norm: float32[B, 4] boxes_norm of the image inside the canvas.
        config: limits and thresholds.
    """
    class_ids = tf.argmax(class_probs, axis=-1, output_type=tf.int32)  # [B, K]
    scores = tf.gather(class_probs, class_ids, batch_dims=2)  # [B, K]
    deltas = tf.gather(box_deltas, class_ids, batch_dims=2)  # [B, K, 4]
    deltas *= tf.constant(config.delta_std, tf.float32)
    refined = box_ops.decode_deltas(rois, deltas)  # [B, K, 4]
    refined = box_ops.clip(refined, windows_norm[:, None, :])
    rows = config.max_detections
    spec = Detections(
        tf.TensorSpec((rows, 4), tf.float32),
        tf.TensorSpec((rows,), tf.int32),
        tf.TensorSpec((rows,), tf.float32),
        tf.TensorSpec((), tf.int32),
    )
    return tf.map_fn(
        lambda image: _select(*image, config=config),
        (refined, class_ids, scores),
        fn_output_signature=spec,
    )


def _select(
    boxes: tf.Tensor, class_ids: tf.Tensor, scores: tf.Tensor, *, config: ModelConfig
) -> Detections:
    candidate = (class_ids > 0) & (scores >= config.score_threshold)  # bool[K]
    rows = tf.where(candidate)[:, 0]  # [R] of K
    boxes, class_ids, scores = (tf.gather(x, rows) for x in (boxes, class_ids, scores))

    # In row order, so that equal scores keep the proposals' order in the top-k below.
    kept = tf.where(_nms_per_class(boxes, class_ids, scores, config))[:, 0]  # of R
    scores = tf.gather(scores, kept)
    count = tf.minimum(tf.shape(scores)[0], config.max_detections)
    scores, best = tf.math.top_k(scores, count)  # [count] of kept
    rows = tf.gather(kept, best)  # [count] of R

    def pad(x: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
        missing = [[0, config.max_detections - count]] + [[0, 0]] * (len(shape) - 1)
        return tf.ensure_shape(tf.pad(x, missing), shape)

    rows_max = config.max_detections
    return Detections(
        pad(tf.gather(boxes, rows), (rows_max, 4)),
        pad(tf.gather(class_ids, rows), (rows_max,)),
        pad(scores, (rows_max,)),
        count,
    )


def _nms_per_class(
    boxes: tf.Tensor, class_ids: tf.Tensor, scores: tf.Tensor, config: ModelConfig
) -> tf.Tensor:
    """Returns bool[R]: which rows survive the NMS of their own class."""
    limit = config.max_detections

    def keep(class_id: tf.Tensor) -> tf.Tensor:
        rows = tf.where(tf.equal(class_ids, class_id))[:, 0]  # of R
        kept = tf.image.non_max_suppression(
            tf.gather(boxes, rows),
            tf.gather(scores, rows),
            limit,
            iou_threshold=config.iou_threshold,
        )
        missing = [[0, limit - tf.shape(kept)[0]]]
        survivors = tf.pad(tf.gather(rows, kept), missing, constant_values=-1)  # [D]
        # Of no class at all a graph stacks results only when it knows their size.
        return tf.ensure_shape(survivors, (limit,))

    kept = tf.map_fn(
        keep,
        tf.unique(class_ids).y,
        fn_output_signature=tf.TensorSpec((limit,), tf.int64),
    )
    kept = tf.boolean_mask(kept, kept >= 0)[:, None]  # [survivors, 1]
    counts = tf.scatter_nd(
        kept, tf.ones_like(kept[:, 0]), tf.shape(class_ids, out_type=tf.int64)
    )
    return counts > 0
