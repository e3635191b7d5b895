import dataclasses
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf

from models.checkpoint import inspect_checkpoint, save_weights
from models.errors import WeightsError
from models.layout import CLASS_LAYERS, array_shapes
from models.mask_rcnn import MaskRCNN
from tests.unit.training.conftest import TINY
from training.weights.imagenet import KERAS_EPSILON, is_resnet, read_resnet, trunk_layer
from training.weights.initialisation import initialise, load_imagenet, transfer_learning


def weights(network):
    return {
        (name, v.name): v.numpy()
        for name, layer in network.layers.items()
        for v in layer.weights
    }


def test_same_seed_same_weights(make_network):
    first, second, other = (weights(make_network(seed)) for seed in (1, 1, 2))
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key])
    key = ("res2a_branch2a", "kernel")
    assert not np.array_equal(first[key], other[key])


def test_he_deviation(make_network):
    arrays = weights(make_network())
    kernel = arrays["mrcnn_class_conv1", "kernel"]
    assert kernel.std() == pytest.approx(np.sqrt(2 / (7 * 7 * 16)), rel=0.05)
    assert arrays["rpn_conv_shared", "kernel"].std() == pytest.approx(0.01, rel=0.05)


def test_blocks_start_as_their_shortcut(make_network):
    arrays = weights(make_network())
    assert not arrays["bn3a_branch2c", "gamma"].any()
    assert (arrays["bn3a_branch1", "gamma"] == 1).all()


def test_classifiers_start_with_background(make_network):
    arrays = weights(make_network())
    logits = arrays["mrcnn_class_logits", "bias"]
    np.testing.assert_allclose(tf.nn.softmax(logits), [0.9, 0.05, 0.05], rtol=1e-5)
    objectness = tf.nn.softmax(arrays["rpn_class_raw", "bias"].reshape(-1, 2))
    np.testing.assert_allclose(objectness[:, 1], 0.05, rtol=1e-5)


def test_untrained_network_gives_moderate_numbers(make_network, make_batch):
    outputs = make_network().trunk(make_batch().images, training=False)
    assert 0.01 < float(tf.math.reduce_std(outputs["C5"])) < 10


def test_transfer_keeps_class_layers(tmp_path, make_network):
    save_weights(make_network(seed=1), tmp_path / "three.h5")
    architecture = dataclasses.replace(TINY.architecture, num_classes=5)
    network = MaskRCNN(dataclasses.replace(TINY, architecture=architecture))
    initialise(network, seed=2)
    before, source = weights(network), weights(make_network(seed=1))
    transfer_learning(network, inspect_checkpoint(tmp_path / "three.h5"))
    for key, value in weights(network).items():
        expected = before if key[0] in CLASS_LAYERS else source
        np.testing.assert_array_equal(value, expected[key])


def test_transfer_from_another_backbone(tmp_path, make_network):
    save_weights(make_network(), tmp_path / "w.h5")
    filters = (8, 8, 12, 24)
    architecture = dataclasses.replace(TINY.architecture, stage_filters=filters)
    network = MaskRCNN(dataclasses.replace(TINY, architecture=architecture))
    with pytest.raises(WeightsError, match="resnet_custom") as e:
        transfer_learning(network, inspect_checkpoint(tmp_path / "w.h5"))
    assert any("res5a_branch2a/kernel" in problem for problem in e.value.problems)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("conv1_conv", "conv1"),
        ("conv1_bn", "bn_conv1"),
        ("conv2_block1_1_conv", "res2a_branch2a"),
        ("conv3_block4_3_bn", "bn3d_branch2c"),
        ("conv4_block23_2_conv", "res4w_branch2b"),
        ("conv5_block1_0_bn", "bn5a_branch1"),
        ("res4f_branch2c", "res4f_branch2c"),
        ("conv2_block1_1_relu", None),
        ("fc1000", None),
    ],
)
def test_layer_names(name, expected):
    assert trunk_layer(name) == expected


def numbered(layer):
    """The name that keras.applications gives a layer."""
    if layer in ("conv1", "bn_conv1"):
        return {"conv1": "conv1_conv", "bn_conv1": "conv1_bn"}[layer]
    kind = "conv" if layer.startswith("res") else "bn"
    block, branch = layer.removeprefix("res").removeprefix("bn").split("_branch")
    stage, letter = block
    number = ("1", "2a", "2b", "2c").index(branch)
    return f"conv{stage}_block{ord(letter) - ord('a') + 1}_{number}_{kind}"


