import dataclasses
import hashlib
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

from models.architecture import Architecture, preset
from models.checkpoint import (
    inspect_checkpoint,
    load_network,
    load_weights,
    read_arrays,
    save_weights,
    sha256,
    write_arrays,
)
from models.config import ModelConfig
from models.errors import WeightsError
from models.layout import RPN_LAYERS, array_shapes, file_layers
from models.mask_rcnn import MaskRCNN
from tests.factories import TINY


def assert_whole(path, arrays, architecture=TINY):
    """Asserts that a file holds exactly these arrays and nothing unaccounted for."""
    checkpoint = inspect_checkpoint(path)
    assert checkpoint.problems == ()
    assert checkpoint.architecture == architecture
    read = read_arrays(checkpoint)
    assert read.keys() == arrays.keys()
    for key, values in arrays.items():
        assert read[key].dtype == np.float32
        assert np.array_equal(read[key], values), key
    return checkpoint


def problems_of(path, advice="Matterport's layout"):
    """The problems that loading a file is refused with."""
    with pytest.raises(WeightsError) as caught:
        load_network(path)
    assert str(path) in str(caught.value)
    assert advice in caught.value.advice
    return caught.value.problems


@pytest.fixture
def edit(tiny_file):
    """Opens the tiny file for changes."""

    def editing():
        return h5py.File(tiny_file, "r+")

    return editing


def replace(file, path, values):
    del file[path]
    file[path] = values


# Reading what there is


def test_round_trip(tiny_file, tiny_arrays):
    checkpoint = assert_whole(tiny_file, tiny_arrays)
    assert checkpoint.ignored == ()
    assert checkpoint.parameters == sum(a.size for a in tiny_arrays.values())
    assert checkpoint.path == tiny_file


@pytest.mark.parametrize(
    "architecture",
    [
        dataclasses.replace(TINY, num_classes=2),
        dataclasses.replace(TINY, anchors_per_cell=5),
        dataclasses.replace(TINY, stage_blocks=(3, 1, 4, 2)),
        Architecture(
            stem_filters=2,
            stage_blocks=(1, 1, 1, 1),
            stage_filters=(1, 1, 1, 1),
            fpn_channels=1,
            rpn_channels=1,
            anchors_per_cell=1,
            box_head_channels=1,
            pool_size=1,
            mask_head_channels=1,
            num_classes=2,
        ),
    ],
)
def test_architecture_is_read_off_the_shapes(architecture, tmp_path):
    path = tmp_path / "w.h5"
    write_arrays(zeros(architecture), architecture, path)
    assert inspect_checkpoint(path).architecture == architecture


def test_small_preset_is_recognised(small_file):
    architecture = inspect_checkpoint(small_file).architecture
    assert architecture == preset("small", num_classes=3)
    assert architecture.backbone == "small"


def zeros(architecture):
    return {
        (layer, array): np.zeros(shape, np.float32)
        for layer, arrays in array_shapes(architecture).items()
        for array, shape in arrays.items()
    }


def test_whole_model_file(tiny_file, tiny_arrays, edit):
    """`model.save` puts the weights below one group and adds the optimiser's state."""
    with edit() as file:
        names = list(file)
        top = file.create_group("model_weights")
        for name in names:
            file.move(name, f"model_weights/{name}")
        for attribute in list(file.attrs):
            top.attrs[attribute] = file.attrs[attribute]
            del file.attrs[attribute]
        file.attrs["model_config"] = "{'class_name': 'Lambda'}"
        slot = "optimizer_weights/training/SGD/conv1/kernel:0"
        file[slot] = np.zeros((7, 7, 3, 4))
    checkpoint = assert_whole(tiny_file, tiny_arrays)
    assert checkpoint.ignored == (slot,)


@pytest.mark.parametrize("wrapper", ["model_1", "mask_rcnn", "model_2/mask_rcnn"])
def test_wrapper_model(tiny_file, tiny_arrays, edit, wrapper):
    """A model inside a model, as `multi_gpu_model` left it."""
    with edit() as file:
        names = list(file)
        file.create_group(wrapper)
        for name in names:
            file.move(name, f"{wrapper}/{name}")
        file.attrs["layer_names"] = np.array([wrapper.split("/")[0]], "S")
    assert_whole(tiny_file, tiny_arrays)


