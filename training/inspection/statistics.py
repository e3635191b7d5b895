"""The numbers of a training or validation set, as far as they bear on a training.

Boxes are those of the canvas without augmentation, as the network will see them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.config import ModelConfig
from models.preprocessing import letterbox
from training.datasets.samples import Dataset
from training.inspection.anchor_fit import best_anchor_iou
from training.pipeline.placement import boxes_of, resize_crop, visible_crops

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class SetNumbers:
    """Numbers of one set. Crowds are no objects.

    Attributes:
        image_sizes: (height, width) -> images of that size.
        per_image: int64[images], objects of each.
        objects: class id -> objects.
        images_with: class id -> images that have an object of it.
        class_ids: int64[n], of the objects with a pixel on the canvas.
        sides: float64[n], square root of their boxes' areas, canvas pixels.
        anchor_iou: float64[n], of their boxes with the best anchor.
        crowds: groups that are not told apart.
        neutral: images with regions to ignore.
    """

    image_sizes: Mapping[tuple[int, int], int]
    per_image: Array
    objects: Mapping[int, int]
    images_with: Mapping[int, int]
    class_ids: Array
    sides: Array
    anchor_iou: Array
    crowds: int
    neutral: int

    @property
    def images(self) -> int:
        """Images of the set."""
        return len(self.per_image)

    @property
    def lost(self) -> int:
        """Objects without a pixel on the canvas."""
        return int(self.per_image.sum()) - len(self.class_ids)

    def anchor_share_below(self, iou: float, class_id: int | None = None) -> float:
        """Returns the share of objects whose best anchor overlaps them less; 0..1.

        Args:
            iou: the limit.
            class_id: of the objects; None for all classes.

        Returns:
            NaN where there is no object.
        """
        chosen = self.anchor_iou[self._of(class_id)]
        return float(np.mean(chosen < iou)) if len(chosen) else float("nan")

    def median_side(self, class_id: int | None = None) -> float:
        """Returns the median of `sides`, of one class or all; NaN for no object."""
        chosen = self.sides[self._of(class_id)]
        return float(np.median(chosen)) if len(chosen) else float("nan")

    def _of(self, class_id: int | None) -> Array:
        if class_id is None:
            return np.ones(len(self.class_ids), bool)
        return np.asarray(self.class_ids == class_id)


def read_numbers(dataset: Dataset, config: ModelConfig) -> SetNumbers:
    """Reads all annotations of a set; images are not read.

    Args:
        dataset: the set.
        config: sizes and anchors.

    Raises:
        DatasetError: an annotation cannot be read any more.
    """
    image_sizes: Counter[tuple[int, int]] = Counter()
    objects: Counter[int] = Counter()
    images_with: Counter[int] = Counter()
    per_image = np.zeros(len(dataset), np.int64)
    none = np.zeros(0)
    seen: list[tuple[Array, Array, Array]] = [(none.astype(np.int64), none, none)]
    crowds = neutral = 0
    for index in range(len(dataset)):
        sample = dataset[index]
        image_sizes[sample.size] += 1
        crowds += int(sample.is_crowd.sum())
        neutral += bool(sample.neutral)
        single = np.flatnonzero(~sample.is_crowd)
        ids = sample.class_ids[single].astype(np.int64)
        per_image[index] = len(ids)
        objects.update(ids.tolist())
        images_with.update(set(ids.tolist()))
        box = letterbox(np.array(sample.size, np.int32), config)
        view, window = np.array((0, 0, *sample.size)), box.window.numpy()
        crops = [resize_crop(sample.masks[i], view, window) for i in single]
        kept, visible = visible_crops(crops)
        boxes = boxes_of(visible)
        sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, dtype=np.float64))
        iou = best_anchor_iou(boxes, config, box.canvas_size.numpy())
        seen.append((ids[kept], sides, iou))
    class_ids, sides, anchor_iou = (np.concatenate(c) for c in zip(*seen, strict=True))
    return SetNumbers(
        image_sizes,
        per_image,
        objects,
        images_with,
        class_ids,
        sides,
        anchor_iou,
        crowds,
        neutral,
    )
