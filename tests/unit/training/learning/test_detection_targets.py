import numpy as np
import pytest
import tensorflow as tf

from models import boxes as box_ops
from training.config.groups import Rois
from training.learning.detection_targets import (
    Truth,
    detection_targets,
)
from training.pipeline.neutral import neutral_share_norm

STD = (0.1, 0.1, 0.2, 0.2)


def in_order(rows, seed):
    return rows


def eager(function):
    return function


def traced(function):
    def unknown(x):
        return tf.TensorSpec([None] * len(x.shape), x.dtype)

    def call(*args):
        args = tf.nest.map_structure(tf.convert_to_tensor, args)
        specs = tf.nest.map_structure(unknown, args)
        return tf.function(function, input_signature=specs)(*args)

    return call


@pytest.fixture(params=[eager, traced])
def run(request):
    return request.param


def targets(run, proposals, class_ids, boxes, masks=None, neutral=None, **options):
    """Targets of one image, without the leading dimension."""
    sampling = Rois(**{"per_image": 6, **options})
    count = len(class_ids)
    masks = np.ones((count, 8, 8), np.uint8) if masks is None else masks
    arrays = {
        "class_ids": np.array(class_ids, np.int32)[None],
        "boxes_norm": np.reshape(np.array(boxes, np.float32), (1, count, 4)),
        "masks": np.asarray(masks)[None],
    }
    if neutral is not None:
        arrays["neutral"] = neutral[None]

    def call(proposals, seeds, arrays):
        return detection_targets(
            proposals,
            Truth(**arrays),
            seeds,
            sampling=sampling,
            delta_std=STD,
            mask_size=4,
            shuffle=in_order,
        )

    proposals = np.array(proposals, np.float32)[None]
    result = run(call)(proposals, np.zeros((1, 2), np.int32), arrays)
    return tf.nest.map_structure(lambda x: x[0].numpy(), result)


BOX = (0.0, 0.0, 0.5, 0.5)
GOOD = (0.0, 0.0, 0.5, 0.4)  # IoU 0.8
POOR = (0.0, 0.0, 0.5, 0.2)  # 0.4
FAR = (0.6, 0.6, 0.9, 0.9)
ZERO = (0.0, 0.0, 0.0, 0.0)


def test_positives_then_negatives_then_padding(run):
    t = targets(run, [FAR, POOR, GOOD, FAR, ZERO], [2], [BOX])
    np.testing.assert_allclose(t.rois, np.float32([GOOD, FAR, POOR, ZERO, ZERO, ZERO]))
    assert t.class_ids.tolist() == [2, 0, 0, 0, 0, 0]
    # One positive of 0.33 brings int(1 / 0.33) - 1 = 2 negatives.
    assert t.count == 3
    expected = (0, (0.25 - 0.2) / 0.4 / 0.1, 0, np.log(0.5 / 0.4) / 0.2)
    np.testing.assert_allclose(t.deltas[0], expected, rtol=1e-5)
    assert not t.deltas[1:].any()


def test_no_positive_brings_no_negative(run):
    t = targets(run, [FAR, POOR], [2], [BOX])
    assert t.count == 0
    assert not t.rois.any()
    assert not t.mask_weights.any()


def test_no_object(run):
    t = targets(run, [FAR, POOR], [], [])
    assert t.count == 0


def test_filling_takes_all_negatives(run):
    t = targets(run, [FAR] * 9, [], [], fill_negatives=True)
    assert t.count == 6
    assert not t.class_ids.any()
    t = targets(run, [FAR] * 9 + [GOOD], [1], [BOX], fill_negatives=True)
    assert t.class_ids.tolist() == [1, 0, 0, 0, 0, 0]


def test_objects_as_proposals(run):
    t = targets(run, [FAR], [1, 0, -1], [BOX, ZERO, FAR], append_truth=True)
    np.testing.assert_allclose(t.rois[0], BOX)
    assert t.class_ids.tolist() == [1, 0, 0, 0, 0, 0]
    assert t.count == 1  # FAR lies on the crowd


