"""Boxes: their frames, deltas and overlaps, Matterport's geometry.

Overlaps and encoding take boxes of any one frame. They have twins in numpy, in which
the threads of the input pipeline compute; tests/unit/models/test_boxes.py holds each to
its twin. The client, which may not know this package, compares whole pixels in
`client.rect`.

`boxes_norm` are float32 (y1, x1, y2, x2) with y_norm = y / (H - 1) for the first corner
and (y - 1) / (H - 1) for the second, likewise for x: pixel 0 is 0, and a box over the
whole canvas ends at 1. Heights and widths are plain differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

Floats = np.ndarray[Any, np.dtype[np.float64]]

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


def encode_deltas(boxes: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Inverse of `decode_deltas`.

    Args:
        boxes: float[N, 4] yxyx.
        targets: float[N, 4] yxyx, same frame.

    Returns:
        float[N, 4] (dy, dx, log_h, log_w) that move and scale `boxes` to `targets`.

    Source: Faster R-CNN eq. (2).
    """
    shift, scale = _shift_and_scale(boxes, targets)
    return tf.concat([shift, tf.math.log(scale)], axis=1)


def numpy_encode_deltas(boxes: Floats, targets: Floats) -> Floats:
    """`encode_deltas` in numpy."""
    shift, scale = _shift_and_scale(boxes, targets)
    return np.concatenate([shift, np.log(scale)], axis=1)


def _shift_and_scale(boxes: Any, targets: Any) -> tuple[Any, Any]:
    """Returns [N, 2] each: how far off targets lie and how large they are, in sizes."""
    size, target_size = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    center = boxes[:, :2] + 0.5 * size
    target_center = targets[:, :2] + 0.5 * target_size
    return (target_center - center) / size, target_size / size


def iou(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns the overlaps of boxes with others.

    Args:
        boxes: float[K, 4] yxyx.
        others: float[G, 4] yxyx, same frame.

    Returns:
        float[K, G], intersection over union; 0 for two boxes without area.
    """
    y1, x1, y2, x2 = tf.split(boxes, 4, axis=1)  # [K, 1]
    oy1, ox1, oy2, ox2 = tf.unstack(others, axis=1)  # [G]
    height = tf.minimum(y2, oy2) - tf.maximum(y1, oy1)  # [K, G]
    width = tf.minimum(x2, ox2) - tf.maximum(x1, ox1)
    intersection = tf.maximum(width, 0) * tf.maximum(height, 0)
    union = (y2 - y1) * (x2 - x1) + (oy2 - oy1) * (ox2 - ox1) - intersection
    return tf.math.divide_no_nan(intersection, union)


def numpy_iou(boxes: Floats, others: Floats) -> Floats:
    """`iou` in numpy."""
    y1, x1, y2, x2 = boxes.T[:, :, None]  # [K, 1]
    oy1, ox1, oy2, ox2 = others.T  # [G]
    height = np.minimum(y2, oy2) - np.maximum(y1, oy1)  # [K, G]
    width = np.minimum(x2, ox2) - np.maximum(x1, ox1)
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    union = (y2 - y1) * (x2 - x1) + (oy2 - oy1) * (ox2 - ox1) - intersection
    none = np.zeros_like(intersection)
    return np.divide(intersection, union, out=none, where=union != 0)


def clip(boxes: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
    """Clips boxes to a window of the same frame.

    Args:
        boxes: float32[..., 4] yxyx.
        window: float32[..., 4] yxyx, broadcast against `boxes`.
    """
    low = tf.concat([window[..., :2], window[..., :2]], axis=-1)  # y1 x1 y1 x1
    high = tf.concat([window[..., 2:], window[..., 2:]], axis=-1)  # y2 x2 y2 x2
    return tf.maximum(tf.minimum(boxes, high), low)
