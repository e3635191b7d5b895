import json
from pathlib import Path

import pytest

from export.settings import Options, resolve_settings
from formats.config import load_config
from formats.errors import ConfigFileError
from formats.supervisely.meta import ClassMeta, ProjectMeta
from models.architecture import preset
from models.config import ModelConfig
from models.matterport_config import from_matterport, to_matterport
from training.config.train_config import TrainConfig, read_config
from training.datasets.classes import make_class_map
from training.errors import TrainConfigError, TrainingError
from training.weights.checkpoint_config import checkpoint_config, earlier_config

SHARED = Path(__file__).resolve().parents[4] / ".." / "shared"
ORACLE = SHARED / "oracle" / "model_configs.json"
NEW_KEYS = {"tc_04_neutral", "tc_05_val_every", "tc_06_data_workers"}
"""Keys that the old schema refused, and that are accepted here."""


def load_cases():
    if not ORACLE.is_file():
        return [pytest.param(None, marks=pytest.mark.skip("needs ../shared"))]
    cases = json.loads(ORACLE.read_text("utf-8"))["train"]
    return [pytest.param(case, id=case["id"]) for case in cases]


@pytest.mark.shared
@pytest.mark.parametrize("case", load_cases())
def test_equals_the_oracle(case):
    if not case["valid"] and case["id"] not in NEW_KEYS:
        with pytest.raises(ConfigFileError):
            load_config(case["config"], TrainConfig)
        return
    settings = load_config(case["config"], TrainConfig).settings()
    got = {key: settings[key] for key in case["merged"]}
    if "neutral" not in case["merged"]["special_classes"]:
        assert got["special_classes"].pop("neutral") is None
    assert got == case["merged"]


WRITTEN = {
    "lr": 0.001,
    "epochs": 2,
    "batch_size": {"val": 3, "train": 3},
    "input_size": {"max_dim": 256, "min_dim": 256},
    "gpu_devices": [0],
    "dataset_tags": {"val": "val", "train": "train"},
    "train_layers": "all",
    "special_classes": {"background": "bg", "neutral": "neutral"},
    "weights_init_type": "transfer_learning",
}


def test_reads_a_file(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(WRITTEN))
    config = read_config(path)
    assert config == read_config(WRITTEN)
    assert config.special_classes.neutral == "neutral"
    assert read_config(config.settings()) == config


def test_lays_groups_over_the_defaults():
    config = read_config(
        {"optimizer": {"momentum": 0.5}, "schedule": {"name": "cosine"}}
    )
    assert (config.optimizer.name, config.optimizer.momentum) == ("sgd", 0.5)
    assert config.optimizer.clip_norm == 5
    assert config.schedule.warmup_steps == 0
    assert read_config({"optimizer": {"name": "adamw"}}).optimizer.weight_decay == 0.05


def test_tells_everything_at_once(tmp_path):
    path = tmp_path / "train.json"
    wrong = {
        "learning_rate": 0.1,
        "epoch": 3,
        "lr": 0,
        "batch_size": {"trian": 2, "val": True},
        "input_size": {"max_dim": 300},
        "special_classes": {"background": "x", "neutral": "x"},
        "gpu_devices": [0, 0],
        "optimizer": {"name": "adam"},
        "anchor_scales": [8, 16],
        "augmentation": {"scale": [2, 1]},
        "backbone": "resnet18",
        "seed": "1",
    }
    path.write_text(json.dumps(wrong))
    with pytest.raises(TrainConfigError) as caught:
        read_config(path)
    problems = "\n".join(caught.value.problems)
    assert all(problem.startswith(f"{path}: ") for problem in caught.value.problems)
    for text in (
        "learning_rate: unknown key",
        'epoch: unknown key; did you mean "epochs"?',
        "lr: expected > 0, got 0",
        'batch_size.trian: unknown key; did you mean "train"?',
        "batch_size.val: expected an integer, got true",
        "input_size.max_dim: expected a multiple of 64, got 300; the next one is 320",
        'background and neutral are both "x"',
        "gpu_devices: expected every device once",
        "optimizer.name: expected one of 'sgd', 'adamw', got \"adam\"",
        "anchor_scales",
        "augmentation.scale: expected [smallest, largest]",
        "backbone: expected one of resnet101, resnet50, small",
        'seed: expected an integer, got "1"',
    ):
        assert text in problems


@pytest.mark.parametrize("content", ["[]", "3", '"train"'])
def test_refuses_what_is_no_object(tmp_path, content):
    path = tmp_path / "train.json"
    path.write_text(content)
    with pytest.raises(TrainConfigError, match="expected an object"):
        read_config(path)


