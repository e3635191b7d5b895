"""What NMS promises, for proposals and detections alike."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from models.architecture import Architecture
from models.config import ModelConfig
from models.detections import detections
from models.proposals import proposals
from tests.reference.nms import iou

THRESHOLDS = st.sampled_from([0.0, 0.3, 0.7, 1.0])
FLOAT_NOISE = 1e-5


def random_boxes(rng, count):
    """Boxes on a coarse grid, so that touching, equal and nested ones occur."""
    corners = rng.integers(0, 8, (count, 2))
    extents = rng.integers(0, 6, (count, 2))
    return np.float32(np.concatenate([corners, corners + extents], axis=1) / 14)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 40),
    top_k=st.integers(1, 60),
    limit=st.integers(1, 30),
    threshold=THRESHOLDS,
)
def test_proposals(seed, count, top_k, limit, threshold):
    rng = np.random.default_rng(seed)
    anchors = random_boxes(rng, count)
    objectness = np.float32(rng.integers(0, 10, (1, count)) / 10)
    config = ModelConfig(
        pre_nms_top_k=top_k, post_nms_top_k=limit, rpn_iou_threshold=threshold
    )
    result = proposals(objectness, tf.zeros((1, count, 4)), anchors, config)[0].numpy()
    assert result.shape == (limit, 4)
    assert ((result >= 0) & (result <= 1)).all()
    real = [row for row in result if row.any()]
    for i, box in enumerate(real):
        assert np.abs(anchors - box).max(axis=1).min() <= FLOAT_NOISE
        for other in real[:i]:
            assert iou(box, other) <= threshold + FLOAT_NOISE


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 40),
    limit=st.integers(1, 30),
    threshold=THRESHOLDS,
    score_threshold=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_detections(seed, count, limit, threshold, score_threshold):
    rng = np.random.default_rng(seed)
    rois = random_boxes(rng, count)
    probs = rng.integers(0, 4, (count, 3)) + 1e-3
    probs = np.float32(probs / probs.sum(axis=1, keepdims=True))
    config = ModelConfig(
        architecture=Architecture(num_classes=3),
        max_detections=limit,
        iou_threshold=threshold,
        score_threshold=score_threshold,
    )
    window = np.float32([[0.1, 0.0, 0.9, 1.0]])
    found = detections(
        rois[None], probs[None], tf.zeros((1, count, 3, 4)), window, config
    )
    rows = int(found.count[0])
    assert 0 <= rows <= min(limit, count)
    boxes, class_ids, scores = (x[0, :rows].numpy() for x in found[:3])
    candidates = (probs.argmax(axis=1) > 0) & (probs.max(axis=1) >= score_threshold)
    assert (rows > 0) == candidates.any()
    assert (np.diff(scores) <= 0).all()
    assert (scores >= score_threshold).all()
    assert np.isin(class_ids, (1, 2)).all()
    assert (boxes[:, ::2] >= np.float32(0.1)).all()
    assert (boxes[:, ::2] <= np.float32(0.9)).all()
    for i in range(rows):
        for j in range(i):
            if class_ids[i] == class_ids[j]:
                assert iou(boxes[i], boxes[j]) <= threshold + FLOAT_NOISE
