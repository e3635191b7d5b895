"""Drops what was found several times, as `nms_after` of the plugin does.

Unlike the usual greedy suppression, an instance is dropped if it overlaps any more
confident one of its class, even one that is dropped itself. Of a chain A > B > C, in
which only neighbours overlap, A alone stays.

Frame: the image, pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from client.instance import Instance
from client.rect import Boxes, box_ious
from formats.mask_crop import mask_iou


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
        self, instance: Instance, ordered: list[Instance], boxes: Boxes, index: int
    ) -> bool:
        """Says whether a more confident instance overlaps this one by too much."""
        better = slice(index + 1, None)
        common, ious = box_ious(boxes[index], boxes[better])
        if not self.uses_masks:
            return bool(np.any(ious > self.iou_threshold))
        return any(
            mask_iou(instance.crop, ordered[index + 1 + other].crop)
            > self.iou_threshold
            for other in np.flatnonzero(common)
        )
