import dataclasses
import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from models.config import ModelConfig
from models.masks import round_boxes, to_box
from models.matterport_config import from_matterport
from models.preprocessing import (
    letterbox,
    subtract_mean,
    to_canvas,
    to_image_frame,
)
from tests.reference import goldens, matterport

SQUARE = ModelConfig(min_dim=400, max_dim=512)
PAD64 = ModelConfig(resize_mode="pad64", min_dim=448)
NONE = ModelConfig(resize_mode="none")


def plan(run, size, config):
    """Returns resized size, canvas size and window as lists."""
    box = run(lambda size: letterbox(size, config), np.int32(size))
    assert box.image_size.numpy().tolist() == list(size)
    for field in box:
        assert field.dtype == tf.int32
    return tuple(
        field.numpy().tolist()
        for field in (box.resized_size, box.canvas_size, box.window)
    )


@pytest.mark.parametrize(
    ("size", "resized", "window"),
    [
        # min_dim: 400 / 200 = 2, and 2 * 250 fits.
        ((200, 250), [400, 500], [56, 6, 456, 506]),
        # max_dim wins: 2 * 300 would be 600.
        ((200, 300), [341, 512], [85, 0, 426, 512]),
        # Never smaller than it is, unless it does not fit.
        ((450, 450), [450, 450], [31, 31, 481, 481]),
        ((512, 512), [512, 512], [0, 0, 512, 512]),
        ((1024, 512), [512, 256], [0, 128, 512, 384]),
        # An odd rest goes to the bottom and the right.
        ((401, 402), [401, 402], [55, 55, 456, 457]),
        # Exactly at the limit after rounding: 1.28 * 400 = 512.
        ((400, 400), [400, 400], [56, 56, 456, 456]),
        # 400 / 320 * 410 = 512.5, which rounds half to even: it still fits.
        ((320, 410), [400, 512], [56, 0, 456, 512]),
        # 1 pixel remains of 2 rows of 2000: 0.512 rounds to 1, as 0.256 must.
        ((2, 2000), [1, 512], [255, 0, 256, 512]),
        ((1, 2000), [1, 512], [255, 0, 256, 512]),
        ((5000, 1), [512, 1], [0, 255, 512, 256]),
        ((1, 1), [400, 400], [56, 56, 456, 456]),
    ],
)
def test_square_by_hand(run, size, resized, window):
    assert plan(run, size, SQUARE) == (resized, [512, 512], window)


@pytest.mark.parametrize(
    ("size", "resized"),
    [
        # Half a pixel: 0.5 * 65 = 32.5 -> 32 and 0.5 * 67 = 33.5 -> 34, to even.
        ((128, 65), [64, 32]),
        ((128, 67), [64, 34]),
        ((67, 128), [34, 64]),
    ],
)
def test_rounding_is_half_to_even(run, size, resized):
    config = ModelConfig(min_dim=0, max_dim=64)
    assert plan(run, size, config)[0] == resized


@pytest.mark.parametrize(
    ("size", "resized", "canvas", "window"),
    [
        ((437, 640), [448, 656], [448, 704], [0, 24, 448, 680]),
        ((375, 500), [448, 597], [448, 640], [0, 21, 448, 618]),
        ((448, 640), [448, 640], [448, 640], [0, 0, 448, 640]),
        ((600, 2000), [600, 2000], [640, 2048], [20, 24, 620, 2024]),  # no max_dim
        ((448, 1), [200704, 448], [200704, 448], [0, 0, 200704, 448]),
    ],
)
def test_pad64_by_hand(run, size, resized, canvas, window):
    assert plan(run, size, PAD64) == (resized, canvas, window)


def test_min_scale_enlarges_further(run):
    config = dataclasses.replace(SQUARE, min_dim=100, min_scale=1.5)
    assert plan(run, (200, 300), config)[0] == [300, 450]
    assert plan(run, (50, 60), config)[0] == [100, 120]  # min_dim asks for more
    assert plan(run, (400, 400), config)[0] == [512, 512]  # max_dim wins
    # 1.7 * 301 = 511.7 rounds to 512, which fits: 1.7 * 299 = 508.3 stays.
    config = dataclasses.replace(SQUARE, min_dim=0, min_scale=1.7)
    assert plan(run, (299, 301), config)[0] == [508, 512]


