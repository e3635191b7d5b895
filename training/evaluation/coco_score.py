"""COCO's average precision of detections, computed by pycocotools.

Crowds are crowds in COCO's sense: any number of detections of their class may lie on
one, and the share of a detection on it stands in for the IoU. Neutral regions are that
for detections of every class: at an IoU threshold t, a detection without a partner that
lies on them with a share of at least t counts neither as right nor as wrong.

An object's area is its number of pixels, its box the tight one of its mask.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from training.datasets.classes import ClassMap
from training.datasets.samples import LabelledImage
from training.detectors.detector import (
    Array,
    EvaluatedDetections,
    RunLengths,
    to_coco_mask,
)
from training.detectors.model import DetectionLimits
from training.evaluation.image_scores import (
    ImageScore,
    best_f1,
    image_scores,
    read_verdicts,
)
from training.evaluation.scores import ClassFigures, Evaluation, Figures

DIGITS = 6
"""Decimal places of figures."""
_ALL, _SMALL, _MEDIUM, _LARGE = range(4)
_IOU_50, _IOU_75 = 0, 5


class Score(NamedTuple):
    """What a scoring gives.

    Attributes:
        evaluation: the figures.
        precision: "mask" and "box" -> float64[10, 101, C - 1], precision at the IoU
            thresholds and recalls of a class; -1 throughout for a class without
            objects.
        images: what became of the objects and masks of each, in their order.
    """

    evaluation: Evaluation
    precision: Mapping[str, Array]
    images: tuple[ImageScore, ...]


class CocoScorer:
    """Collects images with what was found in them, then computes the figures.

    Attributes:
        truths: annotations, one a truth object or crowd.
        results: detections as COCO's results have them, with `id` and `area`.
    """

    def __init__(self, classes: ClassMap, limits: DetectionLimits) -> None:
        """Starts with no image.

        Args:
            classes: of the set.
            limits: which detections count.
        """
        self.truths: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self._classes = classes
        self._limits = limits
        self._images: list[dict[str, int]] = []
        self._neutral: dict[int, RunLengths] = {}

    def add(self, sample: LabelledImage, found: EvaluatedDetections) -> None:
        """Takes one image. Its number is how many there were before."""
        image_id = len(self._images)
        height, width = sample.size
        self._images.append({"id": image_id, "height": height, "width": width})
        for class_id, crop, crowd in zip(
            sample.class_ids, sample.masks, sample.is_crowd, strict=True
        ):
            runs = to_coco_mask(crop, sample.size)
            truth = _entry(len(self.truths), image_id, class_id, crop.box, runs)
            self.truths.append({**truth, "iscrowd": int(crowd)})
        if sample.neutral:
            pieces = [to_coco_mask(crop, sample.size) for crop in sample.neutral]
            self._neutral[image_id] = coco_mask.merge(pieces)
        found = found.best(self._limits.score_threshold, self._limits.max_detections)
        for box, class_id, score, runs in zip(*found, strict=True):
            result = _entry(len(self.results), image_id, class_id, box, runs)
            self.results.append({**result, "score": float(score)})

    def finish(self) -> Score:
        """Computes the figures of all images that were added."""
        precision, figures, matchings = {}, {}, {}
        for kind, iou_type in (("mask", "segm"), ("box", "bbox")):
            matching = matchings[kind] = self._match(iou_type)
            precision[kind] = matching.eval["precision"][:, :, :, _ALL, 0]
            figures[kind] = self._figures(matching.eval)
        ids = self._classes.ids
        objects = {
            title: sum(
                truth["category_id"] == ids[title] and not truth["iscrowd"]
                for truth in self.truths
            )
            for title in self._classes.foreground
        }
        counted = sum(objects.values())
        verdicts = read_verdicts(matchings["mask"])
        f1, threshold = best_f1(verdicts, counted)
        images = image_scores(
            len(self._images), self.truths, self.results, verdicts, threshold or 0.0
        )
        evaluation = Evaluation(
            mask=figures["mask"],
            box=figures["box"],
            images=len(self._images),
            objects=objects,
            crowds=sum(truth["iscrowd"] for truth in self.truths),
            detections=len(self.results),
            score_threshold=self._limits.score_threshold,
            max_detections=self._limits.max_detections,
            f1=f1,
            f1_score_threshold=threshold,
        )
        return Score(evaluation, precision, images)

    def _match(self, iou_type: str) -> COCOeval:
        """Matches detections with objects.

        Args:
            iou_type: "segm" or "bbox".
        """
        truths = [*map(dict, self.truths), *self._neutral_truths()]
        results = [dict(result) for result in self.results]
        if iou_type == "bbox":
            for result in results:
                result["area"] = result["bbox"][2] * result["bbox"][3]
        # pycocotools tells its progress on stdout, which belongs to the result.
        with contextlib.redirect_stdout(io.StringIO()):
            matching = _Matching(
                self._coco(truths), self._coco(results), iouType=iou_type
            )
            matching.params.maxDets = [self._limits.max_detections]
            matching.evaluate()
            matching.accumulate()
        return matching

    def _coco(self, annotations: list[dict[str, Any]]) -> COCO:
        ids = self._classes.ids
        coco = COCO()
        coco.dataset = {
            "images": self._images,
            "annotations": annotations,
            "categories": [{"id": ids[t], "name": t} for t in self._classes.foreground],
        }
        coco.createIndex()
        return coco

    def _neutral_truths(self) -> list[dict[str, Any]]:
        """Returns the neutral regions as a crowd of every class detected there."""
        wanted = sorted(
            {
                (result["image_id"], result["category_id"])
                for result in self.results
                if result["image_id"] in self._neutral
            }
        )
        truths = []
        for number, (image_id, class_id) in enumerate(wanted, len(self.truths)):
            runs = self._neutral[image_id]
            box = (0, 0, *runs["size"])
            truth = _entry(number, image_id, class_id, box, runs)
            truths.append({**truth, "iscrowd": 1, "neutral": True})
        return truths

    def _figures(self, accumulated: Mapping[str, Array]) -> Figures:
        precision = accumulated["precision"][..., 0]  # [10, 101, C - 1, 4]
        return Figures(
            ap=_mean(precision[..., _ALL]),
            ap50=_mean(precision[_IOU_50, ..., _ALL]),
            ap75=_mean(precision[_IOU_75, ..., _ALL]),
            ap_small=_mean(precision[..., _SMALL]),
            ap_medium=_mean(precision[..., _MEDIUM]),
            ap_large=_mean(precision[..., _LARGE]),
            ar=_mean(accumulated["recall"][..., _ALL, 0]),
            classes={
                title: ClassFigures(
                    ap=_mean(precision[:, :, number, _ALL]),
                    ap50=_mean(precision[_IOU_50, :, number, _ALL]),
                )
                for number, title in enumerate(self._classes.foreground)
            },
        )


class _Matching(COCOeval):
    """COCO's matching in which boxes meet the pixels of a neutral region.

    COCO knows the box of a crowd only, and that of a neutral region may be the image.
    """

    def computeIoU(self, imgId: int, catId: int) -> Any:  # noqa: N802, N803
        """Returns float64[detections, truths]; the names are those of the base."""
        ious = super().computeIoU(imgId, catId)
        truths, results = self._gts[imgId, catId], self._dts[imgId, catId]
        neutral = [i for i, truth in enumerate(truths) if "neutral" in truth]
        if self.params.iouType != "bbox" or not neutral:
            return ious
        results = sorted(results, key=lambda result: -result["score"])
        height, width = truths[neutral[0]]["segmentation"]["size"]
        boxes = coco_mask.frPyObjects(
            np.array([result["bbox"] for result in results]), height, width
        )
        regions = [truths[i]["segmentation"] for i in neutral]
        ious[:, neutral] = coco_mask.iou(boxes, regions, [1] * len(regions))
        return ious


def _entry(number: int, image_id: int, class_id: int, box: Any, runs: Any) -> Any:
    """Returns what truths and results have in common.

    Args:
        number: of the entry among its kind, from 0; ids count from 1, as pycocotools
            takes 0 for none.
        image_id: number of the image.
        class_id: from 1.
        box: four numbers yxyx, pixels.
        runs: the mask.
    """
    y1, x1, y2, x2 = (float(corner) for corner in box)
    return {
        "id": number + 1,
        "image_id": image_id,
        "category_id": int(class_id),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "segmentation": runs,
        "area": float(coco_mask.area(runs)),
    }


def _mean(values: Array) -> float | None:
    """Returns the mean of what could be measured; -1 stands for what could not.

    Rounded, as pycocotools divides by a little more than it counts.
    """
    measured = values[values > -1]
    return round(float(measured.mean()), DIGITS) if measured.size else None