def test_numbered_variables(tiny_file, tiny_arrays, edit):
    """Only the variables are numbered: several models were built in one process."""
    with edit() as file:
        file.move("fpn_c5p5/fpn_c5p5", "fpn_c5p5/fpn_c5p5_3")
        file.move("conv1/conv1/kernel:0", "conv1/conv1/kernel_1:0")
        file.move("bn_conv1/bn_conv1", "bn_conv1/bn_conv1_12")
    assert_whole(tiny_file, tiny_arrays)


def test_numbered_layers(tiny_file, tiny_arrays, edit):
    with edit() as file:
        for name, weights in file_layers(TINY):
            for layer in {weight.split("/")[0] for weight in weights}:
                file.move(f"{name}/{layer}", f"{name}/{layer}_1")
            if weights:
                file.move(name, f"{name}_1")
    assert_whole(tiny_file, tiny_arrays)


def test_time_distributed_layers(tiny_file, tiny_arrays, edit):
    """Group and variable may bear the wrapper's name, or the inner layer's besides."""
    with edit() as file:
        for group in ("mrcnn_mask_conv1", "mrcnn_class_bn1", "mrcnn_mask"):
            file.move(f"{group}/{group}", f"{group}/time_distributed_2/{group}")
    assert_whole(tiny_file, tiny_arrays)


def test_rpn_at_the_top(tiny_file, tiny_arrays, edit):
    with edit() as file:
        for layer in RPN_LAYERS:
            file.move(f"rpn_model/{layer}", f"{layer}/{layer}")
        del file["rpn_model"]
    assert_whole(tiny_file, tiny_arrays)


def test_names_without_output_index(tiny_file, tiny_arrays, edit):
    """Keras 3 leaves ":0" out."""
    with edit() as file:
        paths = []
        file.visititems(
            lambda name, item: (
                paths.append(name) if isinstance(item, h5py.Dataset) else None
            )
        )
        for path in paths:
            file.move(path, path.removesuffix(":0"))
    assert_whole(tiny_file, tiny_arrays)


@pytest.mark.parametrize("strings", ["variable", "fixed"])
def test_string_attributes(tiny_file, tiny_arrays, edit, strings):
    dtype = h5py.string_dtype() if strings == "variable" else "S80"
    with edit() as file:
        names = [n.decode() for n in file.attrs["layer_names"]]
        for item in [file, *(file[name] for name in names)]:
            for attribute in list(item.attrs):
                value = item.attrs[attribute]
                if getattr(value, "dtype", None) == np.float64:  # no weights
                    continue
                text = np.asarray(value).astype("U").astype(object)
                if strings == "fixed":
                    text = text.astype("S80")
                item.attrs.create(attribute, text, dtype=dtype)
    assert_whole(tiny_file, tiny_arrays)


def test_groups_in_another_order(tiny_file, tiny_arrays, tmp_path):
    shuffled = tmp_path / "shuffled.h5"
    with (
        h5py.File(tiny_file) as source,
        h5py.File(shuffled, "w", track_order=True) as file,
    ):
        for name in sorted(source, reverse=True):
            source.copy(name, file)
    assert_whole(shuffled, tiny_arrays)


@pytest.mark.parametrize(
    "path", ["anchors/Variable:0", "anchors_1/anchors/Variable:0", "ROI/anchors:0"]
)
def test_stray_anchors_are_ignored(tiny_file, tiny_arrays, edit, path):
    with edit() as file:
        file[path] = np.zeros((1, 261_888, 4), "f4")
    assert assert_whole(tiny_file, tiny_arrays).ignored == (path,)


