"""The page about the data of a training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from formats.drawing.font import Color
from formats.report.report import (
    Bars,
    Block,
    Card,
    Facts,
    Gallery,
    Histogram,
    Notices,
    Section,
    Table,
    write_report,
)
from formats.report.text import Value
from training.config.train_config import TrainConfig
from training.datasets.classes import ClassMap
from training.inspection.anchor_fit import POOR_IOU
from training.inspection.histograms import bin_anchor_iou, bin_per_image, bin_sides
from training.inspection.sample_sheet import CELL_PX, DrawnSample
from training.inspection.statistics import SetNumbers
from training.pipeline.rpn_targets import POSITIVE_IOU

SIZES = 12
"""Image sizes that are listed: the most frequent ones."""
LEVELS = ("P2", "P3", "P4", "P5", "P6")

Sets = Mapping[str, SetNumbers]


def write_inspection_page(
    path: Path,
    name: str,
    sets: Sets,
    config: TrainConfig,
    classes: ClassMap,
    palette: Mapping[int, Color],
    warnings: Sequence[str],
    samples: Sequence[DrawnSample],
) -> None:
    """Writes the page.

    Args:
        path: of the file.
        name: of the data.
        sets: numbers of "train" and "val".
        config: the train config.
        classes: titles and ids.
        palette: class id -> RGB.
        warnings: what is odd.
        samples: of the training set.

    Raises:
        OSError: it cannot be written.
    """
    ids = classes.ids
    colors = {
        title: "#{:02X}{:02X}{:02X}".format(*palette[ids[title]])
        for title in classes.foreground
    }
    objects = Bars(
        "Objects",
        classes.foreground,
        {
            set_name: [numbers.objects[ids[t]] for t in classes.foreground]
            for set_name, numbers in sets.items()
        },
        colors,
    )
    gallery = Gallery(
        "Training samples",
        map(_card, samples),
        note="The first of the first epoch as the network sees them: augmented, on "
        "the canvas, with the boxes and masks it learns. Crowds are grey, neutral "
        "regions hatched.",
        colors=colors,
        thumbnail_px=CELL_PX,
    )
    blocks: list[Block] = [
        Notices(warnings),
        _facts(sets, config, classes),
        Section([objects, _class_table(sets, classes, colors)], "Classes"),
        Section([_sides(sets, config)], "Sizes"),
        Section([_anchor_fit(sets), _objects_per_image(sets)]),
        Section([_size_table(sets)]),
        gallery,
    ]
    write_report(path, "Training data", name, blocks)


def _card(sample: DrawnSample) -> Card:
    note = f"{sample.crowds} crowds" if sample.crowds else ""
    found = [(title, None) for title in sample.titles]
    return Card(sample.name, sample.image, found, note=note)


def _facts(sets: Sets, config: TrainConfig, classes: ClassMap) -> Facts:
    side = config.input_size.max_dim
    values: dict[str, str | int] = {}
    for name, numbers in sets.items():
        values[f"Pictures, {name}"] = numbers.images
    for name, numbers in sets.items():
        values[f"Objects, {name}"] = int(numbers.per_image.sum())
    values["Classes"] = len(classes.foreground)
    values["Canvas"] = f"{side} × {side}"
    if any(numbers.crowds for numbers in sets.values()):
        values["Crowds"] = sum(numbers.crowds for numbers in sets.values())
    if classes.neutral is not None:
        total = sum(numbers.neutral for numbers in sets.values())
        values["Pictures with neutral"] = total
    return Facts(values)


def _class_table(sets: Sets, classes: ClassMap, colors: Mapping[str, str]) -> Table:
    train, val = sets["train"], sets["val"]
    rows = []
    for title in classes.foreground:
        i = classes.ids[title]
        poor = train.anchor_share_below(POOR_IOU, i)
        rows.append(
            (
                title,
                i,
                train.images_with[i],
                val.images_with[i],
                train.median_side(i),
                None if math.isnan(poor) else round(100 * poor),
            )
        )
    header = (
        "Class",
        "Id",
        "Pictures, train",
        "Pictures, val",
        "Median side, px",
        "Poor anchors, %",
    )
    return Table(
        "Pictures and anchors",
        header,
        rows,
        colors,
        note="Median side and poor anchors are of the training set, on the canvas. An "
        f"object has poor anchors where none reaches an IoU of {POOR_IOU}.",
    )


def _sides(sets: Sets, config: TrainConfig) -> Histogram:
    sides = bin_sides(sets, config.anchor_scales)
    return Histogram(
        "Side of objects on the canvas, % of the set's objects",
        sides.edges,
        sides.percents(),
        "square root of the box's area, canvas pixels",
        is_log=True,
        marks=dict(zip(config.anchor_scales, LEVELS, strict=True)),
        note="Without augmentation. The lines are the anchors of the pyramid's "
        "levels; objects far from all of them are hard to learn.",
    )


def _anchor_fit(sets: Sets) -> Histogram:
    fit = bin_anchor_iou(sets)
    shares = [
        f"{100 * numbers.anchor_share_below(POOR_IOU):.1f} % of {name}"
        for name, numbers in sets.items()
        if len(numbers.anchor_iou)
    ]
    return Histogram(
        "IoU of objects with their best anchor, % of the set's objects",
        fit.edges,
        fit.percents(),
        "IoU",
        marks={POOR_IOU: str(POOR_IOU), POSITIVE_IOU: str(POSITIVE_IOU)},
        note=f"Below {POOR_IOU}: {', '.join(shares)}. Anchors are positive from "
        f"{POSITIVE_IOU}; an object without one learns from its closest anchor.",
    )


def _objects_per_image(sets: Sets) -> Histogram:
    many = bin_per_image(sets)
    return Histogram(
        "Objects per picture, % of the set's pictures",
        many.edges,
        many.percents(),
        "objects",
    )


def _size_table(sets: Sets) -> Table:
    total: Counter[tuple[int, int]] = Counter()
    for numbers in sets.values():
        total.update(numbers.image_sizes)
    rows: list[tuple[Value, ...]] = [
        (f"{width} × {height}", *(s.image_sizes[height, width] for s in sets.values()))
        for (height, width), _ in total.most_common(SIZES)
    ]
    more = len(total) - len(rows)
    return Table(
        "Picture sizes, width × height",
        ("Size", *(f"Pictures, {name}" for name in sets)),
        rows,
        note=f"{more} more sizes" if more else "",
    )
