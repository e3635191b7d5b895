"""Pools features of boxes from the pyramid level that fits their size.

Matterport's form of RoIAlign: one bilinear sample per bin at corner-aligned positions,
as `tf.image.crop_and_resize` takes them, outside of the map 0. FPN eq. (1) picks the
level.
"""

from __future__ import annotations

import tensorflow as tf

POOLED_LEVELS = ("P2", "P3", "P4", "P5")
CANONICAL_SIDE_PX = 224.0
"""Side of the boxes that belong to P4: that of the ImageNet images of a ResNet."""


def assign_levels(boxes_norm: tf.Tensor, canvas_size: tf.Tensor) -> tf.Tensor:
    """Returns int32[R]: the level 2..5 of each of float32[R, 4] boxes.

    A box without area belongs to level 2. Source: FPN eq. (1), rounded half to even.
    """
    y1, x1, y2, x2 = tf.unstack(boxes_norm, axis=-1)  # [R] each
    area = tf.cast(canvas_size[0] * canvas_size[1], tf.float32)
    side = tf.sqrt((y2 - y1) * (x2 - x1))
    octave = tf.math.log(side / (CANONICAL_SIDE_PX / tf.sqrt(area))) / tf.math.log(2.0)
    # log(0) = -inf has no int32; any very small number clips to level 2 as well.
    octave = tf.maximum(octave, -100.0)
    return tf.clip_by_value(4 + tf.cast(tf.round(octave), tf.int32), 2, 5)


def roi_align(
    pyramid: dict[str, tf.Tensor],
    boxes_norm: tf.Tensor,
    image_indices: tf.Tensor,
    canvas_size: tf.Tensor,
    side: int,
) -> tf.Tensor:
    """Pools every box from its level.

    Args:
        pyramid: "P2".."P5", each float32 or bfloat16[B, h, w, F].
        boxes_norm: float32[R, 4].
        image_indices: int32[R], the image of each box.
        canvas_size: int32[2] (height, width) of the canvas, pixels.
        side: cells per side of the pooled features.

    Returns:
        float32[R, side, side, F], in the order of the boxes.
    """
    levels = assign_levels(boxes_norm, canvas_size)  # [R]
    pooled, order = [], []
    for number, level in enumerate(POOLED_LEVELS, start=2):
        rows = tf.where(tf.equal(levels, number))[:, 0]  # [r] of R
        pooled.append(
            tf.image.crop_and_resize(
                tf.cast(pyramid[level], tf.float32),  # it takes no bfloat16
                tf.gather(boxes_norm, rows),
                tf.gather(image_indices, rows),
                (side, side),
            )
        )
        order.append(rows)
    inverse = tf.math.invert_permutation(tf.concat(order, axis=0))  # [R]
    return tf.gather(tf.concat(pooled, axis=0), inverse)