def test_top_level_model_weights_are_ignored(tiny_file, tiny_arrays, edit):
    with edit() as file:
        file.create_group("top_level_model_weights").attrs["weight_names"] = []
    assert_whole(tiny_file, tiny_arrays)


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2"])
def test_other_precisions(tiny_file, tiny_arrays, edit, dtype):
    with edit() as file:
        values = np.asarray(file["conv1/conv1/kernel:0"]).astype(dtype)
        replace(file, "conv1/conv1/kernel:0", values)
    stored = tiny_arrays["conv1", "kernel"].astype(dtype).astype("<f4")
    assert_whole(tiny_file, tiny_arrays | {("conv1", "kernel"): stored})


# Files that are not whole


def test_every_problem_at_once(tiny_file, edit):
    with edit() as file:
        del file["fpn_p3/fpn_p3/bias:0"]
        del file["res5a_branch2b"]
        file["mrcnn_keypoint/mrcnn_keypoint/kernel:0"] = np.zeros((1, 1), "f4")
        file["fpn_p2/fpn_p2/moving_mean:0"] = np.zeros(5, "f4")
        replace(file, "bn_conv1/bn_conv1/beta:0", np.zeros(9, "f4"))
        replace(file, "fpn_c2p2/fpn_c2p2/kernel:0", np.zeros((3, 1, 8, 5), "f4"))
    assert sorted(problems_of(tiny_file)) == [
        "bn_conv1/beta: expected 4, got 9",
        "fpn_c2p2/kernel: expected 1x1x8x5, got 3x1x8x5",
        "missing array fpn_p3/bias",
        "missing array res5a_branch2b/bias",
        "missing array res5a_branch2b/kernel",
        "unexpected array fpn_p2/fpn_p2/moving_mean:0",
        "unexpected array mrcnn_keypoint/mrcnn_keypoint/kernel:0",
    ]


def test_error_text_lists_problems(tiny_file, edit):
    with edit() as file:
        del file["fpn_p3/fpn_p3/bias:0"]
    with pytest.raises(
        WeightsError,
        match=r"tiny\.h5: 1 problem:\n  - missing array fpn_p3/bias\nExpected a Mask",
    ):
        load_network(tiny_file)


def test_missing_block_inside_a_stage(tiny_file, edit):
    with edit() as file:
        for layer in [name for name in file if name[3:].startswith("3a_branch2")]:
            del file[layer]
        for layer in [name for name in file if name[2:].startswith("3a_branch2")]:
            del file[layer]
    problems = problems_of(tiny_file)
    assert "missing array res3a_branch2a/kernel" in problems
    assert "missing array bn3a_branch2c/moving_variance" in problems


def test_array_stored_twice(tiny_file, edit):
    with edit() as file:
        file.copy("conv1", "conv1_1")
    assert len(problems_of(tiny_file)) == 2
    assert all(p.startswith("unexpected array conv1") for p in problems_of(tiny_file))


def test_contradictory_class_counts(tiny_file, edit):
    with edit() as file:
        replace(file, "mrcnn_mask/mrcnn_mask/kernel:0", np.zeros((1, 1, 4, 5), "f4"))
        replace(file, "mrcnn_mask/mrcnn_mask/bias:0", np.zeros(5, "f4"))
    problems = problems_of(tiny_file)
    assert problems[0] == (
        "number of classes: the layers contradict each other "
        "(mrcnn_class_logits 3, mrcnn_bbox_fc 3, mrcnn_mask 5)"
    )
    assert "mrcnn_mask/bias: expected 3, got 5" in problems


def test_four_channels(tiny_file, edit):
    with edit() as file:
        replace(file, "conv1/conv1/kernel:0", np.zeros((7, 7, 4, 4), "f4"))
    assert problems_of(tiny_file)[0] == (
        "conv1/kernel: expected 3 input channels, got 4; only RGB networks are "
        "supported"
    )


@pytest.mark.parametrize("shape", [(), (0,), (5,), (1, 1, 4, 0)])
def test_odd_shapes_are_reported(tiny_file, edit, shape):
    with edit() as file:
        for layer in ("conv1", "mrcnn_mask", "res2a_branch2a"):
            replace(file, f"{layer}/{layer}/kernel:0", np.zeros(shape, "f4"))
    assert any(p.startswith("conv1/kernel: expected") for p in problems_of(tiny_file))


