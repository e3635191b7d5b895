"""How much of a box lies on pixels that training must ignore.

`neutral` maps are uint8[H, W] of the canvas, 1 where nothing is known. The share is
exact for boxes with fractional corners: pixels are squares, and the part of a pixel
inside the box counts by its area. Only the part of a box inside the canvas counts, so
an anchor over the border is judged by what can be seen of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from models import boxes as box_ops

MAX_NEUTRAL_SHARE = 0.5
"""An anchor or RoI with a larger share on neutral pixels is never a negative."""

Array = np.ndarray[Any, Any]


def neutral_share(boxes: Array, neutral: Array) -> Array:
    """Returns the share of boxes that lies on neutral pixels.

    Args:
        boxes: float64[N, 4] yxyx canvas pixels; they may reach beyond the canvas.
        neutral: uint8[H, W], 1 on neutral pixels.

    Returns:
        float64[N], 0..1; 0 for boxes without area inside the canvas.
    """
    height, width = neutral.shape
    sums = np.zeros((height + 1, width + 1), np.float64)
    sums[1:, 1:] = np.cumsum(np.cumsum(neutral, 0, np.float64), 1)
    ys = np.clip(boxes[:, [0, 2]], 0, height)
    xs = np.clip(boxes[:, [1, 3]], 0, width)

    def below(y: Array, x: Array) -> Array:
        """Neutral area between the canvas' corner and (y, x)."""
        y0 = np.minimum(y.astype(np.int64), height - 1)
        x0 = np.minimum(x.astype(np.int64), width - 1)
        fy, fx = y - y0, x - x0
        upper = sums[y0, x0] * (1 - fx) + sums[y0, x0 + 1] * fx
        lower = sums[y0 + 1, x0] * (1 - fx) + sums[y0 + 1, x0 + 1] * fx
        return upper * (1 - fy) + lower * fy

    covered = (
        below(ys[:, 1], xs[:, 1])
        - below(ys[:, 0], xs[:, 1])
        - below(ys[:, 1], xs[:, 0])
        + below(ys[:, 0], xs[:, 0])
    )
    area = (ys[:, 1] - ys[:, 0]) * (xs[:, 1] - xs[:, 0])
    return np.divide(covered, area, out=np.zeros_like(area), where=area > 0)


def neutral_share_norm(boxes_norm: tf.Tensor, neutral: tf.Tensor) -> tf.Tensor:
    """`neutral_share` in the graph, for boxes in the normalised frame.

    Args:
        boxes_norm: float32[K, 4], canvas frame.
        neutral: uint8[H, W], 1 on neutral pixels.

    Returns:
        float64[K], 0..1; 0 for boxes without area.
    """
    size = tf.shape(neutral)
    limit = tf.cast(tf.concat([size, size], axis=0), tf.float64)
    boxes = box_ops.to_pixels(tf.stop_gradient(boxes_norm), size)
    y1, x1, y2, x2 = tf.unstack(tf.clip_by_value(boxes, 0, limit), axis=-1)
    sums = tf.cumsum(tf.cumsum(tf.cast(neutral, tf.float64), axis=0), axis=1)
    sums = tf.pad(sums, [[1, 0], [1, 0]])

    def below(y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        y0 = tf.minimum(tf.cast(y, tf.int32), size[0] - 1)
        x0 = tf.minimum(tf.cast(x, tf.int32), size[1] - 1)
        fy, fx = y - tf.cast(y0, tf.float64), x - tf.cast(x0, tf.float64)

        def at(dy: int, dx: int) -> tf.Tensor:
            return tf.gather_nd(sums, tf.stack([y0 + dy, x0 + dx], axis=-1))

        upper = at(0, 0) * (1 - fx) + at(0, 1) * fx
        lower = at(1, 0) * (1 - fx) + at(1, 1) * fx
        return upper * (1 - fy) + lower * fy

    covered = below(y2, x2) - below(y1, x2) - below(y2, x1) + below(y1, x1)
    return tf.math.divide_no_nan(covered, tf.maximum((y2 - y1) * (x2 - x1), 0))
