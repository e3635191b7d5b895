"""A card of an evaluation's page: what was to find in an image, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from formats.coco.masks import draw_segmentation
from formats.drawing.overlay import Overlay, draw_overlays
from formats.images.image import Pixels
from formats.mask_crop import Mask, MaskCrop
from formats.report.report import Card
from training.datasets.dataset import FileDataset
from training.evaluation.image_scores import ImageScore

PANEL_PX = 640
"""Longest side to which large images shrink; small ones grow by the whole factor
that brings them nearest to it, for the labels."""
GAP_PX = 8
TOLD = 3
"""Things under a wrong class that a card names."""
RIGHT, IGNORED = (40, 170, 90), (150, 150, 150)
MISSED, WRONG, CONFUSED = (255, 165, 0), (225, 45, 45), (165, 80, 230)
LABELLED = (MISSED, WRONG, CONFUSED)
WHITE = 255

Entries = Sequence[Mapping[str, Any]]


def evaluation_card(
    dataset: FileDataset,
    index: int,
    score: ImageScore,
    truths: Entries,
    results: Entries,
) -> Card:
    """Draws an image twice: its objects on the left, what was found on the right.

    Args:
        dataset: the set.
        index: of the image.
        score: what became of its objects and detections.
        truths: objects as `CocoScorer` has them.
        results: detections, likewise.

    Returns:
        What a filter finds under the classes of detections and of missed objects.

    Raises:
        DatasetError: the image cannot be read any more.
    """
    sample = dataset[index]
    scale = min(1.0, PANEL_PX / max(sample.size))
    enlarged = max(1, round(PANEL_PX / max(sample.size)))
    titles = dataset.classes.titles
    ids = {dataset.classes.ids[title]: title for title in titles}
    missed, taken_for = set(score.missed), dict(score.confused)
    was = {truth: result for result, truth in score.confused}
    left: list[Overlay | None] = [
        _of_shrunk(crop, scale, IGNORED) for crop in sample.neutral
    ]
    for truth in truths:
        if truth["image_id"] == index:
            color = MISSED if truth["id"] in missed else RIGHT
            color = CONFUSED if truth["id"] in was else color
            color = IGNORED if truth["iscrowd"] else color
            left.append(_overlay(truth, ids, color, scale))
    right: list[Overlay | None] = []
    detected: list[tuple[str, float | None]] = []
    for kind, color in (("found", RIGHT), ("wrong", WRONG), ("ignored", IGNORED)):
        for number in getattr(score, kind):
            result = results[number - 1]
            seen = CONFUSED if number in taken_for else color
            right.append(_overlay(result, ids, seen, scale))
            detected.append((ids[result["category_id"]], float(result["score"])))
    lost = [truths[number - 1]["category_id"] for number in score.missed]
    instances = [(ids[class_id], None) for class_id in lost]
    image = _shrunk(sample.image, scale)
    sides = [
        draw_overlays(
            image, [overlay for overlay in side if overlay is not None], scale=enlarged
        )
        for side in (left, right)
    ]
    gap = np.full((sides[0].shape[0], GAP_PX, 3), WHITE, np.uint8)
    return Card(
        sample.name,
        np.concatenate([sides[0], gap, sides[1]], axis=1),
        [*instances, *sorted(detected, key=lambda one: -(one[1] or 0))],
        {
            "quality": score.quality,
            "found": len(score.found),
            "wrong": len(score.wrong),
            "missed": len(score.missed),
            **({"confused": len(score.confused)} if score.confused else {}),
        },
        note=_taken_for(score, truths, results, ids),
    )


def _taken_for(
    score: ImageScore, truths: Entries, results: Entries, ids: Mapping[int, str]
) -> str:
    """Returns "truck found as car (0.93)" for each thing under a wrong class."""
    texts = []
    more = len(score.confused) - TOLD
    for number, truth in score.confused[:TOLD]:
        result = results[number - 1]
        title, other = (
            ids[entry["category_id"]] for entry in (truths[truth - 1], result)
        )
        texts.append(f"{title} found as {other} ({result['score']:.2f})")
    return "; ".join(texts) + (f"; {more} more" if more > 0 else "")


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
    overlay = _of_shrunk(crop, scale, color)
    if color not in LABELLED:
        return overlay
    title = titles[entry["category_id"]]
    return overlay._replace(title=title, score=entry.get("score"))


def _of_shrunk(crop: MaskCrop, scale: float, color: tuple[int, int, int]) -> Overlay:
    """Returns a mask without a label, for an image that is shrunk by a factor."""
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


def _shrunk(image: Pixels, scale: float) -> Pixels:
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