DIVERGED = "damaged, or its training diverged"


def test_negative_variances(tiny_file, edit):
    with edit() as file:
        file["bn_conv1/bn_conv1/moving_variance:0"][1] = -0.5
    assert problems_of(tiny_file, DIVERGED) == (
        "bn_conv1/moving_variance: 1 of 4 variances are negative",
    )


def test_arrays_that_claim_more_than_the_file_holds(tiny_file, edit):
    with edit() as file:
        path = "mrcnn_mask/mrcnn_mask/kernel:0"
        del file[path]
        file.create_dataset(path, (1, 1, 4, 2**33), "f4", chunks=(1, 1, 4, 1024))
    (problem,) = problems_of(tiny_file)
    assert problem.startswith(
        "array mrcnn_mask/mrcnn_mask/kernel:0 claims 137438953472"
    )


@pytest.mark.parametrize("classes", [0, 1])
def test_too_few_classes(tmp_path, classes):
    architecture = dataclasses.replace(TINY, num_classes=classes)
    arrays = {
        (layer, name): np.zeros(shape, np.float32)
        for layer, names in array_shapes(architecture).items()
        for name, shape in names.items()
    }
    write_arrays(arrays, architecture, tmp_path / "w.h5")
    assert problems_of(tmp_path / "w.h5") == (
        f"number of classes: expected at least 2 with the background, got {classes}",
    )


def test_an_archive_of_keras_3(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    (problem,) = problems_of(tmp_path / "w.keras", "model.save('w.h5')")
    assert "Keras 3 writes (.keras)" in problem


def test_a_weights_file_of_keras_3(tmp_path):
    path = tmp_path / "w.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((2, 1), np.float32)
    problems = problems_of(path, "model.save('w.h5')")
    assert "is a Keras 3 .weights.h5 file" in str(problems)
    assert "Keras before 3.6 wrote no names of layers" in str(problems)


def test_numbers_that_are_not_finite(tiny_file, edit):
    with edit() as file:
        file["conv1/conv1/kernel:0"][0, 0, 0, :2] = [np.nan, np.inf]
        file["bn_conv1/bn_conv1/beta:0"][3] = -np.inf
    assert sorted(problems_of(tiny_file, DIVERGED)) == [
        "bn_conv1/beta: 1 of 4 numbers are NaN or infinite",
        "conv1/kernel: 2 of 588 numbers are NaN or infinite",
    ]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.zeros(4, "i8"), "int64"),
        (np.zeros(4, bool), "bool"),
        (np.zeros(4, "S3"), "bytes24"),
    ],
)
def test_arrays_that_hold_no_numbers(tiny_file, edit, values, dtype):
    with edit() as file:
        replace(file, "conv1/conv1/bias:0", values)
    assert problems_of(tiny_file, DIVERGED) == (
        f"conv1/bias: expected floating-point numbers, got {dtype}",
    )


# Files that are something else


def test_no_such_file(tmp_path):
    assert problems_of(tmp_path / "absent.h5") == ("no such file",)
    assert problems_of(tmp_path) == ("no such file",)  # a directory


@pytest.mark.parametrize("content", [b"", b"some text\n" * 100, b"\x89HDF\r\n\x1a\n"])
def test_no_hdf5(tmp_path, content):
    path = tmp_path / "w.h5"
    path.write_bytes(content)
    (problem,) = problems_of(path)
    assert problem.startswith("not a readable HDF5 file, or cut short: ")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated(tiny_file, share):
    content = tiny_file.read_bytes()
    tiny_file.write_bytes(content[: int(len(content) * share)])
    (problem,) = problems_of(tiny_file)
    assert "cut short" in problem


