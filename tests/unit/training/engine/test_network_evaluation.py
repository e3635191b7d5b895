from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from formats.supervisely.meta import BITMAP, ClassMeta
from tests.factories import meta_json, write_project
from training.config.train_config import read_config
from training.datasets.classes import make_class_map
from training.datasets.data_formats import labelled_data
from training.datasets.splits import open_set
from training.datasets.supervisely import open_supervisely
from training.detectors.detector import DetectorImage
from training.detectors.model import DetectionLimits
from training.detectors.network import NetworkDetector
from training.engine import network_evaluation as evaluation_module
from training.engine.network_evaluation import evaluate_network
from training.errors import DatasetError, TrainingError

CONFIG = read_config({"use_empty_images": True, "check_images": "header"})


@pytest.fixture
def dataset(tmp_path):
    classes = {"box": "rectangle", "dog": "polygon"}
    project = write_project(tmp_path / "project", meta_json(classes))
    rng = np.random.default_rng(0)
    for path in project.glob("ds/img/*"):
        cv2.imwrite(str(path), rng.integers(0, 256, (20, 30, 3), np.uint8))
    made = make_class_map(open_supervisely(project).project.meta.classes)
    return open_set(labelled_data(project=project), made, CONFIG)


def loud(network):
    """Makes a network see no background."""
    (bias,) = (
        v for v in network.layers["mrcnn_class_logits"].weights if v.name == "bias"
    )
    bias.assign([-20.0, 0.0, 0.0])
    return network


def find_all(detector, dataset):
    """Every detection in the first image."""
    pixels = dataset[0].image
    return detector(
        DetectorImage("a.png", pixels.shape[:2], lambda: pixels, lambda: b"")
    )


@pytest.mark.slow
def test_detector_returns_what_a_deployment_draws(make_network, dataset):
    from export.postprocess import finish
    from models.detections import Detections
    from models.preprocessing import letterbox, subtract_mean, to_canvas

    network = loud(make_network())
    network.config = dataclasses.replace(
        network.config, score_threshold=0.0, max_detections=50
    )
    found = find_all(NetworkDetector(network, DetectionLimits(0.0, 50)), dataset)
    image = tf.constant(dataset[0].image)
    plan = letterbox(tf.shape(image)[:2], network.config)
    canvas = subtract_mean(to_canvas(image, plan), network.config)
    seen, probs = network(canvas[None], plan.window[None])
    seen = Detections(*(x[0] for x in seen))
    names = tf.constant(["bg", "box", "dog"])
    expected = finish(seen, probs[0], plan, names, png=True)
    count = int(expected["num_detections"])
    assert count == len(found.scores) > 0
    for name, values in (("boxes", found.boxes), ("scores", found.scores)):
        wanted = expected[f"detection_{name}"][:count]
        np.testing.assert_allclose(values, wanted, atol=1e-4)
    assert np.array_equal(found.class_ids, expected["detection_classes"][:count])
    pixels = [
        np.count_nonzero(tf.io.decode_png(png))
        for png in expected["detection_masks_png_bytes"][:count].numpy()
    ]
    from pycocotools import mask as coco_mask

    assert pixels == [coco_mask.area(runs) for runs in found.masks]


@pytest.mark.slow
def test_traced_once_and_reads_the_weights_of_now(make_network, dataset):
    network, other = loud(make_network()), loud(make_network(seed=3))
    config = network.config
    done = []
    first = evaluate_network(network, dataset, lambda *now: done.append(now))
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert (first.images, first.objects) == (3, {"box": 2, "dog": 2})
    assert (first.score_threshold, first.max_detections) == (0.05, 100)
    detector = evaluation_module._detectors[network]
    before = find_all(detector, dataset)
    for mine, theirs in zip(network.variables, other.variables, strict=True):
        mine.assign(theirs)
    evaluate_network(network, dataset)
    after = find_all(detector, dataset)
    assert evaluation_module._detectors[network] is detector
    assert detector._find.experimental_get_tracing_count() == 1
    assert detector._draw.experimental_get_tracing_count() <= 1
    assert not np.array_equal(before.scores, after.scores)
    assert network.config is config


def test_errors(make_network, dataset):
    network = make_network()
    with pytest.raises(TrainingError, match="an empty one"):
        evaluate_network(network, dataclasses.replace(dataset, indices=()))
    many = make_class_map(
        [*dataset.source.classes, ClassMeta("zebra", BITMAP, "#000000")]
    )
    wrong = dataclasses.replace(dataset, classes=many)
    with pytest.raises(TrainingError, match=r"has 3 classes .* the set 4: box, dog, z"):
        evaluate_network(network, wrong)
    Path(dataset.locate(0)).unlink()
    with pytest.raises(DatasetError, match="No such file"):
        evaluate_network(network, dataset)
