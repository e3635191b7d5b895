"""Which anchors the RPN learns from, and what (Faster R-CNN section 3.1.2).

Runs in numpy, in the worker threads of the input pipeline. Equal to Matterport's
`build_rpn_targets`, random choices included when the same generator is passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from training.neutral import MAX_NEUTRAL_SHARE, neutral_share

POSITIVE_IOU = 0.7
NEGATIVE_IOU = 0.3
CROWD_IOU = 0.001
"""Anchors that overlap a crowd this much are no negatives."""

Array = np.ndarray[Any, Any]


class Chooser(Protocol):
    """What is asked of a random generator; `numpy.random.Generator` has it."""

    def choice(self, a: Any, size: Any, replace: bool) -> Any:  # noqa: FBT001
        """Draws `size` of the numbers `a`."""


class RpnTargets(NamedTuple):
    """Targets of one picture.

    Attributes:
        match: int8[N], 1 object, -1 background, 0 not learned from.
        deltas: float32[anchors_per_image, 4] (dy, dx, log_h, log_w) over their standard
            deviations, of the anchors with match 1 in their order, then zeros.
    """

    match: Array
    deltas: Array


def rpn_targets(
    anchors: Array,
    gt_class_ids: Array,
    gt_boxes: Array,
    *,
    rng: Chooser,
    delta_std: Sequence[float],
    anchors_per_image: int = 256,
    neutral: Array | None = None,
) -> RpnTargets:
    """Matches anchors to objects and picks those to learn from.

    An anchor is positive when it overlaps an object by 0.7, or more than any other
    anchor does; negative when it overlaps every object by less than 0.3, no crowd, and
    neutral pixels with at most half of its area.

    Args:
        anchors: float64[N, 4] yxyx canvas pixels.
        gt_class_ids: int[G], negative for crowds; zeros are padding.
        gt_boxes: number[G, 4] yxyx canvas pixels.
        rng: which anchors are left out where there are too many.
        delta_std: the RPN's four divisors.
        anchors_per_image: RPN_TRAIN_ANCHORS_PER_IMAGE; at most half are positive.
        neutral: uint8[H, W], 1 on pixels of the canvas to ignore.

    Source: Faster R-CNN section 3.1.2; deltas are eq. (2).
    """
    boxes = np.asarray(gt_boxes, np.float64)
    crowds = boxes[gt_class_ids < 0]
    boxes = boxes[gt_class_ids > 0]
    match = np.zeros(len(anchors), np.int8)
    best_iou, best_box, closest = _best_boxes(anchors, boxes)
    negative = best_iou < NEGATIVE_IOU
    for crowd in crowds:
        negative &= _iou(anchors, crowd) < CROWD_IOU
    if neutral is not None and neutral.any():
        negative &= neutral_share(anchors, neutral) <= MAX_NEUTRAL_SHARE
    match[negative] = -1
    match[closest] = 1
    match[best_iou >= POSITIVE_IOU] = 1
    _drop_surplus(match, 1, anchors_per_image // 2, rng)
    _drop_surplus(match, -1, anchors_per_image - int(np.sum(match == 1)), rng)
    positive = np.flatnonzero(match == 1)
    deltas = np.zeros((anchors_per_image, 4), np.float32)
    encoded = encode_deltas(anchors[positive], boxes[best_box[positive]])
    deltas[: len(positive)] = encoded / np.asarray(delta_std, np.float64)
    return RpnTargets(match, deltas)


def encode_deltas(boxes: Array, targets: Array) -> Array:
    """Returns float64[N, 4] deltas that move and scale `boxes` to `targets`.

    Args:
        boxes: float64[N, 4] yxyx.
        targets: float64[N, 4] yxyx, same frame.

    Source: Faster R-CNN eq. (2).
    """
    size, target_size = boxes[:, 2:] - boxes[:, :2], targets[:, 2:] - targets[:, :2]
    center = boxes[:, :2] + 0.5 * size
    target_center = targets[:, :2] + 0.5 * target_size
    return np.concatenate(
        [(target_center - center) / size, np.log(target_size / size)], axis=1
    )


def _iou(anchors: Array, box: Array) -> Array:
    """Returns float64[N]: intersection over union with one box."""
    height = np.minimum(anchors[:, 2], box[2]) - np.maximum(anchors[:, 0], box[0])
    width = np.minimum(anchors[:, 3], box[3]) - np.maximum(anchors[:, 1], box[1])
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (anchors[:, 2] - anchors[:, 0]) * (anchors[:, 3] - anchors[:, 1])
    union = area + areas - intersection
    return np.asarray(intersection / union)


def _best_boxes(anchors: Array, boxes: Array) -> tuple[Array, Array, Array]:
    """Returns the best IoU and box of each anchor, and the best anchors of each box.

    One box at a time, so that memory does not grow with anchors times boxes.
    """
    best_iou = np.zeros(len(anchors))
    best_box = np.zeros(len(anchors), np.int64)
    closest: list[Array] = []
    for index, box in enumerate(boxes):
        iou = _iou(anchors, box)
        better = iou > best_iou
        best_iou[better] = iou[better]
        best_box[better] = index
        # A box that no anchor touches has no closest anchor.
        if iou.max() > 0:
            closest.append(np.flatnonzero(iou == iou.max()))
    return best_iou, best_box, np.concatenate([*closest, np.zeros(0, np.int64)])


def _drop_surplus(match: Array, value: int, limit: int, rng: Chooser) -> None:
    rows = np.flatnonzero(match == value)
    surplus = len(rows) - limit
    if surplus > 0:
        match[rng.choice(rows, surplus, replace=False)] = 0


__all__ = ["RpnTargets", "encode_deltas", "rpn_targets"]