def test_damaged(tiny_file, rng):
    """Whatever h5py stumbles over, the error names the file and says it is damaged."""
    content = tiny_file.read_bytes()
    texts = set()
    for _ in range(60):
        damaged = bytearray(content)
        for place in rng.integers(0, 20_000, 60):
            damaged[place] = rng.integers(0, 256)
        tiny_file.write_bytes(damaged)
        try:
            read_arrays(inspect_checkpoint(tiny_file))
        except WeightsError as err:
            texts.update(problem.split(":")[0] for problem in err.problems)
    assert "damaged HDF5 file" in texts


def test_another_network(tmp_path):
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        for index in range(7):
            file[f"dense_{index}/kernel:0"] = np.zeros((2, 2))
    assert problems_of(path) == (
        "holds no layer of a Mask R-CNN",
        *(f"holds array dense_{index}/kernel:0" for index in range(5)),
        "and 2 more arrays",
    )


def test_empty_hdf5(tmp_path):
    path = tmp_path / "w.h5"
    h5py.File(path, "w").close()
    assert problems_of(path) == ("holds no layer of a Mask R-CNN",)


def test_links_to_other_files_are_not_followed(tiny_file, tmp_path):
    linked = tmp_path / "links.h5"
    with h5py.File(tiny_file) as source, h5py.File(linked, "w") as file:
        for name in source:
            if name == "fpn_p3":
                file[name] = h5py.ExternalLink(tiny_file.name, name)
            else:
                source.copy(name, file)
    assert problems_of(linked) == (
        "fpn_p3 is a link to another file, tiny.h5; links are not followed",
    )


@pytest.mark.parametrize("target", ["tiny.h5", "absent.h5"])
def test_link_instead_of_all_weights(tiny_file, tmp_path, target):
    linked = tmp_path / "links.h5"
    with h5py.File(linked, "w") as file:
        file["model_weights"] = h5py.ExternalLink(target, "/")
    assert problems_of(linked) == (
        f"model_weights is a link to another file, {target}; links are not followed",
    )


def test_numbers_in_another_file_are_not_read(tiny_file, edit, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"passwords" * 400)
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "x", (4,))
    with edit() as file:
        del file["conv1/conv1/kernel:0"], file["conv1/conv1/bias:0"]
        file["conv1/conv1"].create_dataset(
            "kernel:0", (7, 7, 3, 4), "f4", external=[(str(secret), 0, 2352)]
        )
        file["conv1/conv1"].create_virtual_dataset("bias:0", layout)
    assert problems_of(tiny_file) == (
        "array conv1/conv1/bias:0 keeps its numbers in another file",
        "array conv1/conv1/kernel:0 keeps its numbers in another file",
    )


# Into and out of a network


def test_loads_every_variable(tiny_file, tiny_arrays):
    network, checkpoint = load_network(tiny_file)
    assert checkpoint.path == tiny_file
    assert network.config == ModelConfig(architecture=TINY)
    loaded = {
        (name, variable.name): variable.numpy()
        for name, layer in network.layers.items()
        for variable in layer.weights
    }
    assert loaded.keys() == tiny_arrays.keys()
    assert all(np.array_equal(loaded[key], tiny_arrays[key]) for key in loaded)
    assert len(network.variables) == len(tiny_arrays)


def test_wrong_architecture(tiny_file):
    other = dataclasses.replace(TINY, num_classes=5, fpn_channels=6)
    with pytest.raises(WeightsError, match="fits the file") as caught:
        load_network(tiny_file, ModelConfig(architecture=other))
    assert caught.value.problems == (
        "fpn_channels: the network has 6, the file 5",
        "num_classes: the network has 5, the file 3",
    )


def test_failed_load_leaves_the_network_alone(tiny_file, edit):
    network = MaskRCNN(ModelConfig(architecture=TINY))
    before = [variable.numpy() for variable in network.variables]
    with edit() as file:
        file["mrcnn_mask/mrcnn_mask/bias:0"][0] = np.nan
    with pytest.raises(WeightsError):
        load_weights(network, inspect_checkpoint(tiny_file))
    after = [variable.numpy() for variable in network.variables]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_save_and_load(tiny_file, tiny_arrays, tmp_path):
    network, _ = load_network(tiny_file)
    saved = tmp_path / "saved.h5"
    save_weights(network, saved)
    assert_whole(saved, tiny_arrays)
    assert saved.stat().st_mode & 0o777 == 0o644