def test_share_of_positives_is_limited(run):
    t = targets(run, [GOOD] * 9, [1], [BOX])
    assert t.class_ids.tolist() == [1, 0, 0, 0, 0, 0]
    assert t.masks.shape == (1, 4, 4)


def test_crowds(run):
    t = targets(run, [GOOD, FAR, POOR], [1, -1], [BOX, FAR])
    assert t.rois[1].tolist() == pytest.approx(POOR)
    assert t.count == 2


def test_best_object_gives_class_and_mask(run):
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[2, :, 4:] = 1
    t = targets(run, [BOX], [1, 0, 2], [(0, 0, 0.5, 0.3), ZERO, BOX], masks)
    assert t.class_ids[0] == 2
    assert t.masks[0].tolist() == [[0, 0, 1, 1]] * 4
    assert t.mask_weights[0].all()


def test_mask_of_a_roi_over_the_right_half_of_its_box(run):
    masks = np.zeros((1, 8, 8), np.uint8)
    masks[0, :, 5:] = 1
    # IoU with the box is exactly 0.5.
    t = targets(run, [(0, 0.25, 0.5, 0.5)], [1], [BOX], masks)
    # Samples at columns 3.5, 4.67, 5.83, 7 of 0..7.
    assert t.masks[0].tolist() == [[0, 1, 1, 1]] * 4


def test_neutral_pixels(run):
    neutral = np.zeros((11, 11), np.uint8)
    neutral[:, 6:] = 1
    t = targets(run, [BOX, FAR, (0.8, 0, 0.9, 0.3)], [1], [BOX], neutral=neutral)
    assert t.count == 2
    assert t.rois[1].tolist() == pytest.approx((0.8, 0, 0.9, 0.3))
    assert t.mask_weights[0].all()
    neutral[:, :2] = 1
    t = targets(run, [BOX], [1], [BOX], neutral=neutral)
    # Samples at columns 0, 1.67, 3.33, 5 of the canvas; the second rounds to column 2
    # in part: 0.33 of it is neutral.
    assert t.mask_weights[0].tolist() == [[0, 1, 1, 1]] * 4
    assert t.class_ids[0] == 1


def test_neutral_share_in_the_graph_counts_pixels():
    neutral = np.zeros((9, 9), np.uint8)
    neutral[2:4, 2:4] = 1
    boxes = np.array(
        [(2, 2, 4, 4), (2, 2, 4, 6), (0, 0, 9, 9), (5, 5, 5, 9)], np.float32
    )
    norm = box_ops.to_norm(boxes, tf.constant((9, 9)), tf.float64)
    share = neutral_share_norm(norm, tf.constant(neutral))
    np.testing.assert_allclose(share, [1, 0.5, 4 / 81, 0], atol=1e-6)


def test_sampling_depends_on_the_image_s_seed_only():
    rng = np.random.default_rng(0)
    proposals = rng.uniform(0.6, 0.7, (2, 50, 4)).astype(np.float32)
    proposals[..., 2:] += 0.2
    proposals[1] = proposals[0]
    truth = Truth(
        np.zeros((2, 1), np.int32),
        np.zeros((2, 1, 4), np.float32),
        np.zeros((2, 1, 8, 8), np.uint8),
    )

    def rois(seeds):
        sampling = Rois(per_image=6, fill_negatives=True)
        return detection_targets(
            proposals,
            truth,
            tf.constant(seeds),
            sampling=sampling,
            delta_std=STD,
            mask_size=4,
        ).rois.numpy()

    first = rois([[1, 2], [3, 4]])
    assert not np.array_equal(first[0], first[1])
    np.testing.assert_array_equal(rois([[3, 4], [1, 2]]), first[::-1])


def test_sampling_without_room_for_a_positive():
    with pytest.raises(ValueError, match=r"to be at least 1, got 2 \* 0\.33"):
        Rois(per_image=2)
