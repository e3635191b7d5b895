"""Bilinear resizing, equal in every bit to what Matterport's `resize` gave.

That was `skimage.transform.resize(order=1, mode="constant", cval=0, clip=True,
preserve_range=True, anti_aliasing=False)`. Output pixel j samples input coordinate
(j + 0.5) * n_in / n_out - 0.5; outside of the input is 0, so the outermost half pixel
blends with 0; the result is clipped to the input's range. All of it in float64 and in
this order of operations, on which the last bit depends.
"""

from __future__ import annotations

import tensorflow as tf


def resize(
    image: tf.Tensor, size: tf.Tensor, rows: tf.Tensor | None = None
) -> tf.Tensor:
    """Resizes an image or a mask.

    Args:
        image: uint8 or float32[h, w, F].
        size: int32[2] (height, width) of the result, at least 1.
        rows: int32[n], the rows of the result to compute; all without it.

    Returns:
        float64[height or n, width, F] within the range of `image`.
    """
    source = tf.shape(image)
    rows = tf.range(size[0]) if rows is None else rows  # [n]
    top, fraction_y = _taps(rows, source[0], size[0])  # [n] each
    left, fraction_x = _taps(tf.range(size[1]), source[1], size[1])  # [width] each
    fraction_y = fraction_y[:, None, None]  # [n, 1, 1]
    fraction_x = fraction_x[None, :, None]  # [1, width, 1]
    padded = tf.pad(image, [[1, 1], [1, 1], [0, 0]])  # [h + 2, w + 2, F]
    # [n, w + 2, F] each, then [n, width, F].
    upper = tf.cast(tf.gather(padded, top), tf.float64) * (1 - fraction_y)
    lower = tf.cast(tf.gather(padded, top + 1), tf.float64) * fraction_y
    resized = (
        tf.gather(upper, left, axis=1) * (1 - fraction_x)
        + tf.gather(upper, left + 1, axis=1) * fraction_x
        + tf.gather(lower, left, axis=1) * (1 - fraction_x)
        + tf.gather(lower, left + 1, axis=1) * fraction_x
    )
    low = tf.cast(tf.reduce_min(image), tf.float64)
    high = tf.cast(tf.reduce_max(image), tf.float64)
    return tf.clip_by_value(resized, low, high)


def _taps(
    outputs: tf.Tensor, n_in: tf.Tensor, n_out: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the inputs of output pixels: first index and weight of the second.

    The index counts in the padded input; the second input is the next one.
    """
    ratio = tf.cast(n_in, tf.float64) / tf.cast(n_out, tf.float64)
    position = (tf.cast(outputs, tf.float64) + 0.5) * ratio - 0.5
    first = tf.floor(position)
    return tf.cast(first, tf.int32) + 1, position - first