def test_written_file_is_keras_2s(tiny_file):
    """What `load_weights` of the old code looks at, by order and by name."""
    with h5py.File(tiny_file) as file:
        assert file.attrs["backend"] == b"tensorflow"
        assert file.attrs["keras_version"] == b"2.15.0"
        names = file.attrs["layer_names"]
        assert names.dtype.kind == "S"
        listed = [name.decode() for name in names]
        assert listed == [name for name, _ in file_layers(TINY)]
        assert set(listed) == set(file)
        for name, weights in file_layers(TINY):
            stored = file[name].attrs["weight_names"]
            assert [w.decode() for w in stored] == weights
            assert stored.dtype.kind == ("S" if weights else "f")
            for weight in weights:
                assert file[name][weight].dtype == "<f4"


def test_keras_reads_the_written_file_by_name(tiny_file, tiny_arrays):
    """Keras' own reader puts the arrays of the trunk where this one does."""
    network = MaskRCNN(ModelConfig(architecture=TINY))
    network.trunk.load_weights(tiny_file, by_name=True)
    compared = 0
    for layer in network.trunk.layers:
        for variable in layer.weights:
            if layer.name not in RPN_LAYERS:  # nested in a group of their own
                stored = tiny_arrays[layer.name, variable.name]
                assert np.array_equal(variable.numpy(), stored)
                compared += 1
    assert compared > 100


@pytest.mark.parametrize("existing", [None, b"earlier"])
def test_failing_write_leaves_nothing(tiny_arrays, tmp_path, existing):
    path = tmp_path / "w.h5"
    if existing:
        path.write_bytes(existing)
    incomplete = dict(tiny_arrays)
    del incomplete["mrcnn_mask", "bias"]  # the very last array
    with pytest.raises(KeyError, match="mrcnn_mask"):
        write_arrays(incomplete, TINY, path)
    assert [p.name for p in tmp_path.iterdir()] == (["w.h5"] if existing else [])
    assert not existing or path.read_bytes() == existing


def test_write_replaces(tiny_file, tiny_arrays, tmp_path):
    path = tmp_path / "w.h5"
    path.write_bytes(b"earlier")
    write_arrays(tiny_arrays, TINY, path)
    assert_whole(path, tiny_arrays)


def test_no_such_directory(tiny_arrays, tmp_path):
    with pytest.raises(FileNotFoundError):
        write_arrays(tiny_arrays, TINY, tmp_path / "absent" / "w.h5")


def test_folded_networks_have_no_file(tmp_path):
    network = MaskRCNN(ModelConfig(architecture=TINY), batch_norm=False)
    with pytest.raises(ValueError, match="folded normalisation has no file layout"):
        save_weights(network, tmp_path / "w.h5")
    assert list(tmp_path.iterdir()) == []


def test_sha256(tiny_file, tmp_path):
    assert sha256(tiny_file) == hashlib.sha256(tiny_file.read_bytes()).hexdigest()
    copy = shutil.copy(tiny_file, tmp_path / "copy.h5")
    assert sha256(copy) == sha256(tiny_file)


keras_saves = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
"""Keras' own variables, under numpy 2."""


@keras_saves
def test_file_written_by_keras_3(tiny_file, tiny_arrays, tmp_path):
    """`model.save` of one model around the three: nested groups, no output index."""
    network, _ = load_network(tiny_file)
    inputs = [model.input for model in network.models]
    outputs = [
        model(tensor) for model, tensor in zip(network.models, inputs, strict=True)
    ]
    path = tmp_path / "keras3.h5"
    keras.Model(inputs, outputs, name="mask_rcnn").save(path)
    with h5py.File(path) as file:
        assert "model_config" in file.attrs
        assert set(file["model_weights"]) >= {"trunk", "box_head", "mask_head"}
    assert_whole(path, tiny_arrays)
