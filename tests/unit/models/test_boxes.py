import numpy as np
import pytest
import tensorflow as tf

from models import boxes as box_ops

BOXES = [(None, 4)]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_to_norm_by_hand(run, dtype):
    """The far corner loses a pixel, and an image of H rows is H - 1 long."""
    boxes = np.float32([[0, 0, 101, 201], [0, 0, 1, 1], [50, 20, 76, 121]])

    def to_norm(boxes, size):
        return box_ops.to_norm(boxes, size, dtype)

    normalised = run(to_norm, boxes, np.int32([101, 201]), shapes=[(None, 4), (None,)])
    assert normalised.dtype == tf.float32
    expected = [[0, 0, 1, 1], [0, 0, 0, 0], [0.5, 0.1, 0.75, 0.6]]
    np.testing.assert_allclose(normalised, expected, rtol=1e-7)


def test_to_pixels_by_hand(run):
    boxes = np.float32([[0, 0, 1, 1], [0, 0, 0, 0], [0.5, 0.25, 0.75, 1.25]])
    pixels = run(box_ops.to_pixels, boxes, np.int32([101, 201]), shapes=[*BOXES, [2]])
    assert pixels.dtype == tf.float64
    expected = [[0, 0, 101, 201], [0, 0, 1, 1], [50, 50, 76, 251]]
    assert np.array_equal(pixels, expected)


def test_integer_boxes_stay_exact(run):
    """Whole pixels of any canvas up to 2048 come back after rounding."""
    sides = np.arange(2048)
    boxes = np.stack([sides, sides, sides + 1, sides + 1], axis=-1).astype(np.int32)

    def there_and_back(boxes, size):
        return box_ops.to_pixels(box_ops.to_norm(boxes, size, tf.float64), size)

    back = run(there_and_back, boxes, np.int32([2048, 2048]), shapes=[*BOXES, [2]])
    assert np.array_equal(np.around(back), boxes)


@pytest.mark.parametrize(
    ("box", "deltas", "expected"),
    [
        ([0.2, 0.4, 0.6, 0.5], [0, 0, 0, 0], [0.2, 0.4, 0.6, 0.5]),
        # Half a height down, one width to the left.
        ([0.2, 0.4, 0.6, 0.5], [0.5, -1, 0, 0], [0.4, 0.3, 0.8, 0.4]),
        # Twice as high, half as wide, about the same centre.
        ([0.2, 0.4, 0.6, 0.5], [0, 0, np.log(2), -np.log(2)], [0, 0.425, 0.8, 0.475]),
        # Both: the centre moves by the height before scaling.
        ([0.2, 0.2, 0.4, 0.4], [1, 1, np.log(3), 0], [0.2, 0.4, 0.8, 0.6]),
        ([0.3, 0.3, 0.3, 0.3], [5, 5, 5, 5], [0.3, 0.3, 0.3, 0.3]),
    ],
)
def test_decode_deltas_by_hand(run, box, deltas, expected):
    decoded = run(
        box_ops.decode_deltas,
        np.float32([box]),
        np.float32([deltas]),
        shapes=[(None, 4), (None, 4)],
    )
    np.testing.assert_allclose(decoded, [expected], atol=1e-7)


def twins(run, name):
    """Returns how the op and its numpy twin are run."""
    op, twin = getattr(box_ops, name), getattr(box_ops, f"numpy_{name}")
    return lambda *values: run(op, *values, shapes=BOXES * 2), twin


def test_encode_deltas_by_hand(run):
    boxes = np.array([[0, 0, 4, 8], [2, 2, 4, 4]], np.float64)
    targets = np.array([[2, 4, 10, 8], [2, 2, 4, 4]], np.float64)
    expected = [[1, 0.25, np.log(2), -np.log(2)], [0, 0, 0, 0]]
    for encode in twins(run, "encode_deltas"):
        np.testing.assert_allclose(encode(boxes, targets), expected, rtol=1e-15)


