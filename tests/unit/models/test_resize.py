import numpy as np
import pytest
import tensorflow as tf

from models.resize import resize
from tests.reference.matterport import resize as by_skimage

SIZES = [
    ((1, 1), (1, 1)),
    ((1, 1), (5, 3)),
    ((1, 7), (4, 2)),
    ((9, 1), (2, 6)),
    ((13, 17), (1, 1)),
    ((13, 17), (13, 17)),
    ((13, 17), (26, 34)),
    ((16, 12), (8, 6)),
    ((5, 300), (1, 64)),
    ((3, 400), (90, 3)),
    ((37, 53), (101, 79)),
    ((64, 48), (33, 31)),
    ((120, 90), (80, 60)),
    ((97, 131), (200, 271)),
]


def call(run, image, size):
    rank = [(None,) * 2 + (image.shape[-1],), (None,)]
    resized = run(resize, image, np.int32(size), shapes=rank)
    assert resized.dtype == tf.float64
    return resized.numpy()


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_images_equal_skimage_in_every_bit(run, rng, source, target):
    image = rng.integers(0, 256, (*source, 3), dtype=np.uint8)
    expected = by_skimage(image, target)
    assert expected.dtype == np.float64
    assert np.array_equal(call(run, image, target), expected)


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_narrow_range_is_not_left(run, rng, source, target):
    """Borders blend with 0, then the result is cut to the image's own range."""
    image = rng.integers(200, 220, (*source, 3), dtype=np.uint8)
    resized = call(run, image, target)
    assert image.min() <= resized.min()
    assert resized.max() <= image.max()
    assert np.array_equal(resized, by_skimage(image, target))


@pytest.mark.parametrize("target", [(1, 1), (1, 40), (28, 28), (55, 31), (200, 3)])
def test_masks_equal_skimage(run, rng, target):
    mask = np.float32(rng.uniform(0, 1, (28, 28, 1)))
    resized = call(run, mask, target)
    expected = by_skimage(mask, target)
    assert expected.dtype == np.float32
    assert np.array_equal(np.float32(resized), expected)


def test_by_hand(run):
    """Two pixels to four: positions -0.25, 0.25, 0.75, 1.25; 0 lies outside."""
    image = np.float32([[[0.0], [100.0]]])
    resized = call(run, image, (1, 4))
    # The last would be 75 (blended with 0), the first 0.
    assert resized[0, :, 0].tolist() == [0, 25, 75, 75]


def test_same_size_changes_nothing(run, rng):
    image = rng.integers(0, 256, (31, 47, 3), dtype=np.uint8)
    assert np.array_equal(call(run, image, (31, 47)), image)
