import numpy as np
import pytest

from models.architecture import Architecture
from models.config import ModelConfig
from models.detections import detections
from tests.reference.detection import detect

BOX_NOISE = 2e-6
"""The reference decodes in float64."""
FULL = [0, 0, 1, 1]


def config(num_classes=3, **changes):
    return ModelConfig(
        architecture=Architecture(num_classes=num_classes),
        **({"max_detections": 5} | changes),
    )


def call(run, rois, probs, deltas=None, windows=None, **changes):
    """Runs the op on a batch; `changes` go into the config."""
    rois, probs = np.float32(rois), np.float32(probs)
    batch, _, classes = probs.shape
    deltas = np.zeros((*probs.shape, 4)) if deltas is None else deltas
    windows = np.tile(FULL, (batch, 1)) if windows is None else windows
    settings = config(num_classes=classes, **changes)
    shapes = [(None, None, 4), (None, None, classes), (None, None, classes, 4)]

    def op(*tensors):
        return detections(*tensors, settings)

    arrays = rois, probs, np.float32(deltas), np.float32(windows)
    found = run(op, *arrays, shapes=[*shapes, (None, 4)])
    rows = settings.max_detections
    assert found.boxes_norm.shape == (batch, rows, 4)
    assert found.class_ids.shape == found.scores.shape == (batch, rows)
    for image, count in enumerate(found.count):
        assert not np.any(found.boxes_norm[image, count:])
        assert not np.any(found.class_ids[image, count:])
        assert not np.any(found.scores[image, count:])
    return found


def boxes(found, image=0):
    return found.boxes_norm[image, : found.count[image]].numpy()


def classes(found, image=0):
    return found.class_ids[image, : found.count[image]].numpy().tolist()


def scores(found, image=0):
    return found.scores[image, : found.count[image]].numpy()


APART = [[0.1 * i, 0.1 * i, 0.1 * i + 0.1, 0.1 * i + 0.1] for i in range(9)]
"""Boxes that touch and do not overlap."""


def test_by_hand(run):
    probs = [
        [0.05, 0.8, 0.15],
        [0.9, 0.05, 0.05],  # background
        [0.1, 0.2, 0.7],  # exactly the threshold, in float32
        [0.31, 0.69, 0],  # below it
        [0.0, 0.05, 0.95],
    ]
    found = call(run, [APART[:5]], [probs])
    assert found.count.numpy().tolist() == [3]
    assert classes(found) == [2, 1, 2]
    np.testing.assert_allclose(scores(found), [0.95, 0.8, 0.7], rtol=1e-6)
    expected = [APART[4], APART[0], APART[2]]
    np.testing.assert_allclose(boxes(found), expected, atol=1e-7)


def test_own_class_deltas_are_scaled(run):
    deltas = np.zeros((1, 1, 3, 4))
    deltas[0, 0, 1] = [9, 9, 9, 9]
    deltas[0, 0, 2] = [1, -1, np.log(2) / 0.2, 0]
    found = call(run, [[[0.4, 0.4, 0.6, 0.6]]], [[[0, 0.1, 0.9]]], deltas)
    np.testing.assert_allclose(boxes(found), [[0.32, 0.38, 0.72, 0.58]], atol=1e-6)


def test_boxes_are_clipped_to_the_window_of_their_image(run):
    rois = [[[0, 0, 1, 0.5]], [[0, 0, 1, 0.5]]]
    windows = [[0.25, 0, 0.75, 1], [0, 0.125, 1, 0.375]]
    found = call(run, rois, [[[0, 1, 0]]] * 2, windows=windows)
    np.testing.assert_allclose(boxes(found, 0), [[0.25, 0, 0.75, 0.5]])
    np.testing.assert_allclose(boxes(found, 1), [[0, 0.125, 1, 0.375]])


def test_clip_comes_before_nms(run):
    """Two boxes that overlap by a fifth do so completely inside the window."""
    rois = [[[0.0, 0, 0.6, 1], [0.4, 0, 1.0, 1]]]
    probs = [[[0, 0.9, 0.1], [0, 0.8, 0.2]]]
    assert call(run, rois, probs).count[0] == 2
    windows = [[0.4, 0, 0.6, 1]]
    found = call(run, rois, probs, windows=windows)
    np.testing.assert_allclose(scores(found), [0.9])


