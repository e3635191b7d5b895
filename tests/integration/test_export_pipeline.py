"""The whole export: verification that refuses, and the program end to end."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from export.errors import ExportError
from export.precisions.float32 import FLOAT32, build
from export.precisions.precision import Pass
from serving import contract
from tests.images import encode, image

ROOT = Path(__file__).parents[2]
SMALL_IMAGE = image(96, 128)


@pytest.fixture(scope="module")
def info(saved_model_dir):
    asset = saved_model_dir / "assets.extra" / contract.MODEL_INFO_ASSET
    return contract.ModelInfo.from_json(asset.read_bytes())


@pytest.fixture
def network(small_checkpoint):
    from models.architecture import preset
    from models.checkpoint import load_network
    from models.config import ModelConfig

    architecture = preset("small", num_classes=3)
    config = ModelConfig(architecture=architecture, min_dim=256, max_dim=256)
    return load_network(small_checkpoint, config)[0]


@pytest.fixture(scope="module")
def tampered(saved_model_dir, tmp_path_factory):
    """A copy of the SavedModel with noise on one stored kernel."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("tampered") / "1"
    shutil.copytree(saved_model_dir, folder)
    prefix = str(folder / "variables" / "variables")
    reader = tf.train.load_checkpoint(prefix)
    names = sorted(reader.get_variable_to_shape_map())
    tensors = {name: reader.get_tensor(name) for name in names}
    (changed,) = (n for n in names if np.shape(tensors[n]) == (7, 7, 3, 32))
    kernel = tensors[changed]
    noise = np.random.default_rng(0).normal(0, 0.5 * kernel.std(), kernel.shape)
    tensors[changed] = (kernel + noise).astype(np.float32)
    for path in (folder / "variables").iterdir():
        path.unlink()
    values = [tf.constant(tensors[name]) for name in names]
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=values,
    )
    return folder


def test_the_untouched_model_passes(saved_model_dir, network, info):
    from export.verify import verify

    report = verify(saved_model_dir, network, info, SMALL_IMAGE, FLOAT32.tolerances)
    assert report.images == 1
    assert report.instances == 100
    assert report.lost <= 5


def test_a_changed_kernel_is_noticed(tampered, network, info):
    from export.verify import verify

    with pytest.raises(
        ExportError,
        match="serving_default: the saved model does not compute what the network "
        r"computes: of 100 instances \d+ are missing or differ, and it has \d+ others; "
        "nothing was published",
    ):
        verify(tampered, network, info, SMALL_IMAGE, FLOAT32.tolerances)


def test_another_mean_pixel_is_noticed(saved_model_dir, network, info):
    from export.verify import verify

    network.config = dataclasses.replace(network.config, mean_pixel=(0, 0, 0))
    with pytest.raises(ExportError, match="does not compute what the network computes"):
        verify(saved_model_dir, network, info, SMALL_IMAGE, FLOAT32.tolerances)


@pytest.mark.parametrize(
    "change",
    [
        lambda info: {
            "classes": (
                info.classes[0],
                dataclasses.replace(info.classes[1], title="class_2"),
                dataclasses.replace(info.classes[2], title="class_1"),
            )
        },
        lambda info: {"checkpoint": {**info.checkpoint, "sha256": "0" * 64}},
    ],
    ids=["names swapped", "checkpoint"],
)
def test_another_information_is_noticed(saved_model_dir, network, info, change):
    from export.verify import verify

    other = dataclasses.replace(info, **change(info))
    with pytest.raises(ExportError, match=r"^model_info: got "):
        verify(saved_model_dir, network, other, SMALL_IMAGE, FLOAT32.tolerances)


def test_damaged_storage_is_noticed(saved_model_dir, network, info, tmp_path):
    from export.verify import verify

    folder = tmp_path / "1"
    shutil.copytree(saved_model_dir, folder)
    data = next((folder / "variables").glob("variables.data*"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0xFF
    data.write_bytes(content)
    with pytest.raises(ExportError, match="the saved model does not load: "):
        verify(folder, network, info, SMALL_IMAGE, FLOAT32.tolerances)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("kernel", "folding the batch normalisation changed"),
        ("statistics", "the network's trunk computes NaN"),
    ],
)
def test_folding_that_changes_features_is_noticed(network, what, told):
    from export.verify import verify_features
    from models.folding import fold_batch_norm

    folded = build(network.config, fold_batch_norm(network.arrays()))
    limit = FLOAT32.tolerances.feature_error
    assert verify_features(network, folded, FLOAT32) < limit / 10
    kernel, bias = folded.layers["res3a_branch2b"].get_weights()
    if what == "kernel":
        kernel = kernel * 1.05
    else:
        bias = bias * np.nan
    folded.layers["res3a_branch2b"].set_weights([kernel, bias])
    with pytest.raises(ExportError, match=told):
        verify_features(network, folded, FLOAT32)


