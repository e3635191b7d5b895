import numpy as np
import pytest
import tensorflow as tf

from models.masks import round_boxes, to_box
from tests.reference import matterport


def call(run, probs, size):
    mask = run(to_box, np.float32(probs), np.int32(size))
    assert mask.dtype == tf.bool
    assert mask.shape == tuple(size)
    return mask.numpy()


def test_rounds_half_to_even(run):
    boxes = np.float32([[0.5, 1.5, 2.5, 3.5], [0.49, 1.51, 2.0, 99.5]])
    rounded = run(round_boxes, boxes, shapes=[(None, 4)])
    assert rounded.dtype == tf.int32
    assert rounded.numpy().tolist() == [[0, 2, 2, 4], [0, 2, 2, 100]]


def test_by_hand(run):
    """2 x 2 to 1 x 4: positions -0.25, 0.25, 0.75, 1.25 of the mean of both rows."""
    mask = call(run, [[0.4, 0.9], [0.4, 0.9]], (1, 4))
    # 0.4 (cut to the range), 0.525, 0.775, 0.675 (blended with 0 beyond the edge)
    assert mask.tolist() == [[False, True, True, True]]
    mask = call(run, [[0.4, 0.6], [0.4, 0.6]], (1, 4))
    # 0.4, 0.45, 0.55, 0.45
    assert mask.tolist() == [[False, False, True, False]]


def test_half_is_inside(run):
    assert call(run, np.full((28, 28), 0.5), (1, 1)).tolist() == [[True]]
    below = np.nextafter(np.float32(0.5), np.float32(0))
    assert call(run, np.full((28, 28), below), (1, 1)).tolist() == [[False]]


def test_own_size_is_a_threshold(run, rng):
    probs = np.float32(rng.uniform(0, 1, (28, 28)))
    assert np.array_equal(call(run, probs, (28, 28)), probs >= 0.5)


@pytest.mark.parametrize("value", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (5, 300), (40, 3)])
def test_flat_masks_stay_flat(run, value, size):
    """Clipping to the mask's range undoes the blend with 0 at the borders."""
    assert (call(run, np.full((28, 28), value), size) == (value >= 0.5)).all()


@pytest.mark.parametrize("side", [14, 28])
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 90), (28, 28), (27, 29), (56, 56), (113, 64), (301, 5)]
)
def test_against_matterports(run, rng, side, size):
    y, x = np.mgrid[:side, :side] / side
    blob = 1.2 - 2.5 * np.hypot(y - 0.45, x - 0.6) + rng.normal(0, 0.1, y.shape)
    probs = np.float32(np.clip(blob, 0, 1))
    expected = matterport.unmold_mask(probs, (0, 0, *size))
    assert np.array_equal(call(run, probs, size), expected)
