"""How well the anchors fit the objects of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.config import STRIDES, ModelConfig

POOR_IOU = 0.5
"""An object whose best anchor overlaps it less is learnt from a poor start."""

Array = np.ndarray[Any, Any]


def best_anchor_iou(
    boxes: Array, config: ModelConfig, canvas_size: Sequence[int]
) -> Array:
    """Returns the highest IoU that any anchor has with each box.

    The IoU of two boxes of given sizes falls with the distance of their centres on
    either axis, so of each level and aspect ratio the nearest anchor alone matters.

    Args:
        boxes: number[n, 4] yxyx canvas pixels, of positive height and width.
        config: scales, aspect ratios and stride of the anchors.
        canvas_size: (height, width).

    Returns:
        float64[n], 0..1.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    sizes = boxes[:, 2:] - boxes[:, :2]  # [n, 2]
    centers = boxes[:, :2] + 0.5 * sizes
    best = np.zeros(len(boxes))
    for scale, stride in zip(config.anchor_scales, STRIDES, strict=True):
        cells = -(-np.asarray(canvas_size) // stride)
        step = stride * config.anchor_stride
        last = (cells - 1) // config.anchor_stride * step
        nearest = np.clip(np.rint(centers / step) * step, 0, last)
        distance = abs(centers - nearest)
        for root in np.sqrt(np.asarray(config.anchor_aspect_ratios, np.float64)):
            anchor = np.array((scale / root, scale * root))
            shared = np.minimum(sizes, anchor)
            shared = np.minimum(shared, 0.5 * (sizes + anchor) - distance)
            intersection = np.prod(np.maximum(shared, 0), axis=1)
            union = np.prod(sizes, axis=1) + np.prod(anchor) - intersection
            best = np.maximum(best, intersection / union)
    return np.minimum(best, 1)