def test_nms_is_per_class(run):
    same = [0.2, 0.2, 0.6, 0.6]
    probs = [[0, 0.8, 0.2], [0, 0.1, 0.9], [0, 0.85, 0.15], [0, 0, 1]]
    found = call(run, [[same] * 4], [probs])
    assert classes(found) == [2, 1]
    np.testing.assert_allclose(scores(found), [1, 0.85])


def test_iou_at_the_threshold_is_kept(run):
    """IoU of 0.5 exactly: neither is dropped at 0.5, one is just below."""
    rois = [[[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.25]]]
    probs = [[[0, 0.9, 0.1], [0, 0.8, 0.2]]]
    assert call(run, rois, probs, iou_threshold=0.5).count[0] == 2
    assert call(run, rois, probs, iou_threshold=0.49).count[0] == 1


def test_ties_keep_the_proposals_order(run):
    probs = [[0, 0.75, 0.25], [0, 0.25, 0.75]] * 4
    found = call(run, [APART[:8]], [probs])
    assert classes(found) == [1, 2, 1, 2, 1]
    np.testing.assert_allclose(boxes(found), APART[:5], atol=1e-7)


def test_tie_with_background_is_background(run):
    """The first of equal probabilities wins, as in numpy."""
    found = call(run, [APART[:2]], [[[0.5, 0.5, 0], [0, 0.5, 0.5]]], score_threshold=0)
    assert classes(found) == [1]


def test_nothing_found(run):
    background = [[1, 0, 0]] * 3
    found = call(run, [APART[:3]] * 2, [background, background])
    assert found.count.numpy().tolist() == [0, 0]


def test_nothing_found_beside_something(run):
    probs = [[[1, 0, 0]] * 2, [[0, 0.9, 0.1], [1, 0, 0]], [[1, 0, 0]] * 2]
    found = call(run, [APART[:2]] * 3, probs)
    assert found.count.numpy().tolist() == [0, 1, 0]
    assert classes(found, 1) == [1]


@pytest.mark.parametrize("limit", [1, 3, 8])
def test_more_than_the_limit(run, limit):
    certain = np.linspace(0.71, 0.99, 9)
    probs = [[[0, p, 1 - p] for p in certain]]
    found = call(run, [APART], probs, max_detections=limit)
    assert found.count[0] == limit
    np.testing.assert_allclose(scores(found), certain[::-1][:limit], rtol=1e-6)
    np.testing.assert_allclose(boxes(found), APART[::-1][:limit], atol=1e-7)


def test_fewer_proposals_than_the_limit(run):
    found = call(run, [APART[:1]], [[[0, 1, 0]]], max_detections=50)
    assert found.count[0] == 1


def test_zero_rois_are_no_detections_of_their_own(run):
    """Padding of the proposals is scored like anything else, and clipped away."""
    found = call(run, [[[0, 0, 0, 0]] * 3], [[[0, 0.9, 0.1]] * 3])
    assert found.count[0] == 3  # boxes without area never overlap
    assert not boxes(found).any()


@pytest.mark.parametrize(
    ("count", "num_classes", "limit", "iou_threshold"),
    [(60, 4, 100, 0.3), (120, 3, 10, 0.5), (40, 2, 100, 0.0), (80, 30, 100, 0.3)],
)
def test_against_the_naive_version(run, rng, count, num_classes, limit, iou_threshold):
    batch = 2
    corners = rng.uniform(0, 0.7, (batch, count, 2))
    extents = rng.uniform(0.05, 0.4, (batch, count, 2))
    rois = np.float32(np.concatenate([corners, corners + extents], axis=-1))
    logits = rng.normal(0, 3, (batch, count, num_classes))
    probs = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    deltas = np.float32(rng.normal(0, 1, (batch, count, num_classes, 4)))
    windows = np.float32([[0.1, 0, 0.9, 1], [0, 0.2, 1, 0.8]])
    found = call(
        run,
        rois,
        probs,
        deltas,
        windows,
        max_detections=limit,
        score_threshold=0.5,
        iou_threshold=iou_threshold,
    )
    for image in range(batch):
        expected = detect(
            rois[image],
            np.float32(probs[image]),
            deltas[image],
            windows[image],
            std=(0.1, 0.1, 0.2, 0.2),
            score_threshold=0.5,
            iou_threshold=iou_threshold,
            max_detections=limit,
        )
        assert 2 < len(expected) < count
        assert classes(found, image) == [row[1] for row in expected]
        assert scores(found, image).tolist() == [row[2] for row in expected]
        np.testing.assert_allclose(
            boxes(found, image), [row[0] for row in expected], atol=BOX_NOISE
        )
