"""Drops what was found several times, as `nms_after` of the plugin does.

Unlike the usual greedy suppression, an instance is dropped if it overlaps any more
confident one of its class, even one that is dropped itself. Of a chain A > B > C, in
which only neighbours overlap, A alone stays.

Frame: the picture, pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from client.instance import Instance
from client.rect import Rect

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Suppression:
    """What `nms_after` says.

    Attributes:
        iou_threshold: instances that overlap a better one by more are dropped.
        uses_masks: overlaps are those of masks, not of boxes.
        joins: parts of one object that a window's border cut become one instance
            before.
    """

    iou_threshold: float = 0.0
    uses_masks: bool = False
    joins: bool = False

    def apply(self, instances: Sequence[Instance]) -> list[Instance]:
        """Returns what is left.

        Args:
            instances: with scores; of equal ones the later wins.

        Returns:
            Class by class as they first appear, by ascending confidence in each.

        Raises:
            ContractError: a mask is damaged.
        """
        by_class: dict[str, list[Instance]] = {}
        for instance in instances:
            by_class.setdefault(instance.class_name, []).append(instance)
        return [kept for group in by_class.values() for kept in self._of_class(group)]

    def _of_class(self, group: list[Instance]) -> list[Instance]:
        ordered = sorted(group, key=lambda instance: instance.confidence)
        boxes = np.array([i.mask_box for i in ordered], np.int64).reshape(-1, 4)
        return [
            instance
            for index, instance in enumerate(ordered)
            if not self._is_covered(instance, ordered, boxes, index)
        ]

    def _is_covered(
        self, instance: Instance, ordered: list[Instance], boxes: Array, index: int
    ) -> bool:
        """Says whether a more confident instance overlaps this one by too much."""
        better = slice(index + 1, None)
        common, ious = box_ious(boxes[index], boxes[better])
        if not self.uses_masks:
            return bool(np.any(ious > self.iou_threshold))
        return any(
            mask_iou(instance, ordered[index + 1 + other]) > self.iou_threshold
            for other in np.flatnonzero(common)
        )


def box_ious(box: Array, others: Array) -> tuple[Array, Array]:
    """Returns overlaps of a box with others.

    Args:
        box: int64[4] (y1, x1, y2, x2), half-open.
        others: int64[N, 4].

    Returns:
        int64[N] common pixels, float64[N] intersection over union.
    """
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union = np.prod(box[2:] - box[:2]) + areas - common
    return common, common / np.maximum(union, 1)


def mask_iou(one: Instance, two: Instance) -> float:
    """Returns intersection over union of two masks; 0 for empty ones."""
    common = Rect(*one.mask_box).intersect(Rect(*two.mask_box))
    if common.is_empty:
        return 0.0
    both = int(np.count_nonzero(mask_in(one, common) & mask_in(two, common)))
    union = int(np.count_nonzero(one.mask_crop)) - both
    union += int(np.count_nonzero(two.mask_crop))
    return both / union if union else 0.0


def mask_in(instance: Instance, rect: Rect) -> Array:
    """Returns bool[h, w], an instance's mask in a part of its `mask_box`."""
    y, x = instance.mask_origin
    return instance.mask_crop[
        rect.top - y : rect.bottom - y, rect.left - x : rect.right - x
    ]


__all__ = ["Suppression", "box_ious", "mask_in", "mask_iou"]