def test_missing_file(tmp_path):
    with pytest.raises(TrainConfigError, match=r"train\.json: No such file"):
        read_config(tmp_path / "train.json")


def test_rois_that_leave_no_positive():
    with pytest.raises(TrainConfigError, match=r"rois: .* at least 1, got 2 \* 0\.33"):
        read_config({"rois": {"per_image": 2}})
    assert read_config({"rois": {"per_image": 1, "positive_ratio": 1.0}})


def test_contradictions_alone():
    with pytest.raises(TrainConfigError, match="multiple of 64, got 200"):
        read_config({"input_size": {"max_dim": 200}})


def test_network():
    config = read_config(
        {
            "backbone": "small",
            "anchor_scales": [8, 16, 32, 64, 128],
            "anchor_aspect_ratios": [1],
            "input_size": {"min_dim": 200, "max_dim": 320},
        }
    )
    network = config.network(3)
    assert network.architecture.backbone == "small"
    assert network.architecture.num_classes == 3
    assert network.architecture.anchors_per_cell == 1
    assert (network.min_dim, network.max_dim) == (200, 320)
    assert network.anchor_scales == (8, 16, 32, 64, 128)


def test_no_network():
    config = load_config({"input_size": {"max_dim": 200}}, TrainConfig)
    with pytest.raises(TrainConfigError, match="max_dim: expected a multiple of 64"):
        config.network(3)


def test_matterport_round_trip():
    config = ModelConfig(
        architecture=preset("resnet50", num_classes=4),
        min_dim=448,
        resize_mode="pad64",
        anchor_scales=(8, 16, 32, 64, 128),
        score_threshold=0.05,
    )
    constants = json.loads(json.dumps(to_matterport(config)))
    assert from_matterport(constants, config.architecture) == config
    assert from_matterport(constants) == config


class Checkpoint:
    def __init__(self, architecture):
        self.architecture = architecture


def test_export_reads_the_checkpoint_config(tmp_path):
    config = read_config(
        {
            "backbone": "small",
            "anchor_scales": [8, 16, 32, 64, 128],
            "input_size": {"min_dim": 320, "max_dim": 448},
        }
    )
    classes = make_class_map(
        [ClassMeta("pear", "polygon", "#010203"), ClassMeta("Ape", "any", "#0A0B0C")]
    )
    (tmp_path / "config.json").write_text(
        json.dumps(checkpoint_config(config, classes))
    )
    weights = tmp_path / "model_weights" / "model.h5"
    network = config.network(classes.num_classes)
    settings = resolve_settings(Options(weights), Checkpoint(network.architecture))
    assert settings.config == network
    assert [(c.id, c.title, c.color) for c in settings.classes] == [
        (0, "bg", "#222222"),
        (1, "Ape", "#0A0B0C"),
        (2, "pear", "#010203"),
    ]
    earlier = earlier_config(weights)
    assert make_class_map(
        classes.classes, weights_init_type="continue_training", earlier=earlier
    ).ids == dict(classes.ids)


def test_export_reads_the_colors_of_any_project(tmp_path):
    colors = ["#F00", "navy", [255, 0, 7], None, "#0a0b0c"]
    entries = [
        {"title": f"class {number}", "shape": "bitmap", "color": color}
        for number, color in enumerate(colors)
    ]
    classes = make_class_map(ProjectMeta.from_json({"classes": entries}).classes)
    config = read_config({"backbone": "small"})
    content = checkpoint_config(config, classes)
    (tmp_path / "config.json").write_text(json.dumps(content))
    network = config.network(classes.num_classes)
    settings = resolve_settings(
        Options(tmp_path / "m.h5"), Checkpoint(network.architecture)
    )
    got = [c.color for c in settings.classes][1:]
    assert got == ["#FF0000", "#000080", "#FF0007", got[3], "#0a0b0c"]
    assert got[3].startswith("#")


def test_earlier_config(tmp_path):
    assert earlier_config(tmp_path / "model.h5") is None
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(TrainingError, match="expected an object"):
        earlier_config(tmp_path / "model.h5")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(TrainingError, match="not JSON"):
        earlier_config(tmp_path / "model.h5")


def test_config_of_a_checkpoint_is_told_apart():
    content = {"settings": read_config({}).settings(), "class_title_to_idx": {"bg": 0}}
    with pytest.raises(TrainConfigError) as caught:
        read_config(content)
    (problem,) = caught.value.problems
    assert problem.startswith("config: is the config.json of a checkpoint; the train")
    read_config(content["settings"])
