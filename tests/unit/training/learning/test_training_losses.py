import math

import numpy as np
import pytest
import tensorflow as tf

from training.learning import losses


def value(mean):
    return float(mean.total) / float(mean.count)


def test_smooth_l1_on_both_sides_of_one():
    result = losses.smooth_l1(tf.constant((-2.0, -0.5, 0.0, 1.0)))
    assert result.numpy().tolist() == [1.5, 0.125, 0, 0.5]


def test_rpn_class_loss_is_the_mean_over_sampled_anchors():
    match = np.array([[1, 0, -1], [-1, 0, 0]], np.int8)
    logits = np.zeros((2, 3, 2), np.float32)
    logits[0, 0] = (0, math.log(3))  # object with 3/4
    logits[0, 1] = 99
    logits[0, 2] = (math.log(9), 0)  # background with 9/10
    expected = (-math.log(0.75) - math.log(0.9) - math.log(0.5)) / 3
    assert value(losses.rpn_class_loss(match, logits)) == pytest.approx(expected)


def test_rpn_bbox_loss_pairs_packed_targets_with_their_anchors():
    match = np.array([[0, 1, -1, 1], [1, 0, 0, 0]], np.int8)
    target = np.zeros((2, 2, 4), np.float32)
    target[0, 0], target[0, 1], target[1, 0] = 1, 2, 3
    deltas = np.zeros((2, 4, 4), np.float32)
    deltas[0, 1], deltas[0, 3], deltas[1, 0] = 1, 2, 5
    # Only the last is wrong, by 2: 1.5 each.
    assert value(losses.rpn_bbox_loss(match, target, deltas)) == pytest.approx(0.5)


def test_class_loss_counts_padding_unless_told():
    class_ids = np.array([[1, 0]], np.int32)
    logits = np.log(np.array([[[0.5, 0.5], [0.9, 0.1]]], np.float32))
    both = losses.mrcnn_class_loss(class_ids, logits)
    assert value(both) == pytest.approx(-(math.log(0.5) + math.log(0.9)) / 2)
    real = losses.mrcnn_class_loss(class_ids, logits, valid=tf.constant([[1.0, 0.0]]))
    assert value(real) == pytest.approx(-math.log(0.5))


def test_box_loss_looks_at_the_own_class_of_positives():
    class_ids = np.array([[2, 0]], np.int32)
    target = np.ones((1, 2, 4), np.float32)
    deltas = np.zeros((1, 2, 3, 4), np.float32)
    deltas[0, 0, 2] = (1, 1, 1, 3)
    mean = losses.mrcnn_bbox_loss(class_ids, target, deltas)
    assert value(mean) == pytest.approx(1.5 / 4)


def test_mask_loss_leaves_out_pixels_of_no_weight():
    target = tf.constant([[[1.0, 0.0]]])
    logits = tf.constant([[[math.log(3), 50.0]]])
    mean = losses.mrcnn_mask_loss(target, logits, tf.constant([[[1.0, 0.0]]]))
    assert value(mean) == pytest.approx(-math.log(0.75), rel=1e-5)
    worst = losses.mrcnn_mask_loss(target, -logits, tf.ones((1, 1, 2)))
    assert np.isfinite(float(worst.total))


def test_nothing_sampled_is_zero_with_zero_gradient():
    logits, deltas = tf.Variable(tf.ones((1, 3, 2))), tf.Variable(tf.ones((1, 3, 4)))
    heads = tf.Variable(tf.ones((1, 2, 2))), tf.Variable(tf.ones((1, 2, 2, 4)))
    match = tf.zeros((1, 3), tf.int32)
    class_ids = tf.zeros((1, 2), tf.int32)
    with tf.GradientTape() as tape:
        means = losses.Means(
            losses.rpn_class_loss(match, logits),
            losses.rpn_bbox_loss(match, tf.zeros((1, 4, 4)), deltas),
            losses.mrcnn_class_loss(class_ids, heads[0], valid=tf.zeros((1, 2))),
            losses.mrcnn_bbox_loss(class_ids, tf.zeros((1, 2, 4)), heads[1]),
            losses.mrcnn_mask_loss(*[tf.zeros((0, 2, 2))] * 3),
        )
        total = tf.add_n(losses.divide(means, tf.identity))
    assert float(total) == 0
    gradients = tape.gradient(total, [logits, deltas, *heads])
    assert all(not tf.convert_to_tensor(g).numpy().any() for g in gradients)


def test_division_by_counts_of_all_replicas():
    mean = losses.Mean(tf.constant(6.0), tf.constant(2.0))
    shares = losses.divide(losses.Means(*[mean] * 5), lambda counts: counts * 2)
    assert [float(share) for share in shares] == [1.5] * 5


def test_l2_divides_by_the_size_of_each_array():
    kernels = [tf.constant((3.0, 4.0)), tf.constant(((2.0,),))]
    assert float(losses.l2_regularisation(kernels, 0.1)) == pytest.approx(1.65)
    assert float(losses.l2_regularisation([], 0.1)) == 0
