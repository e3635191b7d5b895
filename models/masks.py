"""Mask probabilities in the frame of a box to pixels of the picture.

Matterport's `unmold_mask`: resize to the box rounded to whole pixels, cut at 0.5.
"""

from __future__ import annotations

import tensorflow as tf

from models.resize import resize

MASK_THRESHOLD = 0.5


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
    resized = resize(mask_probs[:, :, None], size)[:, :, 0]
    return tf.cast(resized, tf.float32) >= MASK_THRESHOLD
