"""Keras 3's own weight files, written by Keras itself."""

import io
import json
import shutil
import struct
import zipfile

import h5py
import keras
import numpy as np
import pytest

from models.checkpoint import inspect_checkpoint, load_network, read_arrays
from models.errors import WeightsError
from models.keras3_names import keras3_key, names_from_description

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture
def network(tiny_file):
    return load_network(tiny_file)[0]


@pytest.fixture
def whole(network):
    """One model around the three."""
    inputs = [model.input for model in network.models]
    outputs = [
        model(tensor) for model, tensor in zip(network.models, inputs, strict=True)
    ]
    return keras.Model(inputs, outputs, name="mask_rcnn")


def assert_equal(path, arrays):
    read = read_arrays(inspect_checkpoint(path))
    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[key], arrays[key]) for key in arrays)


def without_names(path):
    """Makes a weight file what Keras before 3.6 wrote."""
    with h5py.File(path, "r+") as file:
        file.visititems(lambda _, item: item.attrs.pop("name", None) and None)


def test_weights_file(whole, tiny_arrays, tmp_path):
    whole.save_weights(tmp_path / "w.weights.h5")
    assert_equal(tmp_path / "w.weights.h5", tiny_arrays)


def test_weights_file_under_another_name(whole, tiny_arrays, tmp_path):
    whole.save_weights(tmp_path / "w.weights.h5")
    shutil.move(tmp_path / "w.weights.h5", tmp_path / "w.bin")
    assert_equal(tmp_path / "w.bin", tiny_arrays)


@pytest.mark.parametrize("name", ["w.keras", "w.zip"])
def test_archive(whole, tiny_arrays, tmp_path, name):
    whole.save(tmp_path / "w.keras")
    (tmp_path / "w.keras").rename(tmp_path / name)
    assert_equal(tmp_path / name, tiny_arrays)


def test_archive_with_an_optimiser(whole, tiny_arrays, tmp_path):
    whole.compile(keras.optimizers.SGD(momentum=0.9))
    whole.optimizer.build(whole.trainable_variables)
    whole.save(tmp_path / "w.keras")
    checkpoint = inspect_checkpoint(tmp_path / "w.keras")
    assert all(path.startswith("optimizer/vars/") for path in checkpoint.ignored)
    assert len(checkpoint.ignored) > 100
    assert_equal(tmp_path / "w.keras", tiny_arrays)


def old_archive(whole, folder, change=lambda description: None):
    """A .keras archive without names in its weights, its description changed."""
    whole.save(folder / "new.keras")
    with (
        zipfile.ZipFile(folder / "new.keras") as new,
        zipfile.ZipFile(folder / "old.keras", "w") as old,
    ):
        (folder / "w.h5").write_bytes(new.read("model.weights.h5"))
        without_names(folder / "w.h5")
        old.write(folder / "w.h5", "model.weights.h5")
        description = json.loads(new.read("config.json"))
        change(description)
        old.writestr("config.json", json.dumps(description))
    return folder / "old.keras"


def test_archive_before_names_were_written(whole, tiny_arrays, tmp_path):
    assert_equal(old_archive(whole, tmp_path), tiny_arrays)


def test_a_description_is_never_run(whole, tiny_arrays, tmp_path):
    mark = tmp_path / "mark"

    def change(description):
        layers = description["config"]["layers"]
        code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
        layers.append(
            {
                "module": "keras.layers",
                "class_name": "Lambda",
                "config": {"name": "l", "function": {"class_name": "__lambda__"}},
                "code": code,
            }
        )

    assert_equal(old_archive(whole, tmp_path, change), tiny_arrays)
    assert not mark.exists()


@pytest.mark.parametrize(
    "description",
    [None, [], {"config": 1}, {"config": {"layers": [1, {}, {"config": "x"}]}}],
)
def test_descriptions_of_nothing(description):
    assert names_from_description(description) == {}


def test_names_of_a_description():
    layers = [
        {"class_name": "Conv2D", "config": {"name": "conv1"}},
        {"class_name": "ReLU", "config": {"name": "stem_relu"}},
        {"class_name": "Conv2D", "config": {"name": "fpn_p2"}},
        {"class_name": "Conv2DTranspose", "config": {"name": "mrcnn_mask_deconv"}},
        {
            "class_name": "Functional",
            "config": {
                "name": "rpn_model",
                "layers": [{"class_name": "BatchNorm", "config": {"name": "bn"}}],
            },
        },
    ]
    assert names_from_description({"config": {"layers": layers}}) == {
        "layers/conv2d": "conv1",
        "layers/re_lu": "stem_relu",
        "layers/conv2d_1": "fpn_p2",
        "layers/conv2d_transpose": "mrcnn_mask_deconv",
        "layers/functional": "rpn_model",
        "layers/functional/layers/batch_norm": "bn",
    }


def test_weights_without_any_names_are_refused(whole, tmp_path):
    path = tmp_path / "w.weights.h5"
    whole.save_weights(path)
    without_names(path)
    with pytest.raises(WeightsError, match="wrote no names of layers") as caught:
        inspect_checkpoint(path)
    assert caught.value.problems[0] == "holds no layer of a Mask R-CNN"
    assert "model.save('w.h5')" in caught.value.advice


