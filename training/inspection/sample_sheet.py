"""Training samples drawn as the network sees them: augmented, on the canvas.

What is drawn are the targets themselves: the boxes and mini masks of an example, crowds
in grey, neutral regions hatched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from formats.drawing.font import Color, Font, make_font
from formats.drawing.overlay import Overlay, draw_overlays
from models.anchors import anchors_px
from models.preprocessing import letterbox
from training.config.train_config import TrainConfig
from training.datasets.dataset import FileDataset
from training.pipeline.batches import epoch_order
from training.pipeline.examples import Example, make_example

Array = np.ndarray[Any, Any]

CELL_PX = 512
"""About the side of a drawn sample: small canvases are enlarged to it."""
GAP_PX = 12
CAPTION_PX = 24
GROUND: Color = (22, 25, 30)
INK: Color = (225, 228, 232)
CROWD_COLOR: Color = (160, 160, 160)
STRIPE_PX = 6
LABEL_PX = 56
"""Smaller objects go without a label, but for the largest of their class."""


class DrawnSample(NamedTuple):
    """A training sample with its targets.

    Attributes:
        name: of the image.
        image: uint8[h, w, 3] RGB, a whole multiple of the canvas.
        titles: classes of the objects, crowds not among them.
        crowds: regions of many objects.
    """

    name: str
    image: Array
    titles: tuple[str, ...]
    crowds: int


def draw_samples(
    dataset: FileDataset,
    config: TrainConfig,
    palette: Mapping[int, Color],
    count: int,
) -> Iterator[DrawnSample]:
    """Draws the first samples of a training's first epoch.

    Order and augmentation are those of `training.pipeline.batches` with the
    config's seed.

    Args:
        dataset: the training set.
        config: the train config.
        palette: class id -> RGB.
        count: samples; all where there are fewer.

    Raises:
        DatasetError: an image cannot be read any more.
    """
    classes = dataset.classes
    model = config.network(classes.num_classes)
    titles = {class_id: title for title, class_id in classes.ids.items()}
    canvas_size = letterbox(np.array((1, 1), np.int32), model).canvas_size
    anchors = anchors_px(model, canvas_size).numpy()
    for index in epoch_order(len(dataset), 0, config.seed)[:count].tolist():
        sample = dataset[index]
        rng = np.random.default_rng([config.seed, 0, index])
        example = make_example(
            sample, model, anchors, rng, config.augmentation, config.max_instances
        )
        yield _drawn(sample.name, example, titles, palette)


def _drawn(
    name: str, example: Example, titles: Mapping[int, str], palette: Mapping[int, Color]
) -> DrawnSample:
    factor = max(1, round(CELL_PX / max(example.canvas.shape[:2])))
    image = example.canvas.repeat(factor, 0).repeat(factor, 1)
    _hatch(image, example.neutral.repeat(factor, 0).repeat(factor, 1) > 0)
    overlays = [
        overlay._replace(title=overlay.title if is_labelled else "")
        for overlay, is_labelled in _overlays(example, titles, palette, factor)
    ]
    ids = example.gt_class_ids.tolist()
    return DrawnSample(
        name,
        draw_overlays(image, overlays),
        tuple(titles[i] for i in ids if i > 0),
        sum(i < 0 for i in ids),
    )


def _overlays(
    example: Example,
    titles: Mapping[int, str],
    palette: Mapping[int, Color],
    factor: int,
) -> Iterator[tuple[Overlay, bool]]:
    """Yields what to draw, and whether with its label."""
    boxes = example.gt_boxes.astype(np.int64) * factor  # [G, 4]
    sides = (boxes[:, 2:] - boxes[:, :2]).max(1)
    ids = example.gt_class_ids
    for row in np.flatnonzero(ids).tolist():
        class_id = int(ids[row])
        y1, x1, y2, x2 = (int(side) for side in boxes[row])
        mask = cv2.resize(
            example.gt_masks[row].astype(np.uint8),
            (x2 - x1, y2 - y1),
            interpolation=cv2.INTER_NEAREST,
        )
        title, color = titles[abs(class_id)], palette[abs(class_id)]
        if class_id < 0:
            title, color = f"crowd: {title}", CROWD_COLOR
        largest = int(np.argmax(np.where(ids == class_id, sides, -1)))
        overlay = Overlay(title, color, (y1, x1, y2, x2), mask > 0)
        yield overlay, row == largest or sides[row] >= LABEL_PX


def _hatch(image: Array, region: Array) -> None:
    """Greys out a region in place, under stripes."""
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    stripes = (rows + columns) // STRIPE_PX % 2 == 0
    for chosen, grey in ((region & stripes, 150), (region & ~stripes, 90)):
        image[chosen] = image[chosen] // 4 + (grey * 3) // 4


def make_sheet(samples: Sequence[DrawnSample]) -> Array:
    """Lays samples out in a grid, each with the name of its image.

    Args:
        samples: at least one, all of one size.

    Returns:
        uint8[H, W, 3] RGB.
    """
    side = min(samples[0].image.shape[0], CELL_PX)
    columns = min(len(samples), math.ceil(math.sqrt(1.5 * len(samples))))
    rows = -(-len(samples) // columns)
    step_y, step_x = side + CAPTION_PX + GAP_PX, side + GAP_PX
    size = (rows * step_y + GAP_PX, columns * step_x + GAP_PX, 3)
    sheet = np.empty(size, np.uint8)
    sheet[:] = GROUND
    font = make_font(15)
    for number, sample in enumerate(samples):
        top = GAP_PX + number // columns * step_y
        left = GAP_PX + number % columns * step_x
        cell = sample.image
        if cell.shape[0] > side:
            cell = cv2.resize(cell, (side, side), interpolation=cv2.INTER_AREA)
        sheet[top : top + side, left : left + side] = cell
        caption = _shorten(sample.name, font, side)
        font.draw(sheet, caption, left, top + side + 3, INK)
    return sheet


def _shorten(name: str, font: Font, width: int) -> str:
    """Returns the end of a name, where the whole is too wide."""
    if font.width(name) <= width:
        return name
    starts = range(1, len(name))
    return next(
        (t for i in starts if font.width(t := f"..{name[i:]}") <= width), name[-1:]
    )
