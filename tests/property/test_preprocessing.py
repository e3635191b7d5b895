import math

import numpy as np
import tensorflow as tf
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from models import boxes as box_ops
from models.config import ModelConfig
from models.preprocessing import letterbox, to_image_frame
from models.resize import resize
from tests.reference import matterport

SIDES = st.integers(1, 3000)
CONFIGS = st.one_of(
    st.builds(
        lambda low, high, scale: ModelConfig(
            min_dim=low, max_dim=64 * high, min_scale=scale
        ),
        st.integers(0, 1200),
        st.integers(1, 20),
        st.sampled_from([0, 0.5, 2]),
    ),
    st.builds(
        lambda low: ModelConfig(resize_mode="pad64", min_dim=64 * low),
        st.integers(0, 16),
    ),
)


@settings(deadline=None)
@given(height=SIDES, width=SIDES, config=CONFIGS)
def test_image_lies_centred_on_its_canvas(height, width, config):
    box = letterbox((height, width), config)
    resized = box.resized_size.numpy()
    canvas, window = box.canvas_size.numpy(), box.window.numpy()
    assert (resized >= 1).all()
    assert np.array_equal(window[2:] - window[:2], resized)
    before, after = window[:2], canvas - window[2:]
    assert (before >= 0).all()
    assert ((after - before == 0) | (after - before == 1)).all()
    assert (canvas % 64 == 0).all()
    if config.resize_mode == "pad64":
        assert (canvas - resized < 64).all()
    else:
        assert canvas.tolist() == [config.max_dim] * 2


@settings(deadline=None)
@given(height=SIDES, width=SIDES, config=CONFIGS)
def test_resized_size_is_matterports(height, width, config):
    """The same arithmetic as plain Python floats and `round`."""
    scale = max(1, config.min_dim / min(height, width)) if config.min_dim else 1
    scale = max(scale, config.min_scale)
    longest = max(height, width)
    if config.resize_mode == "square" and round(longest * scale) > config.max_dim:
        scale = config.max_dim / longest
    expected = [max(1, round(height * scale)), max(1, round(width * scale))]
    assert letterbox((height, width), config).resized_size.numpy().tolist() == expected


@settings(deadline=None)
@given(height=SIDES, width=SIDES, config=CONFIGS, data=st.data())
@example(height=1, width=3000, config=ModelConfig(max_dim=64), data=None)
def test_canvas_boxes_come_back_to_the_image(height, width, config, data):
    """Shares of the window become the same shares of the image."""
    box = letterbox((height, width), config)
    window = box_ops.to_norm(box.window, box.canvas_size, tf.float64).numpy()
    share = st.floats(0, 1, width=32, allow_subnormal=False)
    y1, y2 = sorted((data.draw(share), data.draw(share)) if data else (0, 1))
    x1, x2 = sorted((data.draw(share), data.draw(share)) if data else (0, 1))
    extent = np.tile(window[2:] - window[:2], 2)
    on_canvas = np.tile(window[:2], 2) + np.float32([y1, x1, y2, x2]) * extent
    (back,) = to_image_frame(np.float32([on_canvas]), box).numpy()
    assert np.isfinite(back).all()
    for axis, side in enumerate((height, width)):
        assert 0 <= back[axis] <= back[axis + 2] <= side
        if extent[axis] > 0:
            start, end = ((y1, y2), (x1, x2))[axis]
            # A grey canvas pixel is side / resized image pixels; float32 noise of it.
            noise = 1e-6 * (side + side * 3000 / max(1, box.resized_size[axis]))
            assert math.isclose(back[axis], start * (side - 1), abs_tol=noise)
            assert math.isclose(back[axis + 2], end * (side - 1) + 1, abs_tol=noise)
        else:
            assert (back[axis], back[axis + 2]) == (0, side)


@settings(deadline=None, max_examples=60)
@given(
    source=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    target=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 2**32 - 1),
    as_float=st.booleans(),
)
def test_resizing_equals_skimage(source, target, seed, as_float):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*source, 2), dtype=np.uint8)
    if as_float:
        image = np.float32(image) / np.float32(255)
    resized = resize(image, np.int32(target)).numpy()
    expected = matterport.resize(image, target)
    assert np.array_equal(resized.astype(expected.dtype), expected)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 255))
def test_flat_images_stay_flat(height, width, level):
    image = np.full((7, 5, 3), level, np.uint8)
    assume(level > 0)
    assert (resize(image, (height, width)).numpy() == level).all()
