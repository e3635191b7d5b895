"""Anchors and RPN outputs to proposals (Faster R-CNN section 3.1, FPN section 4.1)."""

from __future__ import annotations

import tensorflow as tf

from models import boxes as box_ops
from models.config import ModelConfig


def proposals(
    objectness: tf.Tensor, deltas: tf.Tensor, anchors: tf.Tensor, config: ModelConfig
) -> tf.Tensor:
    """Picks the boxes that are likely to hold an object.

    All levels compete in one top-k and one NMS; there is no minimum size.

    Args:
        objectness: float32[B, N] foreground probability.
        deltas: float32[B, N, 4] as the RPN emits them.
        anchors: float32[N, 4] boxes_norm.
        config: limits and thresholds.

    Returns:
        float32[B, K, 4] boxes_norm within 0..1, K = post_nms_top_k, best first, rows
        past the last proposal zero.
    """
    top_k = tf.minimum(config.pre_nms_top_k, tf.shape(anchors)[0])
    scores, indices = tf.math.top_k(objectness, top_k)  # [B, k]
    deltas = tf.gather(deltas, indices, batch_dims=1) * tf.constant(
        config.rpn_delta_std, tf.float32
    )
    decoded = box_ops.decode_deltas(tf.gather(anchors, indices), deltas)  # [B, k, 4]
    decoded = box_ops.clip(decoded, tf.constant((0.0, 0.0, 1.0, 1.0)))

    def keep(image: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image_boxes, image_scores = image  # [k, 4], [k]
        kept = tf.image.non_max_suppression(
            image_boxes,
            image_scores,
            config.post_nms_top_k,
            iou_threshold=config.rpn_iou_threshold,
        )
        rows = tf.gather(image_boxes, kept)  # [at most K, 4]
        missing = config.post_nms_top_k - tf.shape(rows)[0]
        return tf.ensure_shape(
            tf.pad(rows, [[0, missing], [0, 0]]), (config.post_nms_top_k, 4)
        )

    spec = tf.TensorSpec((config.post_nms_top_k, 4), tf.float32)
    return tf.map_fn(keep, (decoded, scores), fn_output_signature=spec)  # [B, K, 4]