def test_min_dim_0_never_enlarges(run):
    config = dataclasses.replace(SQUARE, min_dim=0)
    assert plan(run, (20, 30), config)[0] == [20, 30]
    assert plan(run, (1024, 600), config)[0] == [512, 300]


def test_none_takes_sides_as_they_are(run):
    assert plan(run, (96, 160), NONE) == ([96, 160], [96, 160], [0, 0, 96, 160])


@pytest.mark.parametrize("size", [(100, 96), (96, 100), (1, 1)])
def test_none_refuses_other_sides(run, size):
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"multiples of 32, got height x width"
    ):
        plan(run, size, NONE)


def canvas_of(run, image, config):
    def op(image):
        return to_canvas(image, letterbox(tf.shape(image)[:2], config))

    canvas = run(op, image, shapes=[(None, None, 3)])
    assert canvas.dtype == tf.uint8
    return canvas.numpy()


def test_canvas_by_hand(run):
    """Positions -0.25, 0.25, 0.75, 1.25: truncated, not rounded; padding is 0."""
    config = ModelConfig(min_dim=4, max_dim=64)
    image = np.repeat(np.uint8([[[10], [101]]] * 2), 3, axis=2)
    canvas = canvas_of(run, image, config)
    assert canvas.shape == (64, 64, 3)
    # 10 + 91 / 4 = 32.75 and 10 + 3 * 91 / 4 = 78.25; 7.5 is cut to the range 10..101.
    assert canvas[31, 30:34, 0].tolist() == [10, 32, 78, 75]
    assert not canvas[:30].any()
    assert not canvas[34:].any()
    assert not canvas[:, :30].any()
    assert not canvas[:, 34:].any()


@pytest.mark.parametrize(
    ("size", "config"),
    [
        ((37, 53), ModelConfig(min_dim=50, max_dim=64)),
        ((200, 31), ModelConfig(min_dim=100, max_dim=128)),
        ((64, 64), ModelConfig(min_dim=64, max_dim=64)),
        ((50, 60), ModelConfig(min_dim=0, max_dim=128, min_scale=1.7)),
        ((1, 60), ModelConfig(min_dim=64, max_dim=128)),
        ((61, 97), ModelConfig(resize_mode="pad64", min_dim=64)),
        ((130, 65), ModelConfig(resize_mode="pad64", min_dim=64)),
        ((64, 96), NONE),
    ],
)
def test_canvas_equals_matterports(run, rng, size, config):
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    expected, window = matterport.resize_image(
        image, config.resize_mode, config.min_dim, config.max_dim, config.min_scale
    )
    assert np.array_equal(canvas_of(run, image, config), expected)
    assert plan(run, size, config)[2] == list(window)


def test_mean_is_taken_off(run):
    canvas = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    molded = run(
        lambda canvas: subtract_mean(canvas, ModelConfig()),
        canvas,
        shapes=[(None, None, None, 3)],
    ).numpy()
    expected = (canvas.astype(np.float64) - [123.7, 116.8, 103.9]).astype(np.float32)
    assert molded.tobytes() == expected.tobytes()
    assert molded[0, 0, 0].tolist() == np.float32([-123.7, -116.8, -103.9]).tolist()


def test_mean_of_the_config(run):
    config = ModelConfig(mean_pixel=(1, 2, 3))
    molded = run(lambda canvas: subtract_mean(canvas, config), np.uint8([[[9, 9, 9]]]))
    assert molded.numpy().tolist() == [[[8, 7, 6]]]


def to_frame(run, boxes_norm, size, config):
    def op(boxes, size):
        return to_image_frame(boxes, letterbox(size, config))

    boxes = run(op, np.float32(boxes_norm), np.int32(size), shapes=[(None, 4), (2,)])
    assert boxes.dtype == tf.float32
    return boxes.numpy()


