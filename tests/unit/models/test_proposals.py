import numpy as np
import pytest

from models.config import ModelConfig
from models.proposals import proposals
from tests.reference.detection import propose

SHAPES = [(None, None), (None, None, 4), (None, 4)]
NO_MOVE = (0, 0, 0, 0)
DECODE_NOISE = 2e-6
"""The reference decodes in float64."""


def config(**changes):
    return ModelConfig(**({"pre_nms_top_k": 6, "post_nms_top_k": 4} | changes))


def call(run, objectness, deltas, anchors, **changes):
    def op(*tensors):
        return proposals(*tensors, config(**changes))

    arrays = (np.float32(x) for x in (objectness, deltas, anchors))
    return run(op, *arrays, shapes=SHAPES).numpy()


# Two overlapping pairs and a box of its own.
ANCHORS = [
    [0.0, 0.0, 0.2, 0.2],
    [0.0, 0.0, 0.2, 0.19],  # IoU 0.95 with the first
    [0.5, 0.5, 0.9, 0.9],
    [0.5, 0.5, 0.8, 0.8],  # IoU 0.5625 with the third
    [0.2, 0.8, 0.3, 0.9],
]


def test_by_hand(run):
    result = call(run, [[0.1, 0.9, 0.5, 0.8, 0.05]], [[NO_MOVE] * 5], ANCHORS)
    rows = [ANCHORS[1], ANCHORS[3], ANCHORS[2], ANCHORS[4]]
    np.testing.assert_allclose(result, [rows], atol=1e-7)


def test_rows_past_the_last_are_zero(run):
    result = call(
        run,
        [[0.1, 0.9, 0.5, 0.8, 0.05]],
        [[NO_MOVE] * 5],
        ANCHORS,
        rpn_iou_threshold=0.5,
        post_nms_top_k=7,
        pre_nms_top_k=6000,
    )
    np.testing.assert_allclose(
        result[0, :3], [ANCHORS[1], ANCHORS[3], ANCHORS[4]], atol=1e-7
    )
    assert result.shape == (1, 7, 4)
    assert not result[0, 3:].any()


def test_top_k_comes_before_nms(run):
    """The two best overlap: one is left, though others would have been free."""
    result = call(
        run, [[0.9, 0.8, 0.5, 0.4, 0.3]], [[NO_MOVE] * 5], ANCHORS, pre_nms_top_k=2
    )
    np.testing.assert_allclose(result[0, 0], ANCHORS[0], atol=1e-7)
    assert not result[0, 1:].any()


def test_deltas_are_scaled_and_boxes_clipped(run):
    deltas = [[[2, 0, 0, 0], [0, 100, 0, np.log(2) / 0.2]]]
    anchors = [[0.4, 0.4, 0.6, 0.6], [0.1, 0.1, 0.3, 0.3]]
    result = call(run, [[0.9, 0.8]], deltas, anchors)
    expected = [[0.44, 0.4, 0.64, 0.6], [0.1, 1.0, 0.3, 1.0]]
    np.testing.assert_allclose(result[0, :2], expected, atol=1e-6)
    unscaled = call(run, [[0.9, 0.8]], deltas, anchors, rpn_delta_std=(1, 1, 1, 1))
    np.testing.assert_allclose(unscaled[0, 0], [0.8, 0.4, 1, 0.6], atol=1e-6)


def test_equal_scores_keep_the_anchors_order(run):
    anchors = [[0.1 * i, 0.1 * i, 0.1 * i + 0.1, 0.1 * i + 0.1] for i in range(8)]
    result = call(run, [[0.5] * 8], [[NO_MOVE] * 8], anchors)
    np.testing.assert_allclose(result[0], anchors[:4], atol=1e-6)


def test_images_do_not_mix(run):
    objectness = [[0.9, 0.1, 0.1, 0.1, 0.8], [0.1, 0.1, 0.9, 0.1, 0.1]]
    both = call(run, objectness, [[NO_MOVE] * 5] * 2, ANCHORS)
    for image, row in zip(both, objectness, strict=True):
        alone = call(run, [row], [[NO_MOVE] * 5], ANCHORS)
        assert np.array_equal(alone[0], image)


@pytest.mark.parametrize(
    ("anchors", "top_k", "limit", "iou_threshold"),
    [(300, 200, 100, 0.7), (300, 6000, 40, 0.3), (50, 50, 200, 0.5), (3, 2, 2, 1.0)],
)
def test_against_the_naive_version(run, rng, anchors, top_k, limit, iou_threshold):
    corners = rng.uniform(-0.1, 0.8, (anchors, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.05, 0.4, (anchors, 2))], 1)
    objectness = rng.permutation(anchors) / anchors  # no ties
    deltas = rng.normal(0, 1, (anchors, 4))
    result = call(
        run,
        [objectness],
        [deltas],
        boxes,
        pre_nms_top_k=top_k,
        post_nms_top_k=limit,
        rpn_iou_threshold=iou_threshold,
    )
    expected = propose(
        objectness,
        np.float32(deltas),
        np.float32(boxes),
        std=(0.1, 0.1, 0.2, 0.2),
        top_k=top_k,
        limit=limit,
        iou_threshold=iou_threshold,
    )
    assert (expected.any(axis=1)).sum() > min(limit, anchors) / 4
    np.testing.assert_allclose(result[0], expected, atol=DECODE_NOISE)
