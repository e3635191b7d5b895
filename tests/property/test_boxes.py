import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models import boxes as box_ops

SIDES = st.integers(2, 4096)
UNIT = st.floats(0, 1, width=32, allow_subnormal=False)
SMALL = st.floats(-2, 2, width=32, allow_subnormal=False)


@st.composite
def boxes_norm(draw, min_side=0.0):
    """float32[4] yxyx within 0..1."""
    y1, y2 = sorted((draw(UNIT), draw(UNIT)))
    x1, x2 = sorted((draw(UNIT), draw(UNIT)))
    return np.float32([y1, x1, max(y2, y1 + min_side), max(x2, x1 + min_side)])


@settings(deadline=None)
@given(height=SIDES, width=SIDES, data=st.data())
def test_whole_pixels_survive_normalising(height, width, data):
    y1, y2 = sorted(data.draw(st.tuples(*[st.integers(0, height)] * 2)))
    x1, x2 = sorted(data.draw(st.tuples(*[st.integers(0, width)] * 2)))
    box = np.int32([[y1, x1, y2, x2]])
    size = tf.constant((height, width))
    back = box_ops.to_pixels(box_ops.to_norm(box, size, tf.float64), size)
    assert np.array_equal(np.around(back), box)
    np.testing.assert_allclose(back, box, atol=max(height, width) * 1e-7)


@settings(deadline=None)
@given(box=boxes_norm(), height=SIDES, width=SIDES)
def test_normalising_inverts_pixels(box, height, width):
    size = tf.constant((height, width))
    pixels = box_ops.to_pixels(box, size)
    back = box_ops.to_norm(pixels, size, tf.float64)
    np.testing.assert_allclose(back, box, atol=1e-6)


@settings(deadline=None)
@given(anchor=boxes_norm(min_side=0.01), target=boxes_norm(min_side=0.01))
def test_decoding_inverts_encoding(anchor, target):
    """Encodes as the paper does, in float64, and decodes."""
    anchor, target = anchor.astype(np.float64), target.astype(np.float64)
    extent, target_extent = anchor[2:] - anchor[:2], target[2:] - target[:2]
    shift = (target[:2] + target[2:] - anchor[:2] - anchor[2:]) / 2 / extent
    deltas = np.concatenate([shift, np.log(target_extent / extent)])
    decoded = box_ops.decode_deltas(np.float32(anchor), np.float32(deltas))
    np.testing.assert_allclose(decoded, target, atol=1e-4)


@settings(deadline=None)
@given(st.tuples(*[SMALL] * 4), boxes_norm())
def test_clipped_boxes_lie_in_their_window(box, window):
    box = np.float32(box)
    clipped = box_ops.clip(box, window).numpy()
    expected = np.clip(box, np.tile(window[:2], 2), np.tile(window[2:], 2))
    assert np.array_equal(clipped, expected)
    assert np.array_equal(box_ops.clip(clipped, window), clipped)
