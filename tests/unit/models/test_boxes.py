import numpy as np
import pytest
import tensorflow as tf

from models import boxes as box_ops

BOXES = [(None, 4)]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_to_norm_by_hand(run, dtype):
    """The far corner loses a pixel, and a picture of H rows is H - 1 long."""
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
    size = np.int32([5, 5])
    assert run(box_ops.to_pixels, none, size, shapes=[*BOXES, [2]]).shape == (0, 4)