def test_iou_by_hand(run):
    boxes = np.array([[0, 0, 4, 4], [1, 1, 1, 3], [0, 4, 4, 8]], np.float64)
    others = np.array(
        [[0, 0, 4, 4], [2, 2, 6, 6], [1, 1, 1, 3], [9, 9, 10, 10], [0, 1, 2, 3]],
        np.float64,
    )
    expected = [[1, 4 / 28, 0, 0, 0.25], [0, 0, 0, 0, 0], [0, 4 / 28, 0, 0, 0]]
    for iou in twins(run, "iou"):
        np.testing.assert_allclose(iou(boxes, others), expected, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_twins_agree_bit_for_bit(run, dtype, rng):
    boxes, others = np.sort(rng.uniform(0, 99, (2, 200, 2, 2)), axis=2).astype(dtype)
    boxes, others = boxes.reshape(-1, 4), others.reshape(-1, 4)
    op, twin = (overlap(boxes, others[:50]) for overlap in twins(run, "iou"))
    assert np.count_nonzero(twin) > 1000
    assert twin.dtype == dtype
    assert np.array_equal(op, twin)
    op, twin = (encode(boxes, others) for encode in twins(run, "encode_deltas"))
    assert np.array_equal(op[:, :2], twin[:, :2])
    # The logarithms of two libraries may differ in the last bit.
    np.testing.assert_allclose(op, twin, rtol=4 * np.finfo(dtype).eps)


def test_deltas_move_a_box_onto_its_target(run, rng):
    boxes, goals = np.sort(rng.uniform(0, 99, (2, 20, 2, 2)), axis=2).reshape(2, 20, 4)
    for encode in twins(run, "encode_deltas"):
        deltas = np.array(encode(boxes, goals))
        size = boxes[:, 2:] - boxes[:, :2]
        center = boxes[:, :2] + size / 2 + deltas[:, :2] * size
        half = size * np.exp(deltas[:, 2:]) / 2
        np.testing.assert_allclose(np.hstack([center - half, center + half]), goals)


def test_deltas_are_undone_by_decoding(run, rng):
    boxes, goals = np.sort(rng.uniform(0, 1, (2, 20, 2, 2)), axis=2).reshape(2, 20, 4)
    boxes, goals = boxes.astype(np.float32), goals.astype(np.float32)
    for encode in twins(run, "encode_deltas"):
        deltas = encode(boxes, goals)
        decoded = run(box_ops.decode_deltas, boxes, deltas, shapes=BOXES * 2)
        np.testing.assert_allclose(decoded, goals, atol=1e-5)


def test_clip_by_hand(run):
    boxes = np.float32(
        [[-1, -1, 2, 2], [0.3, 0.3, 0.5, 0.5], [0, 0, 0.1, 0.1], [2, 2, 3, 3]]
    )
    window = np.float32([0.2, 0.1, 0.6, 0.9])
    clipped = run(box_ops.clip, boxes, window, shapes=[(None, 4), (4,)])
    expected = np.float32(
        [
            [0.2, 0.1, 0.6, 0.9],
            [0.3, 0.3, 0.5, 0.5],
            [0.2, 0.1, 0.2, 0.1],  # outside: no area, on the window's edge
            [0.6, 0.9, 0.6, 0.9],
        ]
    )
    assert np.array_equal(clipped, expected)


def test_clip_takes_a_window_per_image(run):
    boxes = np.tile(np.float32([0, 0, 1, 1]), (2, 3, 1))
    windows = np.float32([[[0.1, 0.2, 0.3, 0.4]], [[0, 0, 0.5, 0.5]]])
    clipped = run(box_ops.clip, boxes, windows, shapes=[(None, None, 4)] * 2)
    assert np.array_equal(clipped, np.tile(windows, (1, 3, 1)))


def test_no_boxes(run):
    none = np.zeros((0, 4), np.float32)
    assert run(box_ops.decode_deltas, none, none, shapes=BOXES * 2).shape == (0, 4)
    for encode in twins(run, "encode_deltas"):
        assert encode(none, none).shape == (0, 4)
    for iou in twins(run, "iou"):
        assert iou(none, np.zeros((3, 4), np.float32)).shape == (0, 3)
        assert iou(np.zeros((3, 4), np.float32), none).shape == (3, 0)
    size = np.int32([5, 5])
    assert run(box_ops.to_pixels, none, size, shapes=[*BOXES, [2]]).shape == (0, 4)
