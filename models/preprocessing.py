"""Images to network input: resize, pad, take the mean off.

The one definition, for training and serving: TensorFlow ops that run in a graph or
eagerly, byte-equal to Matterport's `resize_image` and `mold_image`.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from models import boxes as box_ops
from models.config import ModelConfig
from models.resize import resize

NONE_MULTIPLE = 32
"""Sides that the pyramid's levels fit together at, where nothing pads an image."""


class Letterbox(NamedTuple):
    """Where an image lies on its canvas.

    Attributes:
        image_size: int32[2] (height, width) of the original.
        resized_size: int32[2], after resizing, before padding.
        canvas_size: int32[2], after padding.
        window: int32[4] yxyx canvas pixels, the resized image inside the padding.
    """

    image_size: tf.Tensor
    resized_size: tf.Tensor
    canvas_size: tf.Tensor
    window: tf.Tensor


def letterbox(image_size: tf.Tensor, config: ModelConfig) -> Letterbox:
    """Plans how an image of a size is put on its canvas.

    Args:
        image_size: int32[2] (height, width) of the original, at least 1.
        config: resize_mode, min_dim, max_dim, min_scale.

    Returns:
        The plan; no side of the resized image falls below 1 pixel.
    """
    image_size = tf.convert_to_tensor(image_size, tf.int32)
    if config.resize_mode == "none":
        fits = tf.debugging.Assert(
            tf.reduce_all(image_size % NONE_MULTIPLE == 0),
            [
                "resize mode none: expected sides that are multiples of "
                f"{NONE_MULTIPLE}, got height x width",
                image_size,
            ],
        )
        with tf.control_dependencies([] if fits is None else [fits]):
            image_size = tf.identity(image_size)
        window = tf.concat([tf.zeros((2,), tf.int32), image_size], axis=0)  # [4]
        return Letterbox(image_size, image_size, image_size, window)
    size = tf.cast(image_size, tf.float64)
    scale = tf.constant(1.0, tf.float64)
    if config.min_dim:
        scale = tf.maximum(scale, config.min_dim / tf.reduce_min(size))
    if config.min_scale:
        scale = tf.maximum(scale, config.min_scale)
    if config.resize_mode == "square":
        longest = tf.reduce_max(size)
        too_long = tf.round(longest * scale) > config.max_dim
        scale = tf.where(too_long, config.max_dim / longest, scale)
    resized_size = tf.cast(tf.maximum(tf.round(size * scale), 1), tf.int32)
    if config.resize_mode == "square":
        canvas_size = tf.constant((config.max_dim, config.max_dim))
    else:
        canvas_size = -(-resized_size // 64) * 64
    offset = (canvas_size - resized_size) // 2  # [2]
    window = tf.concat([offset, offset + resized_size], axis=0)  # [4]
    return Letterbox(image_size, resized_size, canvas_size, window)


def to_canvas(image: tf.Tensor, box: Letterbox) -> tf.Tensor:
    """Resizes and pads an image.

    Args:
        image: uint8[h, w, 3] RGB.
        box: plan for its size.

    Returns:
        uint8[H, W, 3]; resized values are truncated, padding is 0.
    """
    resized = tf.cast(resize(image, box.resized_size), tf.uint8)  # [h', w', 3]
    before = box.window[:2]
    after = box.canvas_size - box.window[2:]
    paddings = tf.stack([before, after], axis=1)  # [2, 2]
    return tf.pad(resized, tf.concat([paddings, [[0, 0]]], axis=0))  # [H, W, 3]


def subtract_mean(canvas: tf.Tensor, config: ModelConfig) -> tf.Tensor:
    """Returns float32 `canvas` minus the mean pixel; padding becomes -mean.

    Args:
        canvas: uint8[..., 3] RGB.
        config: mean_pixel.
    """
    mean = tf.constant(config.mean_pixel, tf.float64)
    return tf.cast(tf.cast(canvas, tf.float64) - mean, tf.float32)


def to_image_frame(boxes_norm: tf.Tensor, box: Letterbox) -> tf.Tensor:
    """Maps boxes from the canvas back to the original image.

    Args:
        boxes_norm: float32[D, 4], canvas frame, inside the window.
        box: plan of their image.

    Returns:
        float32[D, 4] yxyx pixels of the original, half-open, not rounded.
    """
    window = box_ops.to_norm(box.window, box.canvas_size, tf.float64)
    shift = tf.concat([window[:2], window[:2]], axis=0)  # [4] y1 x1 y1 x1
    extent = tf.tile(window[2:] - window[:2], (2,))  # [4] h w h w
    # A side resized to one pixel has no extent: a box is as long as that side.
    whole = tf.constant(box_ops.SHIFT)
    inside = tf.where(extent > 0, (boxes_norm - shift) / extent, whole)
    boxes = box_ops.to_pixels(inside, box.image_size)
    # Noise of the last bit must not leave the image.
    size = tf.cast(tf.concat([box.image_size, box.image_size], axis=0), tf.float64)
    return tf.cast(tf.clip_by_value(boxes, 0, size), tf.float32)