def write_resnet(path, arrays, rename):
    """A file as Keras writes it, with weight names of Keras 1 as in the first files."""
    with h5py.File(path, "w") as file:
        layers = {layer for layer, _ in arrays}
        file.attrs["layer_names"] = np.array([rename(x) for x in layers], "S")
        for layer in layers:
            group = file.create_group(rename(layer))
            names = [name for owner, name in arrays if owner == layer]
            stored = [f"{rename(layer)}_{name}_1:0" for name in names]
            group.attrs["weight_names"] = np.array(stored, "S")
            for name, place in zip(names, stored, strict=True):
                group[place] = arrays[layer, name]
        file.create_group("avg_pool").attrs["weight_names"] = np.zeros(0)


@pytest.fixture
def resnet_arrays():
    rng = np.random.default_rng(0)
    return {
        (layer, name): rng.uniform(0.1, 1, shape).astype(np.float32)
        for layer, shapes in array_shapes(TINY.architecture).items()
        for name, shape in shapes.items()
        if trunk_layer(layer)
    }


def test_old_imagenet_file(tmp_path, make_network, resnet_arrays):
    write_resnet(tmp_path / "r.h5", resnet_arrays, lambda layer: layer)
    network = make_network()
    heads = network.layers["fpn_p2"].kernel.numpy()
    load_imagenet(network, tmp_path / "r.h5")
    loaded = weights(network)
    for key, value in resnet_arrays.items():
        expected = value[:, :, ::-1] if key == ("conv1", "kernel") else value
        np.testing.assert_array_equal(loaded[key], expected)
    np.testing.assert_array_equal(network.layers["fpn_p2"].kernel.numpy(), heads)


def test_file_of_keras_applications_gives_the_same_normalisation(
    tmp_path, make_network, resnet_arrays
):
    write_resnet(tmp_path / "r.h5", resnet_arrays, numbered)
    arrays, epsilon = read_resnet(tmp_path / "r.h5", TINY.architecture)
    assert epsilon == KERAS_EPSILON
    assert arrays.keys() == resnet_arrays.keys()
    network = make_network()
    load_imagenet(network, tmp_path / "r.h5")
    layer = "bn3a_branch2b"
    gamma, beta, mean, variance = (
        resnet_arrays[layer, name]
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    x = np.linspace(-1, 1, 8, dtype=np.float32)
    expected = gamma * (x - mean) / np.sqrt(variance + KERAS_EPSILON) + beta
    result = network.layers[layer](x[None, None, None], training=False)
    np.testing.assert_allclose(result[0, 0, 0], expected, rtol=1e-5, atol=1e-6)


def test_imagenet_file_of_another_depth(tmp_path, resnet_arrays):
    del (
        resnet_arrays["res4a_branch2a", "kernel"],
        resnet_arrays["res4a_branch2a", "bias"],
    )
    resnet_arrays["res3b_branch2a", "bias"] = np.zeros(3, np.float32)
    write_resnet(tmp_path / "r.h5", resnet_arrays, lambda layer: layer)
    with pytest.raises(WeightsError, match="same depth") as e:
        read_resnet(tmp_path / "r.h5", TINY.architecture)
    assert e.value.problems == (
        "missing layer res4a_branch2a",
        "res3b_branch2a: the network has no such layer",
    )


def test_imagenet_file_in_a_zip(tmp_path, resnet_arrays):
    write_resnet(tmp_path / "r.h5", resnet_arrays, lambda layer: layer)
    with zipfile.ZipFile(tmp_path / "r.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "r.h5", "r.h5")
    assert is_resnet(tmp_path / "r.zip")
    arrays, _ = read_resnet(tmp_path / "r.zip", TINY.architecture)
    assert arrays.keys() == resnet_arrays.keys()


def test_imagenet_file_that_links_to_another(tmp_path):
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["conv1"] = h5py.ExternalLink("other.h5", "conv1")
    for read in (is_resnet, lambda path: read_resnet(path, TINY.architecture)):
        with pytest.raises(WeightsError, match="conv1 is a link to another file"):
            read(tmp_path / "r.h5")


def test_no_hdf5(tmp_path):
    (tmp_path / "r.h5").write_text("no")
    with pytest.raises(WeightsError, match="not a readable HDF5 file"):
        read_resnet(tmp_path / "r.h5", TINY.architecture)
