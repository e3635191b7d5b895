"""Hand-made images of truths and detections."""

import dataclasses

import numpy as np

from formats.mask_crop import MaskCrop
from formats.supervisely.meta import BITMAP, ClassMeta
from serving.contract import ModelClass, ModelInfo, ModelInput
from training.datasets.classes import make_class_map
from training.datasets.samples import LabelledImage
from training.detectors.detector import EvaluatedDetections, to_coco_mask
from training.detectors.model import DetectionLimits
from training.evaluation.coco_score import CocoScorer

SIZE = (200, 300)
CLASSES = make_class_map([ClassMeta(t, BITMAP, "#010203") for t in ("cat", "dog")])


def rectangle(y1, x1, y2, x2):
    return MaskCrop(y1, x1, np.ones((y2 - y1, x2 - x1), np.bool_))


def sample(objects=(), crowds=(), neutral=(), size=SIZE):
    """An image; objects and crowds are (class id, crop)."""
    both = [*objects, *crowds]
    return LabelledImage(
        name="picture",
        size=size,
        class_ids=np.array([class_id for class_id, _ in both], np.int32),
        masks=tuple(crop for _, crop in both),
        is_crowd=np.array([False] * len(objects) + [True] * len(crowds), np.bool_),
        neutral=tuple(neutral),
        read_image=lambda: np.zeros((*size, 3), np.uint8),
    )


def found(*rows, size=SIZE):
    """Detections (class id, score, crop), best first."""
    return EvaluatedDetections(
        np.array([crop.box for _, _, crop in rows], np.float32).reshape(-1, 4),
        np.array([class_id for class_id, _, _ in rows], np.int32),
        np.array([score for _, score, _ in rows], np.float32),
        tuple(to_coco_mask(c, size) for _, _, c in rows),
    )


def info(**values):
    """What an exported model says of itself."""
    known = ModelInfo(
        name="m",
        classes=(ModelClass(0, "bg", "#222222"), ModelClass(1, "cat", "#123456")),
        backbone="small",
        input=ModelInput(64, 64, "square", 100),
        mask_size=28,
        score_threshold=0.7,
        iou_threshold=0.3,
        max_detections=100,
        precision="float32",
        checkpoint={},
        created="",
        versions={},
    )
    return dataclasses.replace(known, **values)


def scorer(classes=CLASSES, score_threshold=0.05, max_detections=100):
    return CocoScorer(classes, DetectionLimits(score_threshold, max_detections))


def evaluate(*images, **limits):
    """Figures of labelled images, each with what was found in it."""
    collected = scorer(**limits)
    for truth, detections in images:
        collected.add(truth, detections)
    return collected.finish().evaluation
