"""The Keras models: output shapes, arithmetic by hand, folding."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.anchors import anchors_norm
from models.checkpoint import inspect_checkpoint, load_network, read_arrays
from models.config import ModelConfig
from models.folding import fold_batch_norm, norm_of
from models.layout import array_shapes
from models.mask_rcnn import MaskRCNN
from tests.factories import TINY
from tests.unit.models.conftest import check_layer

CONFIG = ModelConfig(architecture=TINY, mask_pool_size=4)
TRACED_TOLERANCE = 1e-5
"""Relative to the largest value; a graph's convolutions may add in another order."""


@pytest.fixture(scope="module")
def network():
    return MaskRCNN(CONFIG)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 160), (32, 32)])
def test_trunk_shapes(network, height, width):
    features = network.trunk(tf.zeros((2, height, width, 3)))
    for stage, filters in zip((2, 3, 4, 5), TINY.stage_filters, strict=True):
        cells = height // 2**stage, width // 2**stage
        assert features[f"C{stage}"].shape == (2, *cells, 4 * filters)
        assert features[f"P{stage}"].shape == (2, *cells, TINY.fpn_channels)
    p6 = -(-height // 64), -(-width // 64)
    assert features["P6"].shape == (2, *p6, TINY.fpn_channels)
    anchors = 3 * sum(
        int(np.prod(features[f"P{level}"].shape[1:3])) for level in range(2, 7)
    )
    assert features["objectness_logits"].shape == (2, anchors, 2)
    assert features["anchor_deltas"].shape == (2, anchors, 4)


def test_head_shapes(network):
    logits, deltas = network.box_head(tf.zeros((5, 3, 3, 5)))
    assert logits.shape == (5, 3)
    assert deltas.shape == (5, 3, 4)
    assert network.mask_head(tf.zeros((5, 4, 4, 5))).shape == (5, 8, 8, 3)


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        ("trunk", (2, 64, 96, 3)),
        ("box_head", (5, 3, 3, 5)),
        ("mask_head", (5, 4, 4, 5)),
    ],
)
def test_parts_are_whole_layers(tiny_file, part, shape):
    network, _ = load_network(tiny_file, CONFIG)
    check_layer(getattr(network, part), shape, rtol=TRACED_TOLERANCE)


@pytest.fixture(scope="module")
def bfloat16_network():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.utils.set_random_seed(0)  # one network in seven finds nothing
    try:
        return MaskRCNN(CONFIG)
    finally:
        keras.config.set_dtype_policy(before)


def test_outputs_are_float32_whatever_the_layers_compute_in(bfloat16_network):
    features = bfloat16_network.trunk(tf.zeros((1, 64, 64, 3)))
    assert features["P2"].dtype == tf.bfloat16
    assert features["objectness_logits"].dtype == tf.float32
    assert features["anchor_deltas"].dtype == tf.float32
    logits, deltas = bfloat16_network.box_head(tf.zeros((5, 3, 3, 5)))
    assert (logits.dtype, deltas.dtype) == (tf.float32, tf.float32)
    masks = bfloat16_network.mask_head(tf.zeros((5, 4, 4, 5)))
    assert masks.dtype == tf.float32


def test_bfloat16_layers_predict_in_float32(bfloat16_network, run):
    canvas = tf.random.stateless_normal((1, 64, 64, 3), seed=(1, 2)) * 50
    found, masks = run(bfloat16_network, canvas, np.int32([[0, 0, 64, 64]]))
    assert found.count[0] > 0
    assert {x.dtype for x in (found.boxes_norm, found.scores, masks)} == {tf.float32}
    assert all(np.isfinite(x).all() for x in (*found, masks))


def test_variables_are_those_of_the_layout(network):
    assert {
        name: {v.name: tuple(v.shape) for v in layer.weights}
        for name, layer in network.layers.items()
    } == array_shapes(TINY)


