"""The figures of an evaluation: average precision and recall as COCO defines them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one class; None where no image has an object of it.

    Attributes:
        ap: mean over IoU 0.50, 0.55, ... 0.95.
        ap50: at IoU 0.5.
    """

    ap: float | None
    ap50: float | None


@dataclass(frozen=True)
class Figures:
    """Figures of masks or of boxes, means over classes, 0..1.

    None where there is nothing to measure, as with objects of a size that no image
    has.

    Attributes:
        ap: average precision, mean over IoU 0.50, 0.55, ... 0.95.
        ap50: at IoU 0.5.
        ap75: at IoU 0.75.
        ap_small: of objects with less than 32 x 32 pixels.
        ap_medium: of those from there to 96 x 96.
        ap_large: of those from there on.
        ar: average recall, mean over the same IoUs.
        classes: title -> figures of a class, in the order of the ids.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar: float | None
    classes: Mapping[str, ClassFigures]


@dataclass(frozen=True)
class Evaluation:
    """How good a network is on a set.

    Attributes:
        mask: figures of the masks.
        box: figures of the boxes.
        images: of the set.
        objects: title -> objects in the images, crowds not counted.
        crowds: groups that are not told apart.
        detections: that were scored.
        score_threshold: detections below were left out.
        max_detections: of an image.
        f1: the highest F1 of masks at IoU 0.5 that a score threshold gives, all classes
            counted together; None without objects.
        f1_score_threshold: that threshold; None where nothing right is found.
    """

    mask: Figures
    box: Figures
    images: int
    objects: Mapping[str, int]
    crowds: int
    detections: int
    score_threshold: float
    max_detections: int
    f1: float | None
    f1_score_threshold: float | None

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values; null where there is nothing to measure."""
        # Files have had "pictures" for `images` from the first.
        return {
            "pictures" if name == "images" else name: value
            for name, value in dataclasses.asdict(self).items()
        }
