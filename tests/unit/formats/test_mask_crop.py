import numpy as np
import pytest

from formats.mask_crop import MaskCrop, mask_iou, unite_crops


def block(y1, x1, y2, x2):
    return MaskCrop(y1, x1, np.ones((y2 - y1, x2 - x1), bool))


CORNER = MaskCrop(2, 3, np.array([[1, 1, 0], [1, 0, 0]], bool))


def test_part_is_cut_to_its_box():
    part = CORNER.part((0, 4, 3, 9))
    assert part.box == (2, 4, 3, 6)
    assert part.mask.tolist() == [[True, False]]
    assert np.shares_memory(part.mask, CORNER.mask)


@pytest.mark.parametrize(
    "box", [(0, 0, 2, 9), (4, 0, 9, 9), (0, 0, 9, 3), (0, 6, 9, 9), (9, 9, 9, 9)]
)
def test_part_beyond_has_no_pixel(box):
    assert not CORNER.part(box).mask.size
    assert not CORNER.within(box).any()
    assert CORNER.within(box).shape == (box[2] - box[0], box[3] - box[1])


def test_within_fills_its_box():
    assert CORNER.within((1, 2, 4, 5)).tolist() == [
        [False, False, False],
        [False, True, True],
        [False, True, False],
    ]


def test_drawing_keeps_what_is_there():
    canvas = np.zeros((2, 4), bool)
    canvas[1, 3] = True
    CORNER.draw_on(canvas, (2, 2))
    assert canvas.astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 0, 1]]


def test_union_is_as_large_as_the_box_around():
    union = unite_crops(
        [CORNER, block(3, 4, 5, 5), MaskCrop(2, 2, np.zeros((1, 1)) > 0)]
    )
    assert union.box == (2, 2, 5, 6)
    assert union.mask.astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0]]


@pytest.mark.parametrize(
    ("one", "two", "iou"),
    [
        (block(0, 0, 4, 4), block(2, 2, 6, 6), 4 / 28),
        (block(0, 0, 4, 4), block(0, 0, 4, 4), 1),
        (block(0, 0, 4, 4), block(4, 0, 8, 4), 0),
        (block(0, 0, 4, 4), block(9, 9, 12, 12), 0),
        (CORNER, block(2, 3, 4, 6), 0.5),
        (CORNER, block(3, 4, 4, 6), 0),  # its box meets it, its pixels do not
        (block(0, 0, 0, 4), block(0, 0, 0, 4), 0),
    ],
)
def test_iou_counts_pixels(one, two, iou):
    assert mask_iou(one, two) == mask_iou(two, one) == pytest.approx(iou)
