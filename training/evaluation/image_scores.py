"""How good a network is on each image: which objects it found, missed, made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

CONFUSED_IOU = 0.5
"""Of masks; from there on they are one thing."""
DIGITS = 6
"""Decimal places of figures."""


class Verdict(NamedTuple):
    """What COCO's matching says of a detection at IoU 0.5.

    Attributes:
        result_id: id of the detection.
        score: 0..1.
        truth_id: id of the object that it finds, 0 for none.
        ignored: it lies on a crowd or on neutral pixels, and does not count.
    """

    result_id: int
    score: float
    truth_id: int
    ignored: bool


class ImageScore(NamedTuple):
    """One image, at the score threshold of the best F1 and IoU 0.5.

    Attributes:
        quality: the IoUs of the found objects' masks, added up, over the found and half
            of the missed and the wrong: panoptic quality (Kirillov et al. 2019, eq. 1),
            over all classes at once. None where there was nothing to find or make up.
        found: ids of results that find an object.
        wrong: ids of results that find none.
        ignored: ids of results that do not count.
        missed: ids of truths that no result finds.
        confused: of these two, (result, truth) where they are one thing under two
            classes: masks with an IoU of at least 0.5.
    """

    quality: float | None
    found: tuple[int, ...]
    wrong: tuple[int, ...]
    ignored: tuple[int, ...]
    missed: tuple[int, ...]
    confused: tuple[tuple[int, int], ...]


def read_verdicts(matching: Any) -> list[Verdict]:
    """Reads a COCOeval that was evaluated."""
    every_size = matching.params.areaRng[0]
    return [
        Verdict(result_id, score, int(truth_id), bool(ignored))
        for entry in matching.evalImgs
        if entry is not None and entry["aRng"] == every_size
        for result_id, score, truth_id, ignored in zip(
            entry["dtIds"],
            entry["dtScores"],
            entry["dtMatches"][0],
            entry["dtIgnore"][0],
            strict=True,
        )
    ]


def best_f1(
    verdicts: Sequence[Verdict], objects: int
) -> tuple[float | None, float | None]:
    """Returns the highest F1 of any score threshold, and that threshold.

    Args:
        verdicts: of all images.
        objects: that there are to find.
    """
    counted = sorted((-v.score, v.truth_id > 0) for v in verdicts if not v.ignored)
    if not objects:
        return None, None
    right = np.cumsum([found for _, found in counted])
    if not right.size or not right[-1]:
        return 0.0, None
    f1 = 2 * right / (np.arange(1, right.size + 1) + objects)
    scores = np.array([score for score, _ in counted])
    # A threshold takes all detections of a score or none.
    last = np.append(scores[1:] != scores[:-1], True)
    best = int(np.argmax(np.where(last, f1, 0)))
    return round(float(f1[best]), DIGITS), -counted[best][0]


def image_scores(
    images: int,
    truths: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Verdict],
    score_threshold: float,
) -> tuple[ImageScore, ...]:
    """Sorts objects and detections by what became of them.

    Args:
        images: how many there are.
        truths: annotations; id n at place n - 1, `image_id` from 0.
        results: detections, likewise.
        verdicts: of the detections.
        score_threshold: weaker ones are left out.
    """
    found: list[list[int]] = [[] for _ in range(images)]
    wrong: list[list[int]] = [[] for _ in range(images)]
    ignored: list[list[int]] = [[] for _ in range(images)]
    overlap = [0.0] * images
    seen = set()
    for verdict in verdicts:
        result = results[verdict.result_id - 1]
        image = result["image_id"]
        if verdict.score < score_threshold:
            continue
        if verdict.ignored:
            ignored[image].append(verdict.result_id)
        elif verdict.truth_id:
            found[image].append(verdict.result_id)
            seen.add(verdict.truth_id)
            pair = (result, truths[verdict.truth_id - 1])
            one, other = ([side["segmentation"]] for side in pair)
            overlap[image] += coco_mask.iou(one, other, [0])[0, 0]
        else:
            wrong[image].append(verdict.result_id)
    missed: list[list[int]] = [[] for _ in range(images)]
    for truth in truths:
        if not truth["iscrowd"] and truth["id"] not in seen:
            missed[truth["image_id"]].append(truth["id"])
    scores = []
    for image in range(images):
        lost = len(wrong[image]) + len(missed[image])
        weight = len(found[image]) + lost / 2
        quality = round(overlap[image] / weight, DIGITS) if weight else None
        scores.append(
            ImageScore(
                quality,
                found=tuple(found[image]),
                wrong=tuple(wrong[image]),
                ignored=tuple(ignored[image]),
                missed=tuple(missed[image]),
                confused=_confused(wrong[image], missed[image], results, truths),
            )
        )
    return tuple(scores)


def _confused(
    wrong: Sequence[int],
    missed: Sequence[int],
    results: Sequence[Mapping[str, Any]],
    truths: Sequence[Mapping[str, Any]],
) -> tuple[tuple[int, int], ...]:
    """Returns pairs of a wrong result and a missed truth that lie on each other.

    The most confident result comes first; each is in one pair, with the truth that it
    overlaps most. Those of one class are duplicates, or too far off, and no pair.
    """
    if not wrong or not missed:
        return ()
    order = sorted(wrong, key=lambda number: -results[number - 1]["score"])
    left = [results[number - 1]["segmentation"] for number in order]
    right = [truths[number - 1]["segmentation"] for number in missed]
    overlaps = coco_mask.iou(left, right, [0] * len(right))  # [wrong, missed]
    free = set(range(len(missed)))
    pairs = []
    for result_id, row in zip(order, overlaps.tolist(), strict=True):
        class_id = results[result_id - 1]["category_id"]
        near = [
            column
            for column in free
            if row[column] >= CONFUSED_IOU
            and truths[missed[column] - 1]["category_id"] != class_id
        ]
        if near:
            column = max(near, key=lambda one: row[one])
            free.remove(column)
            pairs.append((result_id, missed[column]))
    return tuple(pairs)
