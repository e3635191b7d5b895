"""Boxes in the normalised canvas frame, Matterport's geometry.

`boxes_norm` are float32 (y1, x1, y2, x2) with y_norm = y / (H - 1) for the first corner
and (y - 1) / (H - 1) for the second, likewise for x: pixel 0 is 0, and a box over the
whole canvas ends at 1. Heights and widths are plain differences.
"""

from __future__ import annotations

import tensorflow as tf

SHIFT = (0.0, 0.0, 1.0, 1.0)
"""Pixels that the second corner lies outside: half-open there, closed normalised."""


def to_norm(boxes: tf.Tensor, size: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Normalises pixel boxes.

    Args:
        boxes: number[..., 4] yxyx pixels of an image of `size`.
        size: int[2] (height, width), pixels.
        dtype: type of the arithmetic.

    Returns:
        float32[..., 4] boxes_norm.
    """
    scale = _scale(size, dtype)
    return tf.cast(
        (tf.cast(boxes, dtype) - tf.constant(SHIFT, dtype)) / scale, tf.float32
    )


def to_pixels(boxes_norm: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Inverse of `to_norm`, computed in float64 as numpy does for integer sizes.

    Args:
        boxes_norm: float32[..., 4].
        size: int[2] (height, width), pixels.

    Returns:
        float64[..., 4] yxyx pixels, not rounded.
    """
    scale = _scale(size, tf.float64)
    return tf.cast(boxes_norm, tf.float64) * scale + tf.constant(SHIFT, tf.float64)


def _scale(size: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    size = tf.cast(size, dtype) - 1
    return tf.concat([size, size], axis=0)  # [4]


def decode_deltas(boxes_norm: tf.Tensor, deltas: tf.Tensor) -> tf.Tensor:
    """Moves and scales boxes by predicted deltas.

    Args:
        boxes_norm: float32[..., 4].
        deltas: float32[..., 4] (dy, dx, log_h, log_w), already times their standard
            deviations.

    Returns:
        float32[..., 4] boxes_norm, not clipped.

    Source: Faster R-CNN eq. (2).
    """
    y1, x1, y2, x2 = tf.unstack(boxes_norm, axis=-1)  # [...] each
    dy, dx, log_h, log_w = tf.unstack(deltas, axis=-1)  # [...] each
    height = y2 - y1
    width = x2 - x1
    center_y = y1 + 0.5 * height + dy * height
    center_x = x1 + 0.5 * width + dx * width
    height *= tf.exp(log_h)
    width *= tf.exp(log_w)
    y1 = center_y - 0.5 * height
    x1 = center_x - 0.5 * width
    return tf.stack([y1, x1, y1 + height, x1 + width], axis=-1)  # [..., 4]


def clip(boxes: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Clips boxes to a window of the same frame.

    Args:
        boxes: float32[..., 4] yxyx.
        window: float32[..., 4] yxyx, broadcast against `boxes`.
    """
    low = tf.concat([window[..., :2], window[..., :2]], axis=-1)  # y1 x1 y1 x1
    high = tf.concat([window[..., 2:], window[..., 2:]], axis=-1)  # y2 x2 y2 x2
    return tf.maximum(tf.minimum(boxes, high), low)
