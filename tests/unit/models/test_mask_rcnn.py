import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from examples.seeded_checkpoint import seeded_arrays
from models.architecture import preset
from models.checkpoint import load_network, write_arrays
from models.config import ModelConfig
from models.preprocessing import subtract_mean
from tests.reference.matching import Rows, pair

ROW_NOISE = 1e-4
"""Of boxes and scores, between batch sizes or ways to run."""
MASK_NOISE = 5e-3
"""Of mask probabilities: untrained masks are steep."""
WINDOW = [8, 0, 120, 128]


def generated_image(seed, size=(128, 128)):
    """uint8 RGB: grey noise and a few coloured rectangles."""
    rng = np.random.default_rng(seed)
    image = rng.integers(80, 110, (*size, 3))
    for _ in range(5):
        y, x = rng.integers(0, np.array(size) - 30)
        height, width = rng.integers(15, 60, 2)
        image[y : y + height, x : x + width] = rng.integers(0, 256, 3)
    return np.uint8(image)


@pytest.fixture(scope="module")
def canvas():
    """float32[2, 128, 128, 3]"""
    return subtract_mean(
        np.stack([generated_image(1), generated_image(2)]), ModelConfig()
    ).numpy()


class Image(NamedTuple):
    """What was found in one image of a batch, padding left out."""

    rows: Rows
    masks: np.ndarray


def image_of(prediction, image):
    found, masks = prediction
    count = int(found.count[image])
    return Image(
        Rows(*(x[image, :count].numpy() for x in found[:3])),
        masks[image, :count].numpy(),
    )


def assert_same_set(a, b):
    """Asserts that rows pair off one to one, within the noise, in any order.

    Boxes that end at 1.0 may have other masks: an ulp decides about their last sample.
    """
    pairs, extra, lost = pair(a.rows, b.rows, ROW_NOISE)
    assert (extra, lost) == ([], [])
    for i, j in pairs:
        if b.rows.boxes[j].max() < 1:
            np.testing.assert_allclose(a.masks[i], b.masks[j], atol=MASK_NOISE)


def test_output_is_a_whole_prediction(small_network, canvas):
    prediction = small_network(canvas, tf.constant([WINDOW] * 2))
    found, masks = prediction.detections, prediction.mask_probs
    rows = small_network.config.max_detections
    assert found.boxes_norm.shape == (2, rows, 4)
    assert masks.shape == (2, rows, 28, 28)
    for image in range(2):
        count = int(found.count[image])
        assert 3 <= count < rows
        boxes = found.boxes_norm[image, :count].numpy()
        assert (boxes[:, 0] >= np.float32(8 / 127)).all()
        assert (boxes[:, 2] <= np.float32(119 / 127)).all()
        assert (boxes[:, :2] <= boxes[:, 2:]).all()
        scores = found.scores[image, :count].numpy()
        assert (np.diff(scores) <= 0).all()
        assert scores.min() >= 0.7
        assert scores.max() <= 1
        assert set(found.class_ids[image, :count].numpy()) <= {1, 2}
        real = masks[image, :count].numpy()
        assert real.min() > 0
        assert real.max() <= 1
        assert 0.1 < real.mean() < 0.9
        for padding in (found.boxes_norm, found.class_ids, found.scores, masks):
            assert not np.any(padding[image, count:])


def test_batch_of_two_is_two_batches_of_one(small_network, canvas):
    windows = tf.constant([WINDOW, [0, 0, 128, 128]])
    both = small_network(canvas, windows)
    for image in range(2):
        part = slice(image, image + 1)
        alone = small_network(canvas[part], windows[part])
        assert len(image_of(alone, 0).masks) >= 3
        assert_same_set(image_of(both, image), image_of(alone, 0))
    pairs, _, _ = pair(image_of(both, 0).rows, image_of(both, 1).rows, ROW_NOISE)
    assert not pairs  # two different images


@pytest.mark.slow
def test_graph_equals_eager(small_network, canvas):
    signature = [
        tf.TensorSpec((None, None, None, 3), tf.float32),
        tf.TensorSpec((None, 4), tf.int32),
    ]
    graph = tf.function(small_network.__call__, input_signature=signature)
    for batch in (canvas, canvas[:1], canvas[:, :96, :64]):
        height, width = batch.shape[1:3]
        windows = tf.constant([[0, 0, height, width]] * len(batch))
        eager, traced = small_network(batch, windows), graph(batch, windows)
        for image in range(len(batch)):
            assert_same_set(image_of(traced, image), image_of(eager, image))


def test_mask_is_that_of_the_own_class(small_network, canvas):
    """Recomputed for one detection, from its own crop and its own class' channel."""
    features = small_network.trunk(canvas[:1])
    prediction = small_network(canvas[:1], tf.constant([WINDOW]))
    found = prediction.detections
    classes = found.class_ids[0].numpy().tolist()
    for class_id in (1, 2):
        row = classes.index(class_id)
        box = found.boxes_norm[0, row].numpy()
        level = "P3" if np.prod(box[2:] - box[:2]) * 128**2 > 80**2 else "P2"
        pooled = tf.image.crop_and_resize(features[level], [box], [0], (14, 14))
        logits = small_network.mask_head(pooled)[0, :, :, class_id]
        np.testing.assert_allclose(
            prediction.mask_probs[0, row], tf.sigmoid(logits), atol=MASK_NOISE
        )


@pytest.fixture
def silent_network(tmp_path):
    """A network that takes everything for background."""
    architecture = preset("small", num_classes=3)
    arrays = seeded_arrays(architecture, 0)
    arrays["mrcnn_class_logits", "bias"][0] = 1e4
    path = tmp_path / "silent.h5"
    write_arrays(arrays, architecture, path)
    config = ModelConfig(architecture, min_dim=64, max_dim=64, max_detections=7)
    return load_network(path, config)[0]


@pytest.mark.parametrize("batch", [1, 2])
def test_nothing_found(run, silent_network, canvas, batch):
    prediction = run(
        silent_network,
        canvas[:batch, :64, :64],
        np.int32([[0, 0, 64, 64]] * batch),
        shapes=[(None, None, None, 3), (None, 4)],
    )
    assert prediction.detections.count.numpy().tolist() == [0] * batch
    assert prediction.mask_probs.shape == (batch, 7, 28, 28)
    for tensor in tf.nest.flatten(prediction):
        assert not np.any(tensor)


def test_impossible_threshold_finds_less(small_file, small_network, canvas):
    config = dataclasses.replace(small_network.config, score_threshold=1.0)
    strict, _ = load_network(small_file, config)
    windows = tf.constant([WINDOW] * 2)
    found = strict(canvas, windows).detections
    reference = small_network(canvas, windows).detections
    for image in range(2):
        certain = int(np.sum(reference.scores[image] >= 1.0))
        assert int(found.count[image]) == certain


def test_limits_of_the_config_are_kept(small_file, small_network, canvas):
    config = dataclasses.replace(
        small_network.config, max_detections=2, post_nms_top_k=30, mask_pool_size=7
    )
    network, _ = load_network(small_file, config)
    prediction = network(canvas, tf.constant([WINDOW] * 2))
    assert prediction.detections.count.numpy().tolist() == [2, 2]
    assert prediction.mask_probs.shape == (2, 2, 14, 14)


def test_models_and_layers(small_network):
    assert [model.name for model in small_network.models] == [
        "trunk",
        "box_head",
        "mask_head",
    ]
    weights = [v for model in small_network.models for v in model.weights]
    assert {id(v) for v in small_network.variables} == {id(v) for v in weights}
