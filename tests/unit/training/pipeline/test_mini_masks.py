import numpy as np
import pytest
import tensorflow as tf

from models.resize import resize
from training.pipeline.mini_masks import mini_mask


@pytest.mark.parametrize("shape", [(1, 1), (3, 90), (56, 56), (112, 28), (131, 77)])
def test_equals_the_network_s_resize(shape):
    crop = np.random.default_rng(1).random(shape) < 0.5
    reference = resize(tf.constant(crop[:, :, None], tf.float32), (56, 56))
    np.testing.assert_array_equal(mini_mask(crop), np.around(reference[:, :, 0]) > 0)


def test_full_mask_stays_full():
    assert mini_mask(np.ones((7, 9), bool)).all()


def test_halves():
    crop = np.zeros((112, 112), bool)
    crop[:, 56:] = True
    mini = mini_mask(crop)
    # The outermost half pixel would blend with 0, were it not for the box's frame.
    assert mini.tolist() == [[False] * 28 + [True] * 28] * 56


def test_empty_crop():
    with pytest.raises(ValueError, match="at least one pixel"):
        mini_mask(np.zeros((0, 4), bool))