def test_a_network_that_computes_nan_is_noticed(network):
    from export.verify import verify_features
    from models.folding import fold_batch_norm

    layer = network.layers["bn_conv1"]
    gamma, beta, mean, variance = layer.get_weights()
    layer.set_weights([gamma, beta, mean, np.full_like(variance, -1)])
    with np.errstate(invalid="ignore"):
        folded = build(network.config, fold_batch_norm(network.arrays()))
    with pytest.raises(ExportError, match="the network's trunk computes NaN"):
        verify_features(network, folded, FLOAT32)


def halved(arrays):
    return {
        key: array / 2 if key == ("conv1", "kernel") else array
        for key, array in arrays.items()
    }


def test_passes_and_tolerances_are_the_precisions(
    small_checkpoint, tmp_path, no_save, monkeypatch
):
    """Passes run in their order, and the features are judged by its own tolerance."""
    import export.pipeline as pipeline
    from export.settings import Options

    strict = dataclasses.replace(
        FLOAT32,
        passes=(*FLOAT32.passes, Pass("halving the first kernel", halved)),
        tolerances=dataclasses.replace(FLOAT32.tolerances, feature_error=0.01),
    )
    options = Options(small_checkpoint, output=tmp_path / "base")
    monkeypatch.setitem(pipeline.PRECISIONS, "float32", strict)
    with pytest.raises(
        ExportError,
        match="^folding the batch normalisation and halving the first kernel changed "
        r"features by 0\.\d+ of their range, expected at most 0\.01; ",
    ):
        pipeline.export_model(options)
    generous = dataclasses.replace(strict.tolerances, feature_error=1.0)
    generous_precision = dataclasses.replace(strict, tolerances=generous)
    monkeypatch.setitem(pipeline.PRECISIONS, "float32", generous_precision)
    with pytest.raises(AssertionError, match="saved"):
        pipeline.export_model(options)


def test_rows_are_judged_by_the_tolerances(saved_model_dir, network, info):
    """Masks of the untouched model differ by float noise, but not by nothing."""
    from export.verify import verify

    exact = dataclasses.replace(
        FLOAT32.tolerances, score_error=0.0, mask_prob_error=0.0, lost_share=0.0
    )
    with pytest.raises(ExportError, match="does not compute what the network computes"):
        verify(saved_model_dir, network, info, SMALL_IMAGE, exact)


def test_a_model_that_fails_verification_is_not_published(
    tampered, info, small_checkpoint, tmp_path, monkeypatch
):
    import export.pipeline as pipeline
    from export.settings import Options

    def save_tampered(network, info, folder):
        shutil.copytree(tampered, folder, dirs_exist_ok=True)

    monkeypatch.setattr(pipeline, "save", save_tampered)
    monkeypatch.setattr(pipeline, "_model_info", lambda *_: info)
    image = tmp_path / "small.png"
    image.write_bytes(encode(SMALL_IMAGE, "PNG"))
    base = tmp_path / "base"
    (base / "1").mkdir(parents=True)
    (base / "1" / "mark").write_text("old")
    options = Options(
        small_checkpoint, output=base, version=1, overwrite=True, verify_image=image
    )
    with pytest.raises(ExportError, match="does not compute"):
        pipeline.export_model(options)
    assert [path.name for path in base.iterdir()] == ["1"]
    assert (base / "1" / "mark").read_text() == "old"