def test_normalisation_is_in_inference_form(network):
    """Neither a call nor the batch's own statistics change anything."""
    before = [variable.numpy() for variable in network.variables]
    canvas = tf.random.stateless_normal((2, 64, 64, 3), seed=(1, 2)) * 50
    both = network.trunk(canvas, training=False)["P2"]
    alone = network.trunk(canvas[1:], training=False)["P2"]
    np.testing.assert_allclose(both[1:], alone, atol=1e-4)
    after = [variable.numpy() for variable in network.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def set_weights(network, **values):
    """Sets the named layers' arrays to constants, all other kernels to zero."""
    for layer in network.layers.values():
        for variable in layer.weights:
            if variable.name in ("gamma", "moving_variance"):
                variable.assign(tf.ones_like(variable))
            else:
                variable.assign(tf.zeros_like(variable))
    for name, value in values.items():
        layer = network.layers[name]
        layer.kernel.assign(np.full(layer.kernel.shape, value))


def test_stem_by_hand():
    """A 7 x 7 sum with stride 2 and 3 pixels of zeros around, then a 3 x 3 maximum."""
    network = MaskRCNN(CONFIG)
    set_weights(network, conv1=1.0, res2a_branch1=1.0)
    image = np.zeros((1, 64, 64, 3), np.float32)
    image[0, 20, 30] = 1
    c2 = network.trunk(image)["C2"].numpy()[0, :, :, 0]
    # Sums that see pixel (20, 30): rows 9..11 and columns 14..16 of the convolution
    # (2 r - 3 <= 20 <= 2 r + 3). The pool takes rows 2 p .. 2 p + 2.
    expected = np.zeros((16, 16))
    # Three colours, four filters, normalised twice.
    expected[4:6, 6:9] = 3 * 4 / np.sqrt(1 + 1e-3) ** 2
    np.testing.assert_allclose(c2, expected, rtol=1e-5)


def test_stride_sits_on_the_first_convolution():
    """Stage 3 sees even rows and columns only: its 1 x 1 convolutions skip the rest."""
    network = MaskRCNN(CONFIG)
    set_weights(network, res2a_branch1=1.0, res3a_branch1=1.0, res3a_branch2a=1.0)
    inner = keras.Model(
        network.trunk.get_layer("res2a_out").output,
        [network.trunk.get_layer(f"res3a_branch{b}").output for b in ("1", "2a", "2b")],
    )
    c2 = np.zeros((1, 8, 8, 8), np.float32)
    c2[:, 1::2] = c2[:, :, 1::2] = 1
    shortcut, first, second = inner(c2)
    assert shortcut.shape[1:3] == first.shape[1:3] == second.shape[1:3] == (4, 4)
    assert not shortcut.numpy().any()
    assert not first.numpy().any()


def test_top_down_pathway_by_hand():
    """Only P5's lateral speaks: each finer level repeats it twice per side."""
    network = MaskRCNN(CONFIG)
    set_weights(network)
    network.layers["fpn_c5p5"].bias.assign(np.full(5, 2.0))
    for level in (2, 3, 4, 5):
        kernel = np.zeros((3, 3, 5, 5))
        kernel[1, 1] = np.eye(5)
        network.layers[f"fpn_p{level}"].kernel.assign(kernel)
    features = network.trunk(tf.zeros((1, 64, 64, 3)))
    for level in range(2, 7):
        assert (features[f"P{level}"].numpy() == 2).all()
    network.layers["fpn_c3p3"].bias.assign(np.full(5, 0.5))
    features = network.trunk(tf.zeros((1, 64, 64, 3)))
    means = [features[f"P{level}"].numpy().mean() for level in range(2, 7)]
    assert means == [2.5, 2.5, 2, 2, 2]


def test_rpn_is_rectified():
    network = MaskRCNN(CONFIG)
    set_weights(network, rpn_class_raw=1.0)
    for bias, logit in ((-1, 0), (0.5, 3)):  # six channels
        network.layers["rpn_conv_shared"].bias.assign(np.full(6, bias))
        logits = network.trunk(tf.zeros((1, 64, 64, 3)))["objectness_logits"]
        assert (logits.numpy() == logit).all()


def test_upsampling_repeats_cells(tiny_file):
    network, _ = load_network(tiny_file, CONFIG)
    for level in (2, 3, 4):
        lateral = network.layers[f"fpn_c{level}p{level}"]
        lateral.set_weights([np.zeros(v.shape) for v in lateral.weights])
    for level in (2, 3, 4, 5):
        kernel = np.zeros((3, 3, 5, 5))
        kernel[1, 1] = np.eye(5)
        network.layers[f"fpn_p{level}"].set_weights([kernel, np.zeros(5)])
    canvas = tf.random.stateless_normal((1, 128, 128, 3), seed=(1, 2)) * 50
    features = network.trunk(canvas)
    p5 = features["P5"].numpy()
    assert p5.std() > 0
    for level, times in (("P4", 2), ("P3", 4), ("P2", 8)):
        repeated = p5.repeat(times, 1).repeat(times, 2)
        np.testing.assert_allclose(features[level], repeated, rtol=1e-5)


def test_box_head_groups_deltas_by_class():
    network = MaskRCNN(CONFIG)
    set_weights(network)
    network.layers["mrcnn_bbox_fc"].bias.assign(np.arange(12.0))
    network.layers["mrcnn_class_logits"].bias.assign([7, 8, 9])
    logits, deltas = network.box_head(tf.zeros((1, 3, 3, 5)))
    assert logits.numpy().tolist() == [[7, 8, 9]]
    assert deltas.numpy().tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]]


def test_foreground_is_the_second_column():
    """Three anchors by their foreground probability; the others are background."""
    network = MaskRCNN(CONFIG)
    size = tf.constant((64, 64))
    anchors = anchors_norm(CONFIG, size)
    logits = np.zeros((1, anchors.shape[0], 2), np.float32)
    logits[..., 0] = 3
    rows = [10, 900, 500]
    logits[0, rows] = [[0, 9], [0, 8], [0, 7]]
    features = {
        "objectness_logits": tf.constant(logits),
        "anchor_deltas": tf.zeros((1, anchors.shape[0], 4)),
    }
    best = network.propose(features, size)[0, :3]
    np.testing.assert_allclose(best, np.clip(anchors.numpy()[rows], 0, 1), atol=1e-6)


