"""Whole trainings on a few small pictures."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import inspect_checkpoint, read_arrays
from tests.integration.killed_training import compare
from tests.shapes_project import SIDE, train_config, write_shapes
from training.engine.metrics import read_rows
from training.engine.progress import Quiet
from training.engine.run import train
from training.errors import DatasetError, TrainingError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    return write_shapes(tmp_path_factory.mktemp("data") / "shapes")


def config(**changes):
    """Returns a config that leaves the operations of this process as they are."""
    return train_config(deterministic=False, **changes)


def run(shapes, output, changes=None, **arguments):
    arguments = {"project": shapes, "output": output, "device": "cpu"} | arguments
    return train(config(**(changes or {})), **arguments)


@pytest.fixture(scope="module")
def finished(shapes, tmp_path_factory):
    output = tmp_path_factory.mktemp("finished")
    return run(shapes, output, {"best_metric": "mask_ap", "epochs": 3})


def arrays_of(checkpoint):
    return read_arrays(inspect_checkpoint(checkpoint / "model_weights" / "model.h5"))


def test_files_of_a_training(finished):
    assert finished.is_finished
    assert finished.step == finished.total_steps == 12
    folder = finished.output / "checkpoints"
    assert sorted(p.name for p in folder.iterdir()) == [
        "00000000",
        "00000001",
        "00000002",
        "best",
        "last",
    ]
    assert (folder / "last").resolve().name == "00000002"
    content = json.loads((folder / "last" / "config.json").read_text())
    assert content["class_title_to_idx"] == {"bg": 0, "box": 1, "triangle": 2}
    assert content["settings"]["epochs"] == 3
    assert content["training"] == {"epoch": 3, "step": 12, "first_weights": None}
    assert (finished.output / "curves.png").stat().st_size > 10_000
    assert list((finished.output / "tensorboard").iterdir())


def test_metrics_of_a_training(finished):
    rows = read_rows(finished.output / "metrics.csv")
    assert [int(r["step"]) for r in rows if r["split"] == "train"] == [*range(1, 13)]
    val = [r for r in rows if r["split"] == "val"]
    assert [float(r["epoch"]) for r in val] == [1, 2, 3]
    assert all(0 <= float(r["mask_ap"]) <= 1 for r in val)
    losses = [float(r["loss"]) for r in rows if r["split"] == "train"]
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert 0 < finished.data_wait < 1


@pytest.mark.slow
def test_training_in_bfloat16_validates_by_mask_ap(shapes, tmp_path):
    changes = {"precision": "bfloat16", "best_metric": "mask_ap", "epochs": 1}
    result = run(shapes, tmp_path, changes)
    assert result.is_finished
    (row,) = [r for r in read_rows(tmp_path / "metrics.csv") if r["split"] == "val"]
    assert float(row["mask_ap"]) == result.best_value
    assert {array.dtype for array in arrays_of(result.last).values()} == {
        np.dtype(np.float32)
    }


def test_checkpoint_exports(finished, tmp_path):
    from export.pipeline import export_model
    from export.settings import Options

    weights = finished.last / "model_weights" / "model.h5"
    path = export_model(Options(weights=weights, output=tmp_path / "exported"))
    info = json.loads((path / "assets.extra" / "model.json").read_text())
    assert [c["title"] for c in info["classes"]] == ["bg", "box", "triangle"]
    assert info["input"]["max_dim"] == SIDE


def test_another_training_in_the_folder_is_not_overwritten(finished, shapes):
    with pytest.raises(
        TrainingError, match=r"holds checkpoints up to 00000002.*--resume"
    ):
        run(shapes, finished.output)


def test_resuming_a_finished_training_does_nothing(finished, shapes):
    before = (finished.last / "model_weights" / "model.h5").read_bytes()
    changes = {"best_metric": "mask_ap", "epochs": 3}
    again = run(shapes, finished.output, changes, resume=True)
    assert again.is_finished
    assert again.best_value == finished.best_value
    assert (again.last / "model_weights" / "model.h5").read_bytes() == before


def test_resuming_another_training_is_refused(finished, shapes, tmp_path):
    changes = {"best_metric": "mask_ap", "epochs": 4, "lr": 0.5}
    with pytest.raises(TrainingError, match="differs") as caught:
        run(shapes, finished.output, changes, resume=True)
    assert "config epochs: was 3, is 4" in str(caught.value)
    assert "config lr: was 0.002, is 0.5" in str(caught.value)
    other = write_shapes(tmp_path / "other", seed=1)
    changes = {"best_metric": "mask_ap", "epochs": 3}
    with pytest.raises(TrainingError, match="train set: its pictures or annotations"):
        run(other, finished.output, changes, resume=True)


def test_stopped_training_goes_on(shapes, tmp_path):
    asked = iter(range(100))
    stopped = run(shapes, tmp_path, is_stopped=lambda: next(asked) >= 6)
    assert not stopped.is_finished
    assert 0 < stopped.step < stopped.total_steps
    finished = run(shapes, tmp_path, resume=True)
    rows = read_rows(tmp_path / "metrics.csv")
    assert [int(r["step"]) for r in rows if r["split"] == "train"] == [*range(1, 9)]
    assert finished.is_finished


def test_validation_that_was_given_up_is_made_when_the_training_goes_on(
    shapes, tmp_path
):
    # Asked before each of four steps; the fifth time within the validation.
    asked = iter(range(1, 100))
    stopped = run(shapes, tmp_path, is_stopped=lambda: next(asked) >= 5)
    assert (stopped.step, stopped.owes_validation) == (4, True)
    assert (stopped.best, stopped.is_finished) == (None, False)
    rows = read_rows(tmp_path / "metrics.csv")
    assert [r["split"] for r in rows] == ["train"] * 4
    finished = run(shapes, tmp_path, resume=True)
    assert finished.is_finished
    assert finished.best is not None
    rows = read_rows(tmp_path / "metrics.csv")
    assert [int(r["step"]) for r in rows if r["split"] == "val"] == [4, 8]
    assert [int(r["step"]) for r in rows if r["split"] == "train"] == [*range(1, 9)]


def test_last_validation_that_was_given_up_leaves_a_training_unfinished(
    shapes, tmp_path
):
    asked = iter(range(1, 100))
    changes = {"epochs": 1}
    stopped = run(shapes, tmp_path, changes, is_stopped=lambda: next(asked) >= 5)
    assert (stopped.step, stopped.total_steps, stopped.is_finished) == (4, 4, False)
    finished = run(shapes, tmp_path, changes, resume=True)
    assert finished.is_finished
    again = run(shapes, tmp_path, changes, resume=True)
    assert again.best_value == finished.best_value
    rows = read_rows(tmp_path / "metrics.csv")
    assert [r["split"] for r in rows] == ["train"] * 4 + ["val"]


def test_checkpoints_that_were_to_be_kept_are_kept_when_resuming(shapes, tmp_path):
    every = {"epochs": 3, "save_every": 0.25, "keep_last": None}
    asked = iter(range(1, 100))
    run(shapes, tmp_path, every, is_stopped=lambda: next(asked) >= 4)
    named = {name: value for name, value in every.items() if name != "keep_last"}
    asked = iter(range(1, 100))
    run(shapes, tmp_path, named, resume=True, is_stopped=lambda: next(asked) >= 4)
    run(shapes, tmp_path, named, resume=True)
    folder = tmp_path / "checkpoints"
    assert len([path for path in folder.iterdir() if path.name.isdigit()]) == 12


def test_three_checkpoints_and_the_best_are_kept(shapes, tmp_path):
    told = []

    class Listener(Quiet):
        def say(self, text):
            told.append(text)

    run(shapes, tmp_path, {"save_every": 0.25}, listener=Listener())
    numbers = [p.name for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit()]
    assert 3 <= len(numbers) <= 4
    assert told[0] == "device: the CPU"
    (disk,) = [text for text in told if text.startswith("checkpoints: ")]
    assert "kept are the last 3 and the best (keep_last), 4 at most" in disk
    saved = [text for text in told if text.startswith("saved ")]
    assert saved[0].endswith("checkpoints/00000000 (epoch 0.25, step 1)")
    assert "(epoch 1.00, step 4, the best so far)" in saved[3]


def test_loss_that_is_not_finite_names_the_batch(shapes, tmp_path):
    changes = {"lr": 1e12, "optimizer": {"name": "sgd", "clip_norm": None}}
    with pytest.raises(TrainingError, match="expected finite losses") as caught:
        run(shapes, tmp_path, changes)
    assert str(caught.value).count(".png") == 2
    last = tmp_path / "checkpoints" / "last"
    assert not last.exists() or np.isfinite(arrays_of(last)["conv1", "kernel"]).all()


def test_continue_training_takes_all_weights_over(finished, shapes, tmp_path):
    weights = finished.last / "model_weights" / "model.h5"
    changes = {"weights_init_type": "continue_training", "lr": 1e-12, "epochs": 1}
    result = run(shapes, tmp_path, changes, weights=weights)
    before, after = arrays_of(finished.last), arrays_of(result.last)
    assert all(np.allclose(before[key], after[key], atol=1e-6) for key in before)


def test_transfer_learning_starts_the_classes_anew(finished, shapes, tmp_path):
    weights = finished.last / "model_weights" / "model.h5"
    changes = {"lr": 1e-12, "epochs": 1}
    result = run(shapes, tmp_path, changes, weights=weights)
    before, after = arrays_of(finished.last), arrays_of(result.last)
    for layer in ("conv1", "fpn_c5p5", "mrcnn_mask_conv1", "rpn_class_raw"):
        assert np.allclose(before[layer, "kernel"], after[layer, "kernel"], atol=1e-6)
    for layer in ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"):
        assert not np.allclose(before[layer, "kernel"], after[layer, "kernel"])


def test_other_weights_and_asks_are_refused(finished, shapes, tmp_path):
    weights = finished.last / "model_weights" / "model.h5"
    with pytest.raises(TrainingError, match='expected backbone "resnet50", got "small'):
        run(shapes, tmp_path, {"backbone": "resnet50"}, weights=weights)
    with pytest.raises(TrainingError, match=r"none\.h5: No such file"):
        run(shapes, tmp_path, weights=tmp_path / "none.h5")
    with pytest.raises(TrainingError, match="without weights those are random"):
        run(shapes, tmp_path, {"train_layers": "heads"})
    with pytest.raises(TrainingError, match="expected the weights of the earlier"):
        run(shapes, tmp_path, {"weights_init_type": "continue_training"})
    with pytest.raises(
        TrainingError, match="expected one of project and coco, got none"
    ):
        train(config(), output=tmp_path, device="cpu")


def test_gpus_that_are_not_there(shapes, tmp_path):
    with pytest.raises(TrainingError, match=r"expected GPUs \[99\].*--device cpu"):
        run(shapes, tmp_path, {"gpu_devices": [99]}, device="gpu")


def test_worker_config_that_cannot_be_read(shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {}}')
    with pytest.raises(TrainingError, match="TF_CONFIG: expected"):
        run(shapes, tmp_path)


def test_picture_that_breaks_under_a_training(tmp_path):
    shapes = write_shapes(tmp_path / "shapes")

    def spoil():
        for path in (shapes / "ds" / "img").glob("*.png"):
            path.write_bytes(b"no picture")
        return False

    with pytest.raises(DatasetError, match=r"\.png"):
        run(shapes, tmp_path / "out", {"epochs": 9}, is_stopped=spoil)


def test_picture_of_the_validation_set_that_breaks_under_a_training(tmp_path):
    shapes = write_shapes(tmp_path / "shapes")

    def spoil():
        (shapes / "ds" / "img" / "009.png").write_bytes(b"no picture")
        return False

    with pytest.raises(DatasetError, match=r"009\.png"):
        run(shapes, tmp_path / "out", {"epochs": 1}, is_stopped=spoil)


def program(*arguments, **environment):
    return [sys.executable, "-m", "training", "--device", "cpu", *map(str, arguments)]


@pytest.fixture
def train_json(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(train_config(epochs=200)))
    return path


def test_ctrl_c_saves_and_exits_with_130(shapes, train_json, tmp_path):
    output = tmp_path / "out"
    process = subprocess.Popen(
        program("--config", train_json, "--project", shapes, "--output", output),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    metrics = output / "metrics.csv"
    while process.poll() is None and (
        not metrics.exists() or len(metrics.read_text().splitlines()) < 3
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "go on with --resume" in errors
    step = json.loads(told)["step"]
    assert (output / "checkpoints" / "last" / "training_state.npz").exists()
    assert int(read_rows(metrics)[-1]["step"]) == step


def test_ctrl_c_before_the_first_step_ends_at_once(shapes, train_json, tmp_path):
    arguments = ("--config", train_json, "--project", shapes, "--output")
    process = subprocess.Popen(
        program(*arguments, tmp_path / "out"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told = ""
    while "the first step compiles" not in told and process.poll() is None:
        told += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted before the first step: there is nothing to save" in errors
    assert "step 1/" not in errors
    assert not list((tmp_path / "out" / "checkpoints").iterdir())
    run(shapes, tmp_path / "out", {"epochs": 1})


def test_program_tells_all_that_is_wrong_at_once(tmp_path, train_json):
    shapes = write_shapes(tmp_path / "shapes")
    (shapes / "ds" / "img" / "000.png").write_bytes(b"no picture")
    (shapes / "ds" / "ann" / "001.png.json").unlink()
    done = subprocess.run(
        program(
            *("--config", train_json, "--project", shapes),
            *("--output", tmp_path / "out"),
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "000.png" in done.stderr
    assert "001.png" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    found = compare(tmp_path, kills=3)
    assert found["kills"] > 0
    assert found["same_weights"], found
    assert found["same_metrics"], found
    assert not found["left_over"]
