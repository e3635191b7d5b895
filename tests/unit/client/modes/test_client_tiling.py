"""What a perfect model sees through sliding windows is what there is."""

import cv2
import numpy as np
import pytest

from client.image import LoadedImage
from client.modes.sliding_window import SlidingWindow
from client.modes.suppress import Suppression
from client.modes.windows import Windows
from client.transport.answer import ServedDetections
from formats.mask_crop import tight_crop
from tests.mode_run import run_mode

SIZE = (150, 190)
MAX_TIP_PX = 3


def draw_things():
    """Discs, ellipses and a ring, none of which touches another; int32[H, W]."""
    labels = np.zeros(SIZE, np.int32)
    centres = [(x, y) for y in range(18, 150, 29) for x in range(20, 190, 31)]
    for number, (x, y) in enumerate(centres, start=1):
        axes = (5 + number * 7 % 9, 5 + number * 5 % 8)
        cv2.ellipse(labels, (x, y), axes, number * 37, 0, 360, number, -1)
    cv2.circle(labels, centres[12], 11, 13, -1)
    cv2.circle(labels, centres[12], 4, 0, -1)
    return labels


class Perfect:
    """Finds exactly what a crop shows of each thing, with a score of its own."""

    def __init__(self, labels):
        self.labels = labels

    def detect_crops(self, image, crops):
        return [self._detect(crop) for crop in crops]

    def _detect(self, crop):
        part = self.labels[crop.top : crop.bottom, crop.left : crop.right]
        numbers = [n for n in np.unique(part).tolist() if n]
        masks = [tight_crop(part == number) for number in numbers]
        return ServedDetections(
            boxes=np.array([m.box for m in masks], np.float32).reshape(-1, 4),
            mask_boxes=np.array([m.box for m in masks], np.int32).reshape(-1, 4),
            class_ids=np.ones(len(numbers), np.int32),
            class_names=("thing",) * len(numbers),
            scores=np.array([0.99 - n / 100 for n in numbers], np.float32),
            mask_pngs=tuple(
                cv2.imencode(".png", m.mask.astype(np.uint8) * 255)[1].tobytes()
                for m in masks
            ),
            image_size=part.shape,
        )


@pytest.mark.parametrize("uses_masks", [True, False])
@pytest.mark.parametrize("overlap", [(0, 0), (3, 5), (16, 24), (40, 40)])
@pytest.mark.parametrize("window", [(64, 64), (66, 70), (50, 97), SIZE])
def test_tiles_give_back_whole_objects(window, overlap, uses_masks):
    """But for windows that touch: a tip of a few pixels may be left over there."""
    labels = draw_things()
    mode = SlidingWindow(
        windows=Windows(window, overlap),
        suppression=Suppression(0.3, uses_masks=uses_masks, joins=True),
    )
    image = LoadedImage("things", SIZE, pixels=np.zeros((*SIZE, 3), np.uint8))
    found = run_mode(mode, image, Perfect(labels)).entries
    tip_px = 0 if all(overlap) else MAX_TIP_PX
    things = [one for one in found if one.mask_crop.sum() > tip_px]
    assert len(things) == labels.max()
    for instance in things:
        number = round((0.99 - instance.score) * 100)
        assert (instance.mask != (labels == number)).sum() <= tip_px
    assert len(found) - len(things) <= bool(tip_px)
