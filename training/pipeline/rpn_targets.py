"""Which anchors the RPN learns from, and what (Faster R-CNN section 3.1.2).

Runs in numpy, in the worker threads of the input pipeline. Equal to Matterport's
`build_rpn_targets`, random choices included when the same generator is passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from models import boxes as box_ops
from training.pipeline.neutral import MAX_NEUTRAL_SHARE, neutral_share

ANCHORS_PER_IMAGE = 256
"""Anchors that an image is learned from at most, RPN_TRAIN_ANCHORS_PER_IMAGE."""
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
    """Targets of one image.

    Attributes:
        match: int8[N], 1 object, -1 background, 0 not learned from.
        deltas: float32[anchors_per_image, 4] (dy, dx, log_h, log_w) over their standard
            deviations, of the anchors with match 1 in their order; the zeros behind
            them give images one size, the loss takes as many rows as match has 1s.
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
    anchors_per_image: int = ANCHORS_PER_IMAGE,
    neutral: Array | None = None,
) -> RpnTargets:
    """Matches anchors to objects and picks those to learn from.

    An anchor is positive when it overlaps an object by 0.7, or more than any other
    anchor does; negative when it overlaps every object by less than 0.3, no crowd, and
    neutral pixels with at most half of its area.

    Args:
        anchors: float64[N, 4] yxyx canvas pixels.
        gt_class_ids: int[G], negative for crowds; 0, which no object has, for padding.
        gt_boxes: number[G, 4] yxyx canvas pixels.
        rng: which anchors are left out where there are too many.
        delta_std: the RPN's four divisors.
        anchors_per_image: to learn from; at most half are positive.
        neutral: uint8[H, W], 1 on pixels of the canvas to ignore.

    Source: Faster R-CNN section 3.1.2; deltas are eq. (2).
    """
    boxes = np.asarray(gt_boxes, np.float64)
    crowds = boxes[gt_class_ids < 0]  # [crowds, 4]
    boxes = boxes[gt_class_ids > 0]  # [g, 4]
    match = np.zeros(len(anchors), np.int8)  # [N]
    overlaps = _Overlaps(anchors)
    # [N], [N] of g, [n] of N
    best_iou, best_box, closest = _best_boxes(overlaps, boxes)
    negative = best_iou < NEGATIVE_IOU  # bool[N]
    for crowd in crowds:
        rows, iou = overlaps.with_box(crowd)
        negative[rows[iou >= CROWD_IOU]] = False
    if neutral is not None and neutral.any():
        negative &= neutral_share(anchors, neutral) <= MAX_NEUTRAL_SHARE
    match[negative] = -1
    match[closest] = 1
    match[best_iou >= POSITIVE_IOU] = 1
    _drop_surplus(match, 1, anchors_per_image // 2, rng)
    _drop_surplus(match, -1, anchors_per_image - int(np.sum(match == 1)), rng)
    positive = np.flatnonzero(match == 1)  # [P] of N
    deltas = np.zeros((anchors_per_image, 4), np.float32)
    encoded = box_ops.numpy_encode_deltas(anchors[positive], boxes[best_box[positive]])
    deltas[: len(positive)] = encoded / np.asarray(delta_std, np.float64)
    return RpnTargets(match, deltas)


class _Overlaps:
    """Intersection over union of all anchors with one box after another.

    One box at a time, so that memory does not grow with anchors times boxes, and only
    of the anchors that touch it, which are few.
    """

    def __init__(self, anchors: Array) -> None:
        self._columns = np.ascontiguousarray(anchors.T)  # [4, N]
        self.count = len(anchors)

    def with_box(self, box: Array) -> tuple[Array, Array]:
        """Returns int64[n] anchors that touch a box, and float64[n] their IoU."""
        y1, x1, y2, x2 = self._columns  # [N] each
        touching = (y1 < box[2]) & (y2 > box[0]) & (x1 < box[3]) & (x2 > box[1])
        rows = np.flatnonzero(touching)  # [n] of N
        ious = box_ops.numpy_iou(self._columns[:, rows].T, box[None])
        return rows, ious[:, 0]


def _best_boxes(overlaps: _Overlaps, boxes: Array) -> tuple[Array, Array, Array]:
    """Returns the best IoU and box of each anchor, and the best anchors of each box."""
    count = overlaps.count
    best_iou = np.zeros(count)
    best_box = np.zeros(count, np.int64)
    closest: list[Array] = []
    for index, box in enumerate(boxes):
        rows, iou = overlaps.with_box(box)
        better = iou > best_iou[rows]
        best_iou[rows[better]] = iou[better]
        best_box[rows[better]] = index
        # A box that no anchor touches has no closest anchor.
        if len(rows):
            closest.append(rows[iou == iou.max()])
    return best_iou, best_box, np.concatenate([*closest, np.zeros(0, np.int64)])


def _drop_surplus(match: Array, value: int, limit: int, rng: Chooser) -> None:
    rows = np.flatnonzero(match == value)
    surplus = len(rows) - limit
    if surplus > 0:
        match[rng.choice(rows, surplus, replace=False)] = 0
