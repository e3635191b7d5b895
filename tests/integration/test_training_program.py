"""Whole trainings of a tiny network on a few small images."""

import json

import numpy as np
import pytest

from models.checkpoint import inspect_checkpoint, read_arrays
from tests.integration.trainings import run_training as run
from tests.integration.trainings import running_config
from tests.shapes_project import SIDE, write_shapes
from training.engine.metrics import read_rows
from training.engine.progress import Quiet
from training.engine.run import train
from training.errors import DatasetError, TrainingError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_backbone")]


@pytest.fixture(scope="module")
def finished(shapes, tiny_backbone, tmp_path_factory):
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
        train(running_config(), output=tmp_path, device="cpu")


def test_gpus_that_are_not_there(shapes, tmp_path):
    with pytest.raises(TrainingError, match=r"expected GPUs \[99\].*--device cpu"):
        run(shapes, tmp_path, {"gpu_devices": [99]}, device="gpu")


def test_worker_config_that_cannot_be_read(shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {}}')
    with pytest.raises(TrainingError, match="TF_CONFIG: expected"):
        run(shapes, tmp_path)


def test_image_that_breaks_under_a_training(tmp_path):
    shapes = write_shapes(tmp_path / "shapes")

    def spoil():
        for path in (shapes / "ds" / "img").glob("*.png"):
            path.write_bytes(b"no picture")
        return False

    with pytest.raises(DatasetError, match=r"\.png"):
        run(shapes, tmp_path / "out", {"epochs": 9}, is_stopped=spoil)


def test_image_of_the_validation_set_that_breaks_under_a_training(tmp_path):
    shapes = write_shapes(tmp_path / "shapes")

    def spoil():
        (shapes / "ds" / "img" / "009.png").write_bytes(b"no picture")
        return False

    with pytest.raises(DatasetError, match=r"009\.png"):
        run(shapes, tmp_path / "out", {"epochs": 1}, is_stopped=spoil)
