"""Where a checkpoint's `config.json` is looked for, and what is read in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from formats.checkpoint_config import (
    CheckpointConfig,
    find_config,
    is_checkpoint_config,
)
from formats.config import load_config
from formats.errors import ConfigFileError

CONTENT = {
    "settings": {
        "input_size": {"min_dim": 448, "max_dim": 512},
        "special_classes": {"background": "bg", "neutral": "fog"},
    },
    "classes": [{"title": "cat", "color": [255, 0, 7]}, {"title": "dog", "color": ""}],
    "class_title_to_idx": {"bg": 0, "cat": 1, "dog": 2},
    "model": {"IMAGE_MAX_DIM": 640, "DETECTION_NMS_THRESHOLD": 0.5},
    "training": {"epoch": 3},
}


def test_the_config_is_found_beside_the_weights_or_one_folder_up(tmp_path):
    weights = tmp_path / "run" / "model_weights" / "model.h5"
    weights.parent.mkdir(parents=True)
    assert find_config(weights) is None
    (tmp_path / "config.json").write_text("{}")
    assert find_config(weights) is None, "two folders up is another project's"
    up = tmp_path / "run" / "config.json"
    up.write_text("{}")
    assert find_config(weights) == up
    beside = weights.parent / "config.json"
    beside.mkdir()
    assert find_config(weights) == up, "a folder is no config"
    beside.rmdir()
    beside.write_text("{}")
    assert find_config(weights) == beside


def test_a_relative_weight_path_has_its_folders_too(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert find_config(Path("model.h5")) == tmp_path / "config.json"


def test_what_describes_the_network():
    config = load_config(CONTENT, CheckpointConfig)
    assert config.constants == {
        "IMAGE_MIN_DIM": 448,
        "IMAGE_MAX_DIM": 640,
        "DETECTION_NMS_THRESHOLD": 0.5,
    }
    assert config.colors == {"cat": "#FF0007"}
    assert config.neutral == "fog"
    assert config.class_title_to_idx == {"bg": 0, "cat": 1, "dog": 2}


def test_a_training_may_look_at_everything():
    settings = {"input_size": {"min_dim": 64, "max_dim": 64}}
    config = load_config(CONTENT | {"settings": settings}, CheckpointConfig)
    assert config.neutral is None


def test_every_wrong_value_is_told():
    wrong = {"settings": {"special_classes": {"neutral": 5}}, "classes": [{}]}
    with pytest.raises(ConfigFileError) as caught:
        load_config(CONTENT | wrong, CheckpointConfig, name="c.json")
    assert [problem.split(": ")[:2] for problem in caught.value.problems] == [
        ["c.json", "settings.input_size"],
        ["c.json", "settings.special_classes.neutral"],
        ["c.json", "classes[0].title"],
    ]


@pytest.mark.parametrize("content", [None, [1], {}, {"IMAGE_MAX_DIM": 64}])
def test_other_files_are_told_apart(content):
    assert not is_checkpoint_config(content)
    assert is_checkpoint_config(CONTENT)