def test_one_part_of_a_network(network, tmp_path):
    """What the other parts lack is told, one by one."""
    network.trunk.save_weights(tmp_path / "trunk.weights.h5")
    checkpoint = inspect_checkpoint(tmp_path / "trunk.weights.h5")
    assert checkpoint.missing[0] == "mrcnn_class_conv1/kernel"
    assert {name.split("_")[0] for name in checkpoint.missing} == {"mrcnn"}
    assert checkpoint.problems == tuple(
        f"missing array {name}" for name in checkpoint.missing
    )


def test_every_array_is_accounted_for(whole, tmp_path):
    path = tmp_path / "w.weights.h5"
    whole.save_weights(path)
    with h5py.File(path, "r+") as file:
        file["layers/functional/layers/conv2d/vars/2"] = np.zeros(3, "f4")
        file["layers/dense/vars/0"] = np.zeros(3, "f4")
        del file["layers/functional/layers/conv2d_1/vars/1"]
    checkpoint = inspect_checkpoint(path)
    assert checkpoint.problems == (
        "missing array res2a_branch2a/bias",
        "unexpected array layers/dense/vars/0",
        "unexpected array layers/functional/layers/conv2d/vars/2",
    )


def test_time_distributed_heads_and_anchors(tmp_path):
    """A head as Matterport has it: the wrapper bears the name, not what it holds."""
    rois = keras.Input((None, 3, 3, 5))
    x = keras.layers.TimeDistributed(
        keras.layers.Conv2D(7, 3), name="mrcnn_class_conv1"
    )
    y = keras.layers.TimeDistributed(
        keras.layers.BatchNormalization(), name="mrcnn_class_bn1"
    )
    model = keras.Model(rois, y(x(rois)))
    model.save_weights(tmp_path / "w.weights.h5")
    with h5py.File(tmp_path / "w.weights.h5", "r+") as file:
        anchors = file.create_group("layers/anchors_layer/vars")
        anchors.attrs["name"] = "anchors"
        anchors["0"] = np.zeros((1, 8, 4), "f4")
    checkpoint = inspect_checkpoint(tmp_path / "w.weights.h5")
    assert set(checkpoint.arrays) == {
        ("mrcnn_class_conv1", "kernel"),
        ("mrcnn_class_conv1", "bias"),
        ("mrcnn_class_bn1", "gamma"),
        ("mrcnn_class_bn1", "beta"),
        ("mrcnn_class_bn1", "moving_mean"),
        ("mrcnn_class_bn1", "moving_variance"),
    }
    assert checkpoint.ignored == ("layers/anchors_layer/vars/0",)
    assert checkpoint.unexpected == ()


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("layers/conv2d/vars/1", ("conv1", "bias")),
        ("layers/conv2d/layer/vars/0", ("conv1", "kernel")),
        ("layers/conv2d/vars/2", None),
        ("layers/conv2d/vars/" + "9" * 5000, None),
        ("layers/conv2d/vars/kernel", None),
        ("vars/0", None),
        ("layers/add/vars/0", None),
    ],
)
def test_keys(path, key):
    names = {"layers/conv2d": "conv1", "layers/add": "res2a_add"}
    assert keras3_key(path, names) == key


def test_bfloat16(whole, tiny_arrays, tmp_path):
    """Keras stores it as two opaque bytes a number."""
    path = tmp_path / "w.weights.h5"
    whole.save_weights(path)
    place = "layers/functional/layers/conv2d/vars/0"
    kernel = tiny_arrays["conv1", "kernel"]
    upper = (kernel.view("<u4") >> 16).astype("<u2")
    with h5py.File(path, "r+") as file:
        del file[place]
        file[place] = upper.view("V2")
        file[place].attrs["dtype"] = "bfloat16"
    read = read_arrays(inspect_checkpoint(path))["conv1", "kernel"]
    assert np.array_equal(read, (upper.astype("<u4") << 16).view("<f4"))
    assert np.abs(read - kernel).max() <= np.abs(kernel).max() / 128


def test_keras_3s_archive_cut_short(whole, tmp_path):
    buffer = io.BytesIO()
    whole.save(tmp_path / "w.keras")
    buffer.write((tmp_path / "w.keras").read_bytes()[:-400])
    (tmp_path / "w.keras").write_bytes(buffer.getvalue())
    with pytest.raises(WeightsError, match="damaged zip file"):
        inspect_checkpoint(tmp_path / "w.keras")


def test_a_zip_whose_directory_shows_outside_it(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("w.h5", b"\x89HDF")
    damaged = bytearray(buffer.getvalue())
    place = damaged.rindex(b"PK\5\6") + 16  # of the directory's offset
    (offset,) = struct.unpack_from("<I", damaged, place)
    struct.pack_into("<I", damaged, place, offset + 1000)
    (tmp_path / "w.zip").write_bytes(damaged)
    with pytest.raises(WeightsError, match="damaged zip file: a part lies outside it"):
        inspect_checkpoint(tmp_path / "w.zip")
