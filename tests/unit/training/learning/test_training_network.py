import numpy as np
import pytest
import tensorflow as tf

from models import boxes as box_ops
from training.config.train_config import read_config
from training.learning.network import TrainingNetwork
from training.learning.optimizers import apply_gradients, make_optimizer
from training.learning.trainable import TRAIN_LAYERS, set_trainable

ROIS = {
    "proposals": 100,
    "per_image": 32,
    "fill_negatives": True,
    "append_truth": True,
}
STATISTICS = ("moving_mean", "moving_variance")


def config(rois=None, weight_decay=0.0, **changes):
    rois, optimizer = ROIS | (rois or {}), {"weight_decay": weight_decay}
    return read_config({"optimizer": optimizer, "rois": rois} | changes)


def named(training, gradients):
    names = [
        f"{layer}/{variable.name}"
        for layer, entry in training.network.layers.items()
        for variable in entry.trainable_variables
    ]
    return dict(zip(names, gradients, strict=True))


@pytest.mark.slow
def test_learns_two_images_by_heart(make_network, make_batch):
    network = make_network()
    how = config(
        lr=0.005,
        bn_momentum=0.8,
        optimizer={"name": "adamw"},
        schedule={"name": "cosine", "warmup_steps": 5, "final_ratio": 0.01},
    )
    training = TrainingNetwork(network, how, train_bn=True)
    variables = training.trainable_variables
    optimizer = make_optimizer(how, variables, total_steps=120)

    @tf.function
    def step(batch):
        result = training.step(batch)
        apply_gradients(optimizer, result.gradients, variables, 5.0)
        return result.total

    batch = make_batch()
    totals = [float(step(batch)) for _ in range(120)]
    assert totals[-1] < totals[0] / 5
    # The network that serves finds what it learned.
    found = network(batch.images, batch.windows)
    boxes = box_ops.to_pixels(found.detections.boxes_norm, (128, 128)).numpy()
    for image in range(2):
        for class_id in (1, 2):
            row = list(found.detections.class_ids[image]).index(class_id)
            truth = batch.gt_boxes[image, class_id - 1]
            np.testing.assert_allclose(boxes[image, row], truth, atol=5)
            inside = found.mask_probs[image, row].numpy() > 0.5
            expected = 1 if class_id == 1 else np.pi / 4
            assert inside.mean() == pytest.approx(expected, abs=0.1)


