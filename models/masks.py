"""Mask probabilities in the frame of a box to pixels of the image.

Matterport's `unmold_mask`: resize to the box rounded to whole pixels, cut at 0.5.
"""

from __future__ import annotations

import tensorflow as tf

from models.resize import resize

MASK_THRESHOLD = 0.5
BAND_PIXELS = 1 << 20
"""Masks are drawn in bands of so many pixels: resizing takes 50 bytes for each."""


def round_boxes(boxes: tf.Tensor) -> tf.Tensor:
    """Rounds float32[..., 4] pixel boxes half-to-even to int32."""
    return tf.cast(tf.round(boxes), tf.int32)


def to_box(mask_probs: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Draws a mask at the size of its box.

    Args:
        mask_probs: float32[M, M].
        size: int32[2] (height, width) of the rounded box, at least 1.

    Returns:
        bool[height, width].
    """
    height, width = size[0], size[1]
    band = tf.maximum(BAND_PIXELS // width, 1)

    def draw(rows: tf.Tensor) -> tf.Tensor:
        resized = resize(mask_probs[:, :, None], size, rows)  # [n, width, 1]
        return tf.cast(resized[:, :, 0], tf.float32) >= MASK_THRESHOLD

    def draw_bands() -> tf.Tensor:
        bands = tf.map_fn(  # [bands, band, width]
            lambda start: draw(tf.minimum(start + tf.range(band), height - 1)),
            tf.range(0, height, band),
            fn_output_signature=tf.TensorSpec((None, None), tf.bool),
            parallel_iterations=1,
        )
        return tf.reshape(bands, (-1, width))[:height]

    return tf.cond(height <= band, lambda: draw(tf.range(height)), draw_bands)
