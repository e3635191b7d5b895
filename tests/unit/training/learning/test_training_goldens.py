"""Targets, losses and one whole step against Matterport's numbers."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import config as tf_config

from models.anchors import anchors_norm, anchors_px
from models.checkpoint import inspect_checkpoint, load_network
from models.matterport_config import from_matterport
from models.preprocessing import subtract_mean
from training.config.groups import Rois
from training.config.train_config import TrainConfig, read_config
from training.learning import losses, network
from training.learning.detection_targets import Truth, detection_targets
from training.learning.network import TrainingNetwork
from training.pipeline.batch import Batch
from training.pipeline.mini_masks import mini_mask
from training.pipeline.rpn_targets import rpn_targets

GOLDENS = Path(__file__).resolve().parents[4] / ".." / "shared" / "goldens"
STD = (0.1, 0.1, 0.2, 0.2)
CANVAS = (256, 256)
SHARP = ("rpn_", "mrcnn_class_", "mrcnn_bbox_fc", "mrcnn_mask__", "fpn_p5")
"""Layers whose gradients pass few ReLUs on their way."""
GRADIENT_TOLERANCE = 1e-2
"""Norm of the difference over the norm: 1e-3 here, as float noise opens and shuts
single ReLUs of these random weights. Sharp layers stay below 5e-6."""
SHARP_TOLERANCE = 5e-5
NORM_TOLERANCE = 1e-2

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs ../shared"),
]


@pytest.fixture
def deterministic():
    """Makes operations deterministic.

    Else several CPU threads add up the gradients of pooled features at once, and lose
    some.
    """
    tf.config.experimental.enable_op_determinism()
    yield
    tf_config.disable_op_determinism()


@pytest.fixture(scope="module")
def parts():
    with np.load(GOLDENS / "train_parts.npz") as file:
        return dict(file)


def unpacked(arrays, name):
    shape = arrays[f"{name}_shape"]
    return np.unpackbits(arrays[f"{name}_packed"])[: shape.prod()].reshape(shape)


def in_order(rows, seed):
    """The goldens were made with shuffling replaced by the identity."""
    return rows


def test_anchors(parts):
    config = dataclasses.replace(from_matterport({}), max_dim=256)
    anchors = anchors_px(config, tf.constant(CANVAS))
    np.testing.assert_array_equal(anchors, parts["anchors_px"])


@pytest.mark.parametrize("case", ["plain", "crowd", "nosubsample"])
def test_rpn_targets(parts, case):
    everything = case == "nosubsample"
    match, deltas = rpn_targets(
        parts["anchors_px"],
        parts["gt_class_ids" if everything else f"rpn_targets_{case}_class_ids"],
        parts["gt_boxes_from_masks_px"],
        rng=np.random.RandomState(123),
        delta_std=STD,
        anchors_per_image=1_000_000 if everything else 256,
    )
    np.testing.assert_array_equal(match, parts[f"rpn_targets_{case}_match"])
    name = f"rpn_targets_{case}_bbox" + ("_pos" if everything else "")
    expected = parts[name].astype(np.float32)
    np.testing.assert_array_equal(deltas[: len(expected)], expected)


def test_mini_masks(parts):
    masks, minis = unpacked(parts, "gt_masks_full"), unpacked(parts, "gt_masks_mini")
    for index, (y1, x1, y2, x2) in enumerate(parts["gt_boxes_from_masks_px"]):
        mini = mini_mask(masks[y1:y2, x1:x2, index].astype(bool))
        np.testing.assert_array_equal(mini, minis[..., index])


@pytest.mark.parametrize("case", ["mini_few", "mini_crowd", "full_many", "none"])
def test_detection_targets(parts, case):
    def golden(name):
        return parts[f"dt_{case}_{name}"]

    truth = Truth(
        golden("gt_class_ids")[None],
        golden("gt_boxes")[None],
        unpacked(parts, f"dt_{case}_gt_masks").transpose(2, 0, 1)[None],
    )
    targets = detection_targets(
        golden("proposals")[None],
        truth,
        np.zeros((1, 2), np.int32),
        sampling=Rois(),
        delta_std=STD,
        mask_size=28,
        shuffle=in_order,
    )
    np.testing.assert_array_equal(targets.rois[0], golden("out_rois"))
    np.testing.assert_array_equal(targets.class_ids[0], golden("out_class_ids"))
    # One unit in the last place of the logarithm.
    np.testing.assert_allclose(targets.deltas[0], golden("out_deltas"), atol=2e-7)
    # A golden of masks that were not cut to their boxes is of another frame.
    if golden("use_mini_mask"):
        np.testing.assert_array_equal(targets.masks[0], golden("out_masks")[:66])
    assert not golden("out_masks")[66:].any()


@pytest.mark.parametrize("case", ["loss_out", "loss_out_all_negative"])
def test_losses(parts, case):
    given = {
        name.removeprefix("loss_in_"): array
        for name, array in parts.items()
        if name.startswith("loss_in_")
    }
    match, class_ids = given["rpn_match"][..., 0], given["target_class_ids"]
    if case == "loss_out_all_negative":
        match, class_ids = np.where(match == 1, -1, match), np.zeros_like(class_ids)
    image, row = np.nonzero(class_ids)
    probs = given["pred_masks"][image, row, :, :, class_ids[image, row]]
    # The goldens' probabilities include 0 and 1, of which no logit is finite.
    probs = np.clip(probs.astype(np.float64), 1e-12, 1 - 1e-12)
    masks = given["target_masks"][image, row].astype(np.float32)
    logits = np.log(probs / (1 - probs)).astype(np.float32)
    # Matterport leaves out RoIs whose predicted class a data set does not label.
    predicted = given["pred_class_logits"].argmax(axis=-1)
    labelled = given["active_class_ids"][0].astype(np.float32)[predicted]
    means = losses.Means(
        losses.rpn_class_loss(match, given["rpn_class_logits"]),
        losses.rpn_bbox_loss(match, given["rpn_bbox_target"], given["rpn_bbox_pred"]),
        losses.mrcnn_class_loss(class_ids, given["pred_class_logits"], valid=labelled),
        losses.mrcnn_bbox_loss(class_ids, given["target_bbox"], given["pred_bbox"]),
        losses.mrcnn_mask_loss(masks, logits, np.ones_like(masks)),
    )
    assert means._fields == tuple(parts["loss_names"])
    np.testing.assert_allclose(
        losses.divide(means, tf.identity), parts[case], rtol=1e-6, atol=0
    )


@pytest.fixture(scope="module")
def golden_step():
    with np.load(GOLDENS / "train_step.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def golden_network(golden_step, tmp_path_factory):
    path = tmp_path_factory.mktemp("seeded") / "w.h5"
    manifest = GOLDENS / "manifests" / "resnet50_4.json"
    script = GOLDENS / "seeded_weights.py"
    subprocess.run([sys.executable, script, manifest, "11", path], check=True)
    constants = json.loads(str(golden_step["config_json"]))
    config = from_matterport(constants, inspect_checkpoint(path).architecture)
    loaded, _ = load_network(path, config)
    path.unlink()
    return loaded


@pytest.fixture(scope="module")
def golden_batch(golden_step, golden_network):
    minis = unpacked(golden_step, "gt_masks_mini").transpose(0, 3, 1, 2)
    masks = np.pad(minis, [(0, 0), (0, 100 - minis.shape[1]), (0, 0), (0, 0)])
    canvas = tf.constant(golden_step["resized_uint8"][None])
    return Batch(
        subtract_mean(canvas, golden_network.config),
        tf.constant([[0, 0, *CANVAS]]),
        tf.constant(golden_step["gt_class_ids"]),
        tf.constant(golden_step["gt_boxes_px"], tf.float32),
        tf.constant(masks),
        tf.constant(golden_step["rpn_match"][None]),
        tf.constant(golden_step["rpn_bbox"][None]),
        tf.zeros((1, 2), tf.int32),
    )


@pytest.fixture
def golden_proposals(golden_step, monkeypatch):
    """Gives proposals Matterport's last bit, their gradients kept.

    One RoI's mask has pixels at exactly 0.5, which the noise of the convolutions (3e-6
    in the proposals) rounds up or down; so does a graph optimiser that turns divisions
    into multiplications, so all of this runs eagerly.
    """
    ours = network.proposals
    goldens = tf.constant(golden_step["rpn_rois"])

    def proposals(*args):
        rois = ours(*args)[0]
        distances = tf.reduce_max(tf.abs(goldens[:, None] - rois[None]), axis=-1)
        tf.debugging.assert_less(tf.reduce_min(distances, axis=1), 1e-5)
        matching = tf.gather(rois, tf.argmin(distances, axis=1))
        return (matching + tf.stop_gradient(goldens - matching))[None]

    monkeypatch.setattr(network, "proposals", proposals)


@pytest.mark.slow
def test_proposals(golden_step, golden_network, golden_batch):
    training = TrainingNetwork(golden_network, TrainConfig(), shuffle=in_order)
    rois = training.forward(golden_batch).proposals[0].numpy()
    distances = np.abs(rois[:, None] - golden_step["rpn_rois"][None]).max(axis=-1)
    assert distances.min(axis=0).max() < 1e-5
    assert distances.min(axis=1).max() < 1e-5


@pytest.mark.slow
@pytest.mark.usefixtures("golden_proposals")
def test_forward(golden_step, golden_network, golden_batch):
    training = TrainingNetwork(golden_network, TrainConfig(), shuffle=in_order)
    forward = training.forward(golden_batch)
    targets = forward.targets
    assert int(targets.count[0]) == 90
    for ours, name, tolerance in (
        (targets.rois[0], "target_rois", 1e-6),
        (targets.class_ids[0], "target_class_ids", 0),
        (targets.deltas[0], "target_bbox", 1e-6),
        (targets.masks[0, :30], "target_mask", 0),
        (forward.class_logits[0], "mrcnn_class_logits", 1e-3),
        (forward.box_deltas[0], "mrcnn_bbox", 1e-3),
        (tf.sigmoid(forward.mask_logits), "mrcnn_mask_pos_of_class", 1e-3),
    ):
        expected = golden_step[name][: len(ours)]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance, err_msg=name)
    values = training.losses(golden_batch, forward)
    np.testing.assert_allclose(values, golden_step["losses"], rtol=1e-5)
    total = float(training.total(values))
    assert total == pytest.approx(golden_step["total_loss"], rel=1e-6)


@pytest.mark.slow
def test_l2(golden_step, golden_network):
    # Matterport's TensorFlow 2 port also decays its anchors, a variable there.
    anchors = anchors_norm(golden_network.config, tf.constant(CANVAS))
    ours = float(TrainingNetwork(golden_network, TrainConfig()).l2()) + 1e-4 * np.mean(
        anchors**2
    )
    assert ours == pytest.approx(golden_step["l2_reg_loss"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("golden_proposals", "deterministic")
@pytest.mark.parametrize("stop", [False, True])
def test_gradients(golden_step, golden_network, golden_batch, stop):
    # The goldens are gradients of the losses without the L2 term.
    how = {"stop_target_gradient": stop, "optimizer": {"weight_decay": 0.0}}
    training = TrainingNetwork(golden_network, read_config(how), shuffle=in_order)
    gradients = training.step(golden_batch).gradients
    assert len(gradients) == 266
    prefix = "gradstop" if stop else "grad"
    names = [
        f"{layer}__{variable.name}"
        for layer, entry in golden_network.layers.items()
        for variable in entry.trainable_variables
    ]
    found = dict(zip(names, gradients, strict=True))
    compared = 0
    for key, expected in golden_step.items():
        if not (key.startswith(f"{prefix}_") and key.endswith("_sample")):
            continue
        name = key.removeprefix(f"{prefix}_").removesuffix("_sample")
        gradient = found[name].numpy()
        step = int(golden_step[f"grad_{name}_step"])
        tolerance = SHARP_TOLERANCE if name.startswith(SHARP) else GRADIENT_TOLERANCE
        difference = np.linalg.norm(gradient.ravel()[::step] - expected)
        assert difference < tolerance * np.linalg.norm(expected), name
        norm = golden_step[f"{prefix}_{name}_norm"]
        tolerance = 1e-4 if name.startswith(SHARP) else NORM_TOLERANCE
        assert np.linalg.norm(gradient) == pytest.approx(norm, rel=tolerance)
        compared += 1
    assert compared == 19
    key = "gradstop_global_norm" if stop else "grad_global_norm_all_trainable"
    norm = float(tf.linalg.global_norm(gradients))
    assert norm == pytest.approx(golden_step[key], rel=NORM_TOLERANCE)
