"""`gallery.html`: the figures, and the best and worst pictures with what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from formats.bitmap import Mask
from formats.coco_masks import draw_segmentation
from formats.html_report import (
    Bars,
    Card,
    Facts,
    HtmlReport,
    Picture,
    Table,
    html_report,
)
from formats.image import Pixels
from formats.mask_crop import MaskCrop
from formats.overlay import Overlay, draw_overlays
from training.coco_score import Score
from training.figures import Evaluation
from training.file_dataset import FileDataset
from training.picture_score import PictureScore

SHOWN = 12
"""Best and worst pictures, each at most so many."""
PANEL_PX = 640
"""Longest side of a drawn picture; small ones are enlarged to it for the labels."""
GAP_PX = 8
RIGHT, WRONG, IGNORED = (40, 170, 90), (225, 45, 45), (150, 150, 150)
WHITE = 255

Entries = Sequence[Mapping[str, Any]]


def write_page(
    path: Path,
    subtitle: str,
    dataset: FileDataset,
    truths: Entries,
    results: Entries,
    score: Score,
    curves: Pixels,
) -> None:
    """Writes the page.

    Args:
        path: of the file.
        subtitle: what was evaluated, and on what.
        dataset: the set.
        truths: objects as `CocoScorer` has them.
        results: detections, likewise.
        score: what became of both.
        curves: uint8[H, W, 3] RGB, precision over recall.

    Raises:
        DatasetError: a picture cannot be read any more.
        OSError: the page cannot be written.
    """
    evaluation = score.evaluation
    threshold = evaluation.f1_score_threshold or evaluation.score_threshold
    legend = (
        f"Left the objects, right the detections with a score of at least "
        f"{threshold:.3f}, where F1 is highest. Green: found at IoU 0.5. Red: missed "
        "or wrong. Grey: crowds, neutral regions, and what does not count there."
    )
    worst, best = _extremes(score.pictures)
    with html_report(path, "Evaluation", subtitle) as report:
        _add_figures(report, evaluation, curves)
        for title, chosen in (("Worst pictures", worst), ("Best pictures", best)):
            if not chosen:
                continue
            with report.gallery(
                title, note=legend, thumbnail_px=2 * PANEL_PX + GAP_PX, wide=True
            ) as gallery:
                for index in chosen:
                    picture = score.pictures[index]
                    gallery.add(_card(dataset, index, picture, truths, results))


def _add_figures(report: HtmlReport, evaluation: Evaluation, curves: Pixels) -> None:
    mask, box = evaluation.mask, evaluation.box
    report.add(
        Facts(
            {
                "Mask AP": mask.ap,
                "Mask AP50": mask.ap50,
                "Mask AP75": mask.ap75,
                "Box AP": box.ap,
                "Best F1": evaluation.f1,
                "at score": evaluation.f1_score_threshold,
                "Pictures": evaluation.pictures,
                "Objects": sum(evaluation.objects.values()),
                "Detections": evaluation.detections,
            }
        )
    )
    titles = [title for title, count in evaluation.objects.items() if count]
    report.section(
        "Classes",
        Bars(
            "Mask AP",
            titles,
            {
                "AP": [mask.classes[title].ap for title in titles],
                "AP50": [mask.classes[title].ap50 for title in titles],
            },
            top=1,
        ),
        Table(
            "Figures",
            ("Class", "Objects", "Mask AP", "AP50", "Box AP", "AP50"),
            [
                (
                    title,
                    count,
                    mask.classes[title].ap,
                    mask.classes[title].ap50,
                    box.classes[title].ap,
                    box.classes[title].ap50,
                )
                for title, count in evaluation.objects.items()
            ],
        ),
    )
    report.add(Picture("Precision over recall", curves))


def _extremes(pictures: Sequence[PictureScore]) -> tuple[list[int], list[int]]:
    """Returns the worst pictures, worst first, and of the rest the best, best first."""
    ranked = sorted(
        (picture.quality, index)
        for index, picture in enumerate(pictures)
        if picture.quality is not None
    )
    order = [index for _, index in ranked]
    half = -(-len(order) // 2)
    worst = order[: min(SHOWN, half)]
    return worst, order[len(worst) :][::-1][:SHOWN]


def _card(
    dataset: FileDataset,
    index: int,
    picture: PictureScore,
    truths: Entries,
    results: Entries,
) -> Card:
    sample = dataset[index]
    scale = PANEL_PX / max(sample.size)
    titles = dataset.classes.titles
    ids = {dataset.classes.ids[title]: title for title in titles}
    missed = set(picture.missed)
    left: list[Overlay | None] = [
        _scaled(crop, scale, IGNORED) for crop in sample.neutral
    ]
    for truth in truths:
        if truth["image_id"] == index:
            color = WRONG if truth["id"] in missed else RIGHT
            color = IGNORED if truth["iscrowd"] else color
            left.append(_overlay(truth, ids, color, scale))
    right: list[Overlay | None] = []
    instances: list[tuple[str, float]] = []
    for kind, color in (("found", RIGHT), ("wrong", WRONG), ("ignored", IGNORED)):
        for number in getattr(picture, kind):
            result = results[number - 1]
            right.append(_overlay(result, ids, color, scale))
            instances.append((ids[result["category_id"]], float(result["score"])))
    instances.sort(key=lambda one: -one[1])
    image = _resized(sample.image, scale)
    sides = [
        draw_overlays(image, [overlay for overlay in side if overlay is not None])
        for side in (left, right)
    ]
    gap = np.full((image.shape[0], GAP_PX, 3), WHITE, np.uint8)
    return Card(
        sample.name,
        np.concatenate([sides[0], gap, sides[1]], axis=1),
        instances,
        {
            "quality": picture.quality,
            "found": len(picture.found),
            "wrong": len(picture.wrong),
            "missed": len(picture.missed),
        },
    )


def _overlay(
    entry: Mapping[str, Any],
    titles: Mapping[int, str],
    color: tuple[int, int, int],
    scale: float,
) -> Overlay | None:
    """Returns what to draw of an object or a detection, labelled where it is wrong."""
    runs = entry["segmentation"]
    size = (runs["size"][0], runs["size"][1])
    text = {"size": [*size], "counts": runs["counts"].decode("ascii")}
    crop = draw_segmentation(text, size)
    if crop is None:
        return None
    overlay = _scaled(crop, scale, color)
    if color is not WRONG:
        return overlay
    title = titles[entry["category_id"]]
    return overlay._replace(title=title, score=entry.get("score"))


def _scaled(crop: MaskCrop, scale: float, color: tuple[int, int, int]) -> Overlay:
    """Returns a mask without a label, for a picture that is resized by a factor."""
    y1, x1, y2, x2 = (round(side * scale) for side in crop.box)
    y2, x2 = max(y2, y1 + 1), max(x2, x1 + 1)
    resized: Mask = np.asarray(
        cv2.resize(
            crop.mask.astype(np.uint8),
            (x2 - x1, y2 - y1),
            interpolation=cv2.INTER_NEAREST,
        )
        > 0
    )
    return Overlay("", color, (y1, x1, y2, x2), resized)


def _resized(image: Pixels, scale: float) -> Pixels:
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method))


__all__ = ["write_page"]
