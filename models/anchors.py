"""Anchors of the five pyramid levels (Faster R-CNN section 3.1.1, FPN section 4.1).

Order: level, row, column, aspect ratio. Centres lie at multiples of the stride, without
the half-stride that other implementations add.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from models import boxes as box_ops
from models.config import STRIDES, ModelConfig


def anchors_px(config: ModelConfig, canvas_size: tf.Tensor) -> tf.Tensor:
    """Returns the anchors of a canvas in pixels.

    Args:
        config: scales, aspect ratios and stride.
        canvas_size: int32[2] (height, width).

    Returns:
        float64[N, 4] yxyx canvas pixels; they may reach beyond the canvas.
    """
    levels = [
        _level_anchors(config, canvas_size, scale, stride)
        for scale, stride in zip(config.anchor_scales, STRIDES, strict=True)
    ]
    return tf.concat(levels, axis=0)  # [N, 4]


def anchors_norm(config: ModelConfig, canvas_size: tf.Tensor) -> tf.Tensor:
    """Returns `anchors_px` as float32[N, 4] boxes_norm, float64 until the last cast."""
    return box_ops.to_norm(anchors_px(config, canvas_size), canvas_size, tf.float64)


def _level_anchors(
    config: ModelConfig, canvas_size: tf.Tensor, scale: float, stride: int
) -> tf.Tensor:
    root = np.sqrt(np.asarray(config.anchor_aspect_ratios, np.float64))
    half_sizes = 0.5 * np.stack([scale / root, scale * root], axis=-1)  # [A, 2]
    cells = tf.cast(tf.math.ceil(canvas_size / stride), tf.int32)
    ys = tf.range(0, cells[0], config.anchor_stride) * stride  # [rows]
    xs = tf.range(0, cells[1], config.anchor_stride) * stride  # [cols]
    grid = tf.stack(tf.meshgrid(ys, xs, indexing="ij"), axis=-1)  # [rows, cols, 2]
    centers = tf.cast(grid, tf.float64)[:, :, None, :]  # [rows, cols, 1, 2]
    low, high = centers - half_sizes, centers + half_sizes  # [rows, cols, A, 2]
    corners = tf.concat([low, high], axis=-1)  # [rows, cols, A, 4]
    return tf.reshape(corners, (-1, 4))  # [rows cols A, 4]