def test_stopping_target_gradients_changes_the_rpn_deltas_alone(
    make_network, make_batch
):
    network, batch = make_network(), make_batch()

    def box_loss_gradients(*, stop):
        # Objects' own boxes would be matched in place of proposals.
        rois = {"proposals": 500, "append_truth": False}
        how = config(rois, stop_target_gradient=stop)
        training = TrainingNetwork(network, how)
        with tf.GradientTape() as tape:
            loss = training.losses(batch, training.forward(batch)).mrcnn_bbox_loss
        gradients = tape.gradient(
            loss,
            [v.value for v in training.trainable_variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return named(training, gradients)

    _spread_boxes(network)
    leaking, stopped = (box_loss_gradients(stop=stop) for stop in (False, True))
    assert np.abs(leaking["rpn_bbox_pred/kernel"]).max() > 0
    assert np.abs(stopped["rpn_bbox_pred/kernel"]).max() == 0
    np.testing.assert_allclose(
        leaking["mrcnn_bbox_fc/kernel"], stopped["mrcnn_bbox_fc/kernel"], atol=1e-6
    )


def _spread_boxes(network):
    for name in ("mrcnn_bbox_fc", "rpn_bbox_pred"):
        kernel = network.layers[name].kernel
        rng = np.random.default_rng(0)
        kernel.assign(rng.normal(0, 0.02, kernel.shape).astype(np.float32))


def test_image_without_objects(make_network, make_batch):
    batch = make_batch()
    batch = batch._replace(
        gt_class_ids=tf.zeros_like(batch.gt_class_ids),
        rpn_match=tf.minimum(batch.rpn_match, 0),
        rpn_deltas=tf.zeros_like(batch.rpn_deltas),
    )
    for how in (config(), config({"fill_negatives": False, "append_truth": False})):
        result = TrainingNetwork(make_network(), how).step(batch)
        assert float(result.losses.mrcnn_mask_loss) == 0
        assert float(result.losses.mrcnn_bbox_loss) == 0
        assert float(result.losses.rpn_class_loss) > 0
        assert all(np.isfinite(g).all() for g in result.gradients)


def test_neutral_images_teach_no_background(make_network, make_batch):
    batch = make_batch(neutral=tf.ones((2, 128, 128), tf.uint8))
    training = TrainingNetwork(make_network(), config())
    forward = training.forward(batch)
    positives = tf.reduce_sum(tf.cast(forward.targets.class_ids > 0, tf.int32), axis=1)
    np.testing.assert_array_equal(forward.targets.count, positives)
    assert float(training.losses(batch, forward).mrcnn_mask_loss) == 0


def test_no_neutral_pixel_changes_nothing(make_network, make_batch):
    training = TrainingNetwork(make_network(), config())
    plain = training.step(make_batch())
    mapped = training.step(make_batch(neutral=tf.zeros((2, 128, 128), tf.uint8)))
    np.testing.assert_array_equal(plain.losses, mapped.losses)


@pytest.mark.parametrize("train_bn", [False, True])
def test_statistics_move_only_when_they_are_learned(make_network, make_batch, train_bn):
    network = make_network()
    before = {id(v): v.numpy() for v in network.variables if v.name in STATISTICS}
    TrainingNetwork(network, config(), train_bn=train_bn).step(make_batch())
    moved = [
        not np.array_equal(before[id(v)], v.numpy())
        for v in network.variables
        if id(v) in before
    ]
    assert any(moved) == train_bn


def test_frozen_layers_keep_their_statistics(make_network, make_batch):
    network = make_network()
    set_trainable(network, "heads")
    before = network.layers["bn2a_branch2a"].moving_mean.numpy()
    TrainingNetwork(network, config(), train_bn=True).step(make_batch())
    np.testing.assert_array_equal(
        before, network.layers["bn2a_branch2a"].moving_mean.numpy()
    )
    assert network.layers["mrcnn_class_bn1"].moving_mean.numpy().any()


@pytest.mark.parametrize(
    ("train_layers", "first", "count"),
    [
        ("all", "conv1", 61),
        ("3+", "res3a", 51),
        ("5+", "res5a", 35),
        ("heads", "fpn", 27),
    ],
)
def test_train_layers(make_network, train_layers, first, count):
    network = make_network()
    set_trainable(network, train_layers)
    learning = [n for n, layer in network.layers.items() if layer.trainable_variables]
    assert learning[0].startswith(first)
    assert "mrcnn_mask" in learning
    assert len(learning) == count


def test_unknown_train_layers(make_network):
    with pytest.raises(
        ValueError, match="one of all, 3\\+, 4\\+, 5\\+, heads, got '2'"
    ):
        set_trainable(make_network(), "2")
    assert set(TRAIN_LAYERS) == {"all", "3+", "4+", "5+", "heads"}


def test_l2_leaves_out_gamma_and_beta(make_network):
    network = make_network()
    how = config(weight_decay=0.5)
    expected = 0.5 * sum(
        np.mean(np.square(v.numpy()))
        for layer in network.layers.values()
        for v in layer.trainable_variables
        if v.name in ("kernel", "bias")
    )
    assert float(TrainingNetwork(network, how).l2()) == pytest.approx(expected)
    adamw = config(optimizer={"name": "adamw", "weight_decay": 0.5})
    assert float(TrainingNetwork(network, adamw).l2()) == 0
