import numpy as np
import pytest

from training.pipeline.neutral import neutral_share
from training.pipeline.rpn_targets import rpn_targets

STD = (0.1, 0.1, 0.2, 0.2)


class First:
    """Leaves out the first candidates."""

    def choice(self, a, size, replace):
        assert not replace
        return a[:size]


def targets(anchors, class_ids, boxes, **options):
    return rpn_targets(
        np.array(anchors, np.float64),
        np.array(class_ids, np.int32),
        np.reshape(np.array(boxes, np.float32), (-1, 4)),
        rng=First(),
        delta_std=STD,
        **options,
    )


BOX = (0, 0, 10, 10)
ANCHORS = [
    (0, 0, 10, 10),  # IoU 1
    (0, 0, 10, 8),  # 0.8
    (0, 0, 10, 5),  # 0.5: neither
    (0, 0, 10, 2),  # 0.2
    (50, 50, 60, 60),  # 0
]


def test_positive_neutral_zone_negative():
    match, deltas = targets(ANCHORS, [1], [BOX])
    assert match.tolist() == [1, 1, 0, -1, -1]
    assert match.dtype == np.int8
    np.testing.assert_allclose(deltas[0], 0)
    # Centre of the second anchor is at x = 4, width 8.
    expected = (0, (5 - 4) / 8 / 0.1, 0, np.log(10 / 8) / 0.2)
    np.testing.assert_allclose(deltas[1], expected, rtol=1e-6)
    assert not deltas[2:].any()


def test_closest_anchor_is_positive_however_far():
    match, _ = targets(ANCHORS[2:], [1], [BOX])
    assert match.tolist() == [1, -1, -1]


def test_all_of_equally_close_anchors():
    match, _ = targets([ANCHORS[2], ANCHORS[2], ANCHORS[3]], [1], [BOX])
    assert match.tolist() == [1, 1, -1]


def test_box_that_no_anchor_touches_has_no_positive():
    match, _ = targets(ANCHORS[:1], [1], [(80, 80, 90, 90)])
    assert match.tolist() == [-1]


def test_padding_is_no_object():
    padded = targets(ANCHORS, [1, 0], [BOX, (0, 0, 0, 0)])
    plain = targets(ANCHORS, [1], [BOX])
    assert padded.match.tolist() == plain.match.tolist()


def test_no_object_at_all():
    match, deltas = targets(ANCHORS, [], [])
    assert match.tolist() == [-1] * 5
    assert not deltas.any()


def test_crowds_are_neither_object_nor_background():
    match, _ = targets(ANCHORS, [1, -1], [BOX, (50, 50, 60, 51)])
    assert match.tolist() == [1, 1, 0, -1, 0]


def test_surplus_positives_and_negatives_are_left_out():
    anchors = [BOX] * 3 + [(50, 50, 60, 60)] * 4
    match, deltas = targets(anchors, [1], [BOX], anchors_per_image=4)
    assert match.tolist() == [0, 1, 1, 0, 0, -1, -1]
    assert deltas.shape == (4, 4)


def test_negatives_fill_up_where_positives_are_few():
    match, _ = targets([BOX] + [(50, 50, 60, 60)] * 4, [1], [BOX], anchors_per_image=4)
    assert match.tolist() == [1, 0, -1, -1, -1]


@pytest.mark.parametrize(("columns", "expected"), [(5, -1), (6, 0), (10, 0)])
def test_more_than_half_neutral_is_no_negative(columns, expected):
    neutral = np.zeros((64, 64), np.uint8)
    neutral[50:60, 50 : 50 + columns] = 1
    match, _ = targets(ANCHORS, [1], [BOX], neutral=neutral)
    assert match.tolist() == [1, 1, 0, -1, expected]


def test_positives_stay_on_neutral():
    match, _ = targets(ANCHORS, [1], [BOX], neutral=np.ones((64, 64), np.uint8))
    assert match.tolist() == [1, 1, 0, 0, 0]


def test_no_neutral_pixel_changes_nothing():
    neutral = np.zeros((64, 64), np.uint8)
    with_map = targets(ANCHORS, [1], [BOX], neutral=neutral)
    assert with_map.match.tolist() == targets(ANCHORS, [1], [BOX]).match.tolist()


def test_neutral_share_of_fractional_boxes():
    neutral = np.zeros((8, 8), np.uint8)
    neutral[2:4, 2:4] = 1
    boxes = np.array(
        [(2, 2, 4, 4), (1.5, 2, 3.5, 4), (0, 0, 8, 8), (-4, -4, 3, 3), (9, 9, 9, 12)]
    )
    # The fourth has 9 pixels inside the canvas, one of them neutral.
    np.testing.assert_allclose(
        neutral_share(boxes, neutral), [1, 0.75, 1 / 16, 1 / 9, 0]
    )
