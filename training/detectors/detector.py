"""What a network finds in an image, in the form that scores are computed from.

Frame: the image as people see it (EXIF applied). Masks are run lengths, so that what
is kept of an image grows with its outlines, not with its pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from formats.coco.rle import run_lengths
from formats.images.image import Pixels
from formats.mask_crop import MaskCrop

Array = np.ndarray[Any, Any]
RunLengths = dict[str, Any]
"""COCO's compressed form: {"size": [height, width], "counts": bytes}."""


class EvaluatedDetections(NamedTuple):
    """The detections of one image, n rows, best first.

    Attributes:
        boxes: float32[n, 4] yxyx pixels, half-open, not rounded.
        class_ids: int32[n], from 1.
        scores: float32[n], 0..1, descending.
        masks: n masks of the whole image; one may be without a pixel.
    """

    boxes: Array
    class_ids: Array
    scores: Array
    masks: tuple[RunLengths, ...]

    def best(self, score_threshold: float, max_detections: int) -> EvaluatedDetections:
        """Returns the rows with at least a score, no more than a number of them."""
        enough = self.scores >= np.float32(score_threshold)
        rows = np.flatnonzero(enough)[:max_detections]
        return EvaluatedDetections(
            self.boxes[rows],
            self.class_ids[rows],
            self.scores[rows],
            tuple(self.masks[row] for row in rows),
        )


class DetectorImage(NamedTuple):
    """An image to look at; it is read when it is asked for.

    Attributes:
        name: what messages call it.
        size: (height, width) as people see it, pixels.
        pixels: reads uint8[H, W, 3] RGB, EXIF applied.
        encoded: reads the file.
    """

    name: str
    size: tuple[int, int]
    pixels: Callable[[], Pixels]
    encoded: Callable[[], bytes]


Detector = Callable[[DetectorImage], EvaluatedDetections]


def to_coco_mask(crop: MaskCrop, size: tuple[int, int]) -> RunLengths:
    """Encodes a mask as pycocotools takes it.

    Args:
        crop: inside of the image.
        size: (height, width) of the image.
    """
    from pycocotools import mask as coco_mask

    runs = {"size": [*size], "counts": run_lengths(crop, size)}
    encoded: RunLengths = coco_mask.frPyObjects(runs, *size)
    return encoded
