"""The numbers of a training's data, and the files that show them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from formats.drawing.font import Color
from formats.drawing.overlay import distinct_colors
from formats.files.atomic_file import replaced_file
from training.config.train_config import TrainConfig
from training.datasets.classes import ClassMap
from training.datasets.splits import Splits
from training.inspection.anchor_fit import POOR_IOU
from training.inspection.histograms import bin_anchor_iou, bin_per_image, bin_sides
from training.inspection.page import write_inspection_page
from training.inspection.sample_sheet import draw_samples, make_sheet
from training.inspection.statistics import SetNumbers, read_numbers

POOR_SHARE = 0.1
"""Of objects that the anchors fit poorly; more are worth a warning."""


def write_inspection(
    page: Path,
    sheet: Path,
    numbers: Path,
    name: str,
    splits: Splits,
    config: TrainConfig,
    samples: int,
) -> tuple[str, ...]:
    """Reads both sets and writes the three files.

    Args:
        page: the HTML file.
        sheet: the PNG file.
        numbers: the JSON file.
        name: of the data.
        splits: both sets.
        config: the train config.
        samples: training samples to draw.

    Returns:
        What is odd.

    Raises:
        DatasetError: a file cannot be read any more, or has changed.
        OSError: a file cannot be written.
    """
    classes = splits.classes
    model = config.network(classes.num_classes)
    sets = {
        "train": read_numbers(splits.train, model),
        "val": read_numbers(splits.val, model),
    }
    warnings = (*splits.warnings, *_warnings(sets, config, classes))
    palette = _palette(classes)
    drawn = list(draw_samples(splits.train, config, palette, samples))
    content = _json(sets, config, classes, warnings)
    _write(numbers, json.dumps(content, indent=1).encode())
    bgr = make_sheet(drawn)[..., ::-1]
    _write(sheet, cv2.imencode(".png", bgr)[1].tobytes())
    write_inspection_page(page, name, sets, config, classes, palette, warnings, drawn)
    return warnings


def _palette(classes: ClassMap) -> dict[int, Color]:
    """Returns the RGB colours of the classes, background left out."""
    ids = classes.ids
    colors = {ids[c.title]: c.color for c in classes.classes if c.title in ids}
    return distinct_colors({i for i in ids.values() if i}, colors)


def _warnings(
    sets: Mapping[str, SetNumbers], config: TrainConfig, classes: ClassMap
) -> list[str]:
    texts = []
    for name, numbers in sets.items():
        absent = [t for t in classes.foreground if not numbers.objects[classes.ids[t]]]
        if absent:
            texts.append(f"{name} set: no object of {', '.join(absent)}")
        if numbers.lost:
            texts.append(
                f"{name} set: {numbers.lost} objects are smaller than a pixel of the "
                "canvas and are not learnt; a larger input_size.max_dim keeps them"
            )
        crowded = int((numbers.per_image > config.max_instances).sum())
        if crowded:
            texts.append(
                f"{name} set: {crowded} pictures have more than {config.max_instances} "
                f"objects, at most {numbers.per_image.max()}; the rest is left out "
                "at random; see max_instances"
            )
        poor = numbers.anchor_share_below(POOR_IOU)
        if poor > POOR_SHARE:
            texts.append(
                f"{name} set: for {poor:.0%} of the objects no anchor has an IoU of "
                f"{POOR_IOU}; see anchor_scales and anchor_aspect_ratios"
            )
    return texts


def _json(
    sets: Mapping[str, SetNumbers],
    config: TrainConfig,
    classes: ClassMap,
    warnings: tuple[str, ...],
) -> dict[str, Any]:
    return {
        "canvas_size": [config.input_size.max_dim] * 2,
        "anchor_scales": list(config.anchor_scales),
        "anchor_aspect_ratios": list(config.anchor_aspect_ratios),
        "warnings": list(warnings),
        "sets": {name: _set_json(numbers) for name, numbers in sets.items()},
        "classes": [
            {
                "id": classes.ids[title],
                "title": title,
                **{n: _class_json(s, classes.ids[title]) for n, s in sets.items()},
            }
            for title in classes.foreground
        ],
        "sides": bin_sides(sets, config.anchor_scales).to_json(),
        "best_anchor_iou": bin_anchor_iou(sets).to_json(),
        "objects_per_picture": bin_per_image(sets).to_json(),
    }


def _set_json(numbers: SetNumbers) -> dict[str, Any]:
    sizes = sorted(numbers.image_sizes.items(), key=lambda item: (-item[1], item[0]))
    return {
        "pictures": numbers.images,
        "objects": int(numbers.per_image.sum()),
        "pictures_without_objects": int((numbers.per_image == 0).sum()),
        "objects_lost_on_canvas": numbers.lost,
        "crowds": numbers.crowds,
        "pictures_with_neutral": numbers.neutral,
        "median_side": _finite(numbers.median_side()),
        "best_anchor_iou_below_half": _finite(numbers.anchor_share_below(POOR_IOU)),
        "image_sizes": [
            {"height": size[0], "width": size[1], "pictures": count}
            for size, count in sizes
        ],
    }


def _class_json(numbers: SetNumbers, class_id: int) -> dict[str, Any]:
    return {
        "objects": numbers.objects[class_id],
        "pictures": numbers.images_with[class_id],
        "median_side": _finite(numbers.median_side(class_id)),
        "best_anchor_iou_below_half": _finite(
            numbers.anchor_share_below(POOR_IOU, class_id)
        ),
    }


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _write(path: Path, data: bytes) -> None:
    with replaced_file(path) as file:
        file.write(data)
