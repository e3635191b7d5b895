"""What one training step takes."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Batch(NamedTuple):
    """Images of one canvas size with their objects; one replica's share of a step.

    Attributes:
        images: float32[B, H, W, 3] RGB minus the mean pixel; H and W multiples of 64.
        windows: int32[B, 4] yxyx canvas pixels, the image inside the padding.
        gt_class_ids: int32[B, G], 1..C-1, negative for crowds, 0 for padding.
        gt_boxes: float32[B, G, 4] yxyx canvas pixels, half-open.
        gt_masks: bool or uint8[B, G, m, m], mini masks in the frame of their box.
        rpn_match: int8[B, N], see `training.pipeline.rpn_targets`.
        rpn_deltas: float32[B, A, 4], see `training.pipeline.rpn_targets`.
        seeds: int32[B, 2], decide which RoIs an image is learned from; they belong to
            the image and the step, so that replicas and restarts draw the same.
        neutral: uint8[B, H, W], 1 on canvas pixels to ignore; None where no image of
            the data set has any.
    """

    images: tf.Tensor
    windows: tf.Tensor
    gt_class_ids: tf.Tensor
    gt_boxes: tf.Tensor
    gt_masks: tf.Tensor
    rpn_match: tf.Tensor
    rpn_deltas: tf.Tensor
    seeds: tf.Tensor
    neutral: tf.Tensor | None = None