@pytest.fixture
def no_save(monkeypatch):
    """An export that gets as far as saving is wrong."""
    import export.pipeline as pipeline

    def save(*_):
        raise AssertionError("saved")

    monkeypatch.setattr(pipeline, "save", save)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"version": 3}, "this version exists"),
        ({"overrides": {"max_dim": 100}}, "max_dim: expected a multiple of 64"),
        ({"classes": ("one",)}, "expected 2 or 3 names, got 1"),
        ({"verify_image": Path(__file__)}, "not usable as a picture: .*something else"),
        ({"verify_image": Path("gone.png")}, "gone.png: not usable as a picture"),
        ({"max_image_pixels": 10, "verify_image": ...}, "of 1 to 10 pixels"),
    ],
    ids=["exists", "size", "classes", "no picture", "no file", "too large"],
)
def test_contradictions_are_told_before_any_work(
    small_checkpoint, tmp_path, no_save, options, told
):
    from export.pipeline import export_model
    from export.settings import Options

    image = tmp_path / "picture.png"
    image.write_bytes(encode(SMALL_IMAGE, "PNG"))
    if options.get("verify_image") is ...:
        options = {**options, "verify_image": image}
    base = tmp_path / "base"
    (base / "3").mkdir(parents=True)
    with pytest.raises(ExportError, match=told):
        export_model(Options(small_checkpoint, output=base, **options))
    assert [path.name for path in base.iterdir()] == ["3"]


def test_an_unwritable_output_is_told_before_any_work(
    small_checkpoint, tmp_path, no_save
):
    from export.pipeline import export_model
    from export.settings import Options

    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="choose another --output"):
        export_model(Options(small_checkpoint, output=tmp_path / "file" / "model"))


@pytest.mark.slow
def test_a_network_that_does_not_run_is_one_line(
    small_checkpoint, tmp_path, monkeypatch
):
    """A canvas above what the module lets through, as a large `max_dim` makes one."""
    import export.module as module
    from export.pipeline import export_model
    from export.settings import Options

    monkeypatch.setattr(module, "MAX_CANVAS_PIXELS", 1000)
    with pytest.raises(ExportError) as caught:
        export_model(Options(small_checkpoint, output=tmp_path / "base"))
    text = str(caught.value)
    assert text.startswith("the network does not run: ")
    assert "1000 pixels" in text
    assert text.endswith("; nothing was published")
    assert list((tmp_path / "base").iterdir()) == []


def test_a_failure_while_saving_leaves_nothing(small_checkpoint, tmp_path, monkeypatch):
    import export.pipeline as pipeline
    from export.settings import Options

    def save(network, info, folder):
        (folder / "half").write_text("done")
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "save", save)
    with pytest.raises(KeyboardInterrupt):
        pipeline.export_model(Options(small_checkpoint, output=tmp_path / "base"))
    assert list((tmp_path / "base").iterdir()) == []


@pytest.mark.slow
def test_the_program_end_to_end(small_checkpoint, tmp_path):
    """Names, thresholds and limits of flags reach the published model."""
    from export.verify import SavedModel

    (tmp_path / "names.txt").write_text("Kätzchen\ndog\n", "utf-8")
    (tmp_path / "picture.png").write_bytes(encode(SMALL_IMAGE, "PNG"))
    (tmp_path / "out" / "6").mkdir(parents=True)
    arguments = [sys.executable, "-m", "export", "--weights", str(small_checkpoint)]
    arguments += ["--output", "out", "--model-name", "cats", "--classes", "names.txt"]
    arguments += ["--max-detections", "7", "--max-image-pixels", "12288"]
    arguments += ["--max-dim", "128", "--verify-image", "picture.png"]
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "out/7\n"
    assert "verified on 1 picture(s): 7 instances" in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["6", "7"]
    folder = tmp_path / "out" / "7"
    told = json.loads((folder / "assets.extra" / "model.json").read_bytes())
    assert [c["title"] for c in told["classes"]] == ["bg", "Kätzchen", "dog"]
    assert "classes_assumed" not in told
    assert told["name"] == "cats"
    assert told["input"] == {
        "min_dim": 256,
        "max_dim": 128,
        "resize_mode": "square",
        "max_image_pixels": 12288,
    }
    model = SavedModel(folder)
    try:
        answer = model("serving_default", [encode(SMALL_IMAGE, "PNG")])
        assert answer["detection_scores"].shape == (1, 7)
        assert set(answer["detection_class_names"][0]) <= {"Kätzchen".encode(), b"dog"}
        with pytest.raises(Exception, match=r"of 1 to 12288 pixels.* 96 x 129"):
            model("image_tensor", np.zeros((1, 96, 129, 3), np.uint8))
    finally:
        model.close()