def test_p6_is_p5_subsampled(network):
    canvas = tf.random.stateless_normal((1, 192, 128, 3), seed=(1, 2)) * 50
    features = network.trunk(canvas)
    assert features["P5"].numpy().std() > 0
    assert np.array_equal(features["P6"], features["P5"][:, ::2, ::2])


def test_anchors_of_a_cell_are_neighbours():
    """Row order: level, y, x, ratio; channels 2a and 2a + 1 are (bg, fg) of ratio a."""
    network = MaskRCNN(CONFIG)
    set_weights(network)
    network.layers["rpn_class_raw"].bias.assign(np.arange(6.0))
    network.layers["rpn_bbox_pred"].bias.assign(np.arange(12.0))
    features = network.trunk(tf.zeros((1, 64, 64, 3)))
    expected = np.tile(np.arange(6.0).reshape(3, 2), (256 + 64 + 16 + 4 + 1, 1))
    assert np.array_equal(features["objectness_logits"][0], expected)
    assert np.array_equal(features["anchor_deltas"][0, :3].numpy().ravel(), range(12))


# Folding

FOLD_TOLERANCE = 1e-4
"""Relative to the largest value of an output; one convolution instead of two steps."""


def folded_network(network):
    return MaskRCNN.from_arrays(network.config, fold_batch_norm(network.arrays()))


@pytest.mark.parametrize("which", ["trunk", "box_head", "mask_head"])
def test_folded_computes_the_same(tiny_file, which, rng):
    network, _ = load_network(tiny_file, CONFIG)
    folded = folded_network(network)
    shape = {"trunk": (64, 96, 3), "box_head": (3, 3, 5), "mask_head": (4, 4, 5)}
    inputs = np.float32(rng.normal(0, 50, (2, *shape[which])))
    before = tf.nest.flatten(getattr(network, which)(inputs))
    after = tf.nest.flatten(getattr(folded, which)(inputs))
    assert len(before) == len(after)
    for a, b in zip(before, after, strict=True):
        scale = np.abs(a).max()
        assert scale > 0
        np.testing.assert_allclose(a, b, rtol=0, atol=FOLD_TOLERANCE * scale)


def test_folding_by_hand():
    network = MaskRCNN(CONFIG)
    set_weights(network, conv1=2.0)
    network.layers["conv1"].bias.assign([1, 2, 3, 4])
    norm = network.layers["bn_conv1"]
    norm.gamma.assign([1, 2, 3, 4])
    norm.beta.assign([0.5, 0, 0, 0])
    norm.moving_mean.assign([0, 1, 0, 0])
    norm.moving_variance.assign(np.array([4, 1, 1, 0.25]) - 1e-3)
    folded = folded_network(network).layers["conv1"]
    np.testing.assert_allclose(folded.kernel[0, 0, 0], [1, 4, 6, 16], rtol=1e-6)
    np.testing.assert_allclose(folded.bias, [1, 2, 9, 32], rtol=1e-6)


def test_folded_layers(network):
    folded = folded_network(network)
    assert folded.config == network.config
    assert not folded.batch_norm
    assert network.batch_norm
    convolutions = {name for name in network.layers if "bn" not in name}
    assert set(folded.layers) == convolutions
    norms = {norm_of(name) for name in convolutions} & set(network.layers)
    assert norms - convolutions == set(network.layers) - convolutions


def test_folding_leaves_its_source_alone(tiny_file):
    arrays = read_arrays(inspect_checkpoint(tiny_file))
    before = {key: array.copy() for key, array in arrays.items()}
    fold_batch_norm(arrays)
    assert arrays.keys() == before.keys()
    assert all(np.array_equal(arrays[key], before[key]) for key in before)


def test_arrays_of_another_network_are_refused(network):
    arrays = network.arrays()
    count = len(arrays)
    folded = MaskRCNN(CONFIG, batch_norm=False)
    norms = sum("bn" in layer for layer, _ in arrays)
    with pytest.raises(
        ValueError,
        match=f"expected an array for each of {count - norms} variables, got {count} "
        "arrays; only one side has bn2a_branch1/beta, bn2a_branch1/gamma, ",
    ):
        folded.set_arrays(arrays)
    del arrays["conv1", "bias"]
    with pytest.raises(ValueError, match=r"only one side has conv1/bias$"):
        network.set_arrays(arrays)


@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        ("conv1", "bn_conv1"),
        ("res2a_branch2a", "bn2a_branch2a"),
        ("res4a_branch1", "bn4a_branch1"),
        ("mrcnn_class_conv2", "mrcnn_class_bn2"),
        ("mrcnn_mask_conv4", "mrcnn_mask_bn4"),
    ],
)
def test_norm_of(layer, norm):
    assert norm_of(layer) == norm
    assert norm in array_shapes(ModelConfig().architecture)


@pytest.mark.parametrize(
    "layer",
    ["fpn_c5p5", "rpn_conv_shared", "mrcnn_mask_deconv", "mrcnn_mask", "mrcnn_bbox_fc"],
)
def test_layers_without_normalisation(layer):
    assert norm_of(layer) not in set(array_shapes(TINY)) - {layer}
