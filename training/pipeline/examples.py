"""One labelled image, augmented and put on its canvas, with its targets.

Runs in numpy in the worker threads of the input pipeline. Masks travel as crops with an
origin, so that memory does not grow with objects times pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from formats.mask_crop import MaskCrop
from models.config import ModelConfig
from training.config.groups import Augmentation
from training.pipeline.augmentation import augment, draw
from training.pipeline.mini_masks import MINI_MASK_SIZE, mini_mask
from training.pipeline.placement import boxes_of, place, visible_crops
from training.pipeline.rpn_targets import rpn_targets

Array = np.ndarray[Any, Any]


class LabelledPixels(Protocol):
    """A labelled image as the data set readers give it."""

    @property
    def image(self) -> Array:
        """uint8[h, w, 3] RGB."""

    @property
    def class_ids(self) -> Array:
        """int32[G], 1..C-1."""

    @property
    def masks(self) -> Sequence[MaskCrop]:
        """Masks of the objects, image frame."""

    @property
    def is_crowd(self) -> Array:
        """bool[G], True for regions of many objects."""

    @property
    def neutral(self) -> Sequence[MaskCrop]:
        """Regions to ignore, image frame."""


class Samples(Protocol):
    """Labelled images; safe to read from many threads."""

    def __len__(self) -> int:
        """Returns how many there are."""

    def __getitem__(self, index: int) -> LabelledPixels:
        """Returns one."""


class Example(NamedTuple):
    """One row of a `pipeline.batch.Batch`, numpy; `canvas` still has its mean."""

    canvas: Array
    window: Array
    gt_class_ids: Array
    gt_boxes: Array
    gt_masks: Array
    rpn_match: Array
    rpn_deltas: Array
    seed: Array
    neutral: Array


def make_example(
    sample: LabelledPixels,
    config: ModelConfig,
    anchors: Array,
    rng: np.random.Generator,
    augmentation: Augmentation,
    max_instances: int,
) -> Example:
    """Puts a sample on its canvas and matches the anchors.

    Args:
        sample: the labelled image.
        config: sizes and the RPN's deviations.
        anchors: float64[N, 4] yxyx pixels of the canvas.
        rng: decides everything random; the same state gives the same example.
        augmentation: random changes.
        max_instances: MAX_GT_INSTANCES; a random choice of them where there are more.
    """
    draws = draw(rng)
    placed = place(
        sample.image, sample.masks, sample.neutral, config, augmentation.scale, draws
    )
    moved = augment(placed, augmentation, draws)
    size = (moved.canvas.shape[0], moved.canvas.shape[1])
    signs = np.where(sample.is_crowd, -1, 1)
    kept, crops = visible_crops(moved.masks)
    if len(kept) > max_instances:
        chosen = np.sort(rng.choice(len(kept), max_instances, replace=False))
        kept, crops = kept[chosen], [crops[index] for index in chosen]
    gt_class_ids = np.zeros(max_instances, np.int32)
    gt_class_ids[: len(kept)] = (np.asarray(sample.class_ids) * signs)[kept]
    gt_boxes = np.zeros((max_instances, 4), np.float32)
    gt_boxes[: len(kept)] = boxes_of(crops)
    gt_masks = np.zeros((max_instances, MINI_MASK_SIZE, MINI_MASK_SIZE), bool)
    for row, crop in enumerate(crops):
        gt_masks[row] = mini_mask(crop.mask)
    neutral = _drawn(moved.neutral, size)
    match, deltas = rpn_targets(
        anchors,
        gt_class_ids,
        gt_boxes,
        rng=rng,
        delta_std=config.rpn_delta_std,
        neutral=neutral,
    )
    seed = rng.integers(0, 2**31 - 1, 2, np.int32)
    return Example(
        moved.canvas,
        moved.window,
        gt_class_ids,
        gt_boxes,
        gt_masks,
        match,
        deltas,
        seed,
        neutral,
    )


def _drawn(crops: list[MaskCrop], size: tuple[int, int]) -> Array:
    drawn = np.zeros(size, np.bool_)
    for crop in crops:
        crop.draw_on(drawn, (0, 0))
    return drawn.view(np.uint8)