def test_back_to_the_image_by_hand(run):
    """200 x 250 -> 400 x 500 at (56, 6) of 512 x 512."""
    window = np.array([56, 6, 455, 505]) / 511
    upper_half = [*window[:2], (56 + 399 / 2) / 511, window[3]]
    boxes = to_frame(run, [window, upper_half], (200, 250), SQUARE)
    # Half of the 199 pixels between the centres, and one for the far corner.
    expected = [[0, 0, 200, 250], [0, 0, 100.5, 250]]
    np.testing.assert_allclose(boxes, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "config"),
    [
        ((200, 250), SQUARE),
        ((1200, 801), SQUARE),
        ((33, 471), SQUARE),
        ((437, 640), PAD64),
        ((96, 160), NONE),
    ],
)
def test_back_to_the_image_as_matterport(run, rng, size, config):
    box = letterbox(size, config)
    canvas_size = box.canvas_size.numpy()
    window_norm = matterport.norm_boxes(box.window.numpy(), canvas_size)
    share = np.sort(rng.uniform(0, 1, (200, 2, 2)), axis=1).reshape(200, 4)
    low, high = np.tile(window_norm[:2], 2), np.tile(window_norm[2:], 2)
    boxes_norm = np.float32(low + share * (high - low))
    boxes_norm[0] = window_norm
    boxes_norm[1] = [*window_norm[:2], *window_norm[:2]]
    boxes = to_frame(run, boxes_norm, size, config)
    expected = matterport.unmold_boxes(
        boxes_norm, size, canvas_size, box.window.numpy()
    )
    assert np.array_equal(np.around(boxes).astype(np.int32), expected)
    assert expected[0].tolist() == [0, 0, *size]
    assert expected[1].tolist() == [0, 0, 1, 1]


def test_noise_does_not_leave_the_image(run):
    window = np.float32([56, 6, 455, 505]) / np.float32(511)
    beyond = window + np.float32([-1, -1, 1, 1]) * np.float32(1e-6)
    boxes = to_frame(run, [beyond], (200, 250), SQUARE)
    assert boxes.tolist() == [[0, 0, 200, 250]]


@pytest.mark.parametrize("size", [(1, 2000), (3, 4000), (5000, 1)])
def test_images_resized_to_one_row_have_finite_boxes(run, size):
    box = letterbox(size, SQUARE)
    window_norm = matterport.norm_boxes(box.window.numpy(), (512, 512))
    (whole,) = to_frame(run, [window_norm], size, SQUARE)
    assert whole.tolist() == [0, 0, *size]


@goldens.needs_goldens
@pytest.mark.parametrize("name", goldens.NAMES)
def test_golden_images(name):
    """Decoded, resized, padded and without the mean: equal in every byte."""
    golden = goldens.load(name)
    config = golden_config(golden)
    with Image.open(goldens.ROOT / "images" / str(golden["image_file"])) as file:
        image = np.asarray(file.convert("RGB"))
    digest = hashlib.sha256(image.tobytes()).hexdigest()
    assert digest == str(golden["image_sha256"])
    box = letterbox(image.shape[:2], config)
    assert box.window.numpy().tolist() == golden["window_px"].tolist()
    canvas = to_canvas(tf.constant(image), box)
    assert np.array_equal(canvas, golden["resized_uint8"])
    molded = subtract_mean(canvas, config).numpy()
    digest = hashlib.sha256(molded.tobytes()).hexdigest()
    assert digest == str(golden["molded_sha256_f32"])


@goldens.needs_goldens
@pytest.mark.parametrize("name", goldens.NAMES)
def test_golden_instances(name):
    """Stored detections and masks to boxes and pixels of the image: all equal."""
    golden = goldens.load(name)
    size = golden["image_shape"][:2]
    box = letterbox(size, golden_config(golden))
    count = int(golden["n_detections"])
    boxes = round_boxes(to_image_frame(golden["detections"][:count, :4], box)).numpy()
    assert np.array_equal(boxes, golden["final_rois"])
    height, width, _ = golden["final_masks_shape"]
    masks = np.unpackbits(golden["final_masks_packed"])[: height * width * count]
    masks = masks.reshape(count, height, width)
    probs = golden["mrcnn_mask_of_class"]
    for (y1, x1, y2, x2), mask, expected in zip(boxes, probs, masks, strict=True):
        drawn = np.zeros((height, width), bool)
        drawn[y1:y2, x1:x2] = to_box(mask, tf.constant((y2 - y1, x2 - x1)))
        assert np.array_equal(drawn, expected)


def golden_config(golden):
    return from_matterport(json.loads(str(golden["config_json"])))
