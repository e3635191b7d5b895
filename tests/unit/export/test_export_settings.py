"""Flags, config files and defaults against what the weights hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from export.errors import ExportError
from export.settings import Options, read_classes, resolve_settings
from formats.drawing.palette import distinct_color
from models.architecture import preset
from models.checkpoint import Checkpoint
from models.config import ModelConfig

SHARED = Path(__file__).parents[4] / "shared"
TITLES = {"bg": 0, "cat": 1, "dog": 2}


def training(**changes):
    """A training's config.json of three classes."""
    return {
        "settings": {"input_size": {"min_dim": 448, "max_dim": 512}, "lr": 0.001},
        "classes": [
            {"title": "cat", "color": "#AA0000", "shape": "bitmap"},
            {"title": "dog", "color": "#00BB00", "shape": "polygon"},
        ],
        "class_title_to_idx": TITLES,
    } | changes


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "run" / "weights.h5"
    path.parent.mkdir()
    return path


@pytest.fixture
def settle(weights):
    """Resolves: settle(content of config.json, num_classes=3, **options)."""

    def run(content=None, num_classes=3, name="config.json", **options):
        if content is not None:
            text = content if isinstance(content, str) else json.dumps(content)
            (weights.parent / name).write_text(text, "utf-8")
        architecture = preset("small", num_classes=num_classes)
        checkpoint = Checkpoint(weights, architecture, {}, (), (), (), ())
        return resolve_settings(Options(weights=weights, **options), checkpoint)

    return run


@pytest.fixture
def refused(settle):
    def run(*args, **kwargs):
        with pytest.raises(ExportError) as caught:
            settle(*args, **kwargs)
        return str(caught.value)

    return run


def test_without_a_config_matterports_defaults_hold(settle):
    settings = settle()
    assert settings.config == ModelConfig(architecture=preset("small", num_classes=3))
    assert (settings.config.min_dim, settings.config.max_dim) == (800, 1024)
    assert settings.classes_assumed
    assert [c.title for c in settings.classes] == ["bg", "class_1", "class_2"]


def test_cocos_names_are_assumed_for_81_classes(settle):
    settings = settle(num_classes=81)
    assert settings.classes_assumed
    assert settings.classes[1].title == "person"


def test_a_training_config_gives_size_names_and_colours(settle, weights):
    settings = settle(training())
    assert (settings.config.min_dim, settings.config.max_dim) == (448, 512)
    assert settings.config.resize_mode == "square"
    assert [(c.title, c.color) for c in settings.classes[1:]] == [
        ("cat", "#AA0000"),
        ("dog", "#00BB00"),
    ]
    assert not settings.classes_assumed


@pytest.mark.parametrize(
    ("color", "read"),
    [
        ("#F00", "#FF0000"),
        ([255, 0, 0], "#FF0000"),
        ("red", "#FF0000"),
        ("#aa0000", "#aa0000"),
        ("#AA0000FF", "#AA0000"),
        (None, distinct_color(1)),
        ("", distinct_color(1)),
    ],
)
def test_colours_that_older_trainings_copied(settle, color, read):
    settings = settle(training(classes=[{"title": "cat", "color": color}]))
    assert settings.classes[1].color == read


def test_constants_of_a_training_config_win_over_its_size(settle):
    constants = {"DETECTION_NMS_THRESHOLD": 0.5, "IMAGE_MAX_DIM": 640}
    config = settle(training(model=constants)).config
    assert (config.min_dim, config.max_dim, config.iou_threshold) == (448, 640, 0.5)


def test_a_flat_config_of_constants(settle):
    settings = settle(
        {"IMAGE_MIN_DIM": 128, "IMAGE_MAX_DIM": 256, "DETECTION_MIN_CONFIDENCE": 0.25}
    )
    assert (settings.config.min_dim, settings.config.max_dim) == (128, 256)
    assert settings.config.score_threshold == 0.25
    assert settings.classes_assumed, "constants name no classes"


def test_a_flag_beats_the_file_and_the_file_the_default(settle):
    content = training(
        model={"DETECTION_MIN_CONFIDENCE": 0.5, "DETECTION_MAX_INSTANCES": 50}
    )
    overrides = {"score_threshold": 0.9, "min_dim": 256}
    config = settle(content, overrides=overrides, classes=("a", "b"))
    assert config.config.score_threshold == 0.9  # flag over file
    assert (config.config.min_dim, config.config.max_dim) == (256, 512)
    assert config.config.max_detections == 50  # file over default
    assert config.config.iou_threshold == 0.3  # default
    assert [c.title for c in config.classes] == ["bg", "a", "b"]
    assert not config.classes_assumed


def test_a_named_config_wins_over_the_one_beside_the_weights(settle, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"IMAGE_MAX_DIM": 320}))
    settings = settle("this is not even JSON", config=other)
    assert settings.config.max_dim == 320


def test_a_missing_config_is_told(refused, tmp_path):
    assert refused(config=tmp_path / "gone.json") == (
        f"{tmp_path / 'gone.json'}: No such file or directory"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not JSON: line 1, column 2"),
        ('{"IMAGE_MAX_DIM": NaN}', "not JSON: NaN is not a JSON number"),
        ('{"NAME": 1, "NAME": 2}', 'key "NAME" is there twice'),
    ],
    ids=["cut", "NaN", "key twice"],
)
def test_a_file_that_is_no_json(refused, weights, content, told):
    message = refused(content)
    assert told in message
    assert message.startswith(f"{weights.parent / 'config.json'}: ")
    assert "\n" not in message


FOREIGN = pytest.mark.parametrize(
    "content", ["[1, 2]", {"compilerOptions": {}}, {}], ids=["list", "foreign", "empty"]
)


@FOREIGN
def test_a_config_of_another_program_beside_the_weights_is_not_used(
    settle, weights, content, caplog
):
    with caplog.at_level("INFO"):
        settings = settle(content)
    assert settings.config.max_dim == 1024
    assert f"{weights.parent / 'config.json'}: not used: expected a training" in (
        caplog.text
    )


@FOREIGN
def test_a_named_config_of_another_program_is_refused(
    refused, weights, tmp_path, content
):
    path = tmp_path / "other.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    message = refused(config=path)
    assert message.startswith(f"{path}: expected a training config")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "a:b", "..", "größe"])
def test_names_that_no_server_can_be_asked_for(name):
    with pytest.raises(ExportError, match="model name: expected letters"):
        Options(weights=Path("w.h5"), model_name=name)


def test_a_list_of_names_longer_than_a_path():
    names = tuple(f"class_number_{i}" for i in range(80))
    assert read_classes(",".join(names)) == names


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"IMAGE_MAX_DIM": 512, "IMAGE_MAXDIM": 1}, "IMAGE_MAXDIM: not a constant"),
        ({"NUM_CLASSES": 5}, "NUM_CLASSES: the checkpoint has 3, got 5"),
        ({"BACKBONE": "resnet50"}, "BACKBONE: the checkpoint has small, got"),
        ({"IMAGE_MAX_DIM": 500}, "IMAGE_MAX_DIM: expected a multiple of 64"),
        (
            {"IMAGE_MIN_DIM": "800"},
            "IMAGE_MIN_DIM: expected a whole number >= 0, got '800'",
        ),
        ({"MEAN_PIXEL": [1, 2]}, "MEAN_PIXEL: expected three numbers"),
        ({"RPN_ANCHOR_RATIOS": [1]}, "3 anchors per cell, got 1 ratios"),
        (
            {"IMAGE_RESIZE_MODE": "crop"},
            "IMAGE_RESIZE_MODE: expected square or pad64 or",
        ),
        ({"MASK_SHAPE": [56, 56]}, "MASK_SHAPE: expected [28, 28]"),
        (training(model={"LEARN": 1}), "LEARN: not a constant of Matterport's Config"),
    ],
)
def test_constants_that_are_wrong(refused, weights, content, told):
    message = refused(content)
    assert told in message
    assert message.startswith(f"{weights.parent / 'config.json'}: model config: ")


def test_all_wrong_constants_are_told_at_once(refused):
    message = refused({"NUM_CLASSES": 5, "XYZ": 1, "IMAGE_MAX_DIM": 500})
    for told in ("NUM_CLASSES: ", "XYZ: ", "IMAGE_MAX_DIM: "):
        assert told in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"settings": {}}, "settings.input_size: is missing"),
        (
            {"settings": {"input_size": {"min_dim": 0, "max_dim": 512}}},
            "settings.input_size.min_dim: expected >= 1, got 0",
        ),
        (
            {"settings": {"input_size": {"min_dim": 256, "max_dim": 500}}},
            "IMAGE_MAX_DIM: expected a multiple of 64",
        ),
        ({"class_title_to_idx": {"cat": "one"}}, "class_title_to_idx"),
        (
            {"classes": [{"title": "cat", "color": "reddish"}]},
            'classes[0].color: expected "#RRGGBB", "#RGB", a CSS name or',
        ),
        ({"classes": [{"title": "cat", "color": [1, 2, 999]}]}, "got [1, 2, 999]"),
        ({"classes": [{"color": "#AABBCC"}]}, "classes[0].title: is missing"),
    ],
)
def test_training_configs_that_are_wrong(refused, weights, changes, told):
    message = refused(training(**changes))
    assert told in message
    assert message.startswith(f"{weights.parent / 'config.json'}: ")


def test_keys_of_a_training_that_an_export_does_not_need_are_passed_over(settle):
    assert settle(training(epochs=5, schedule={"lr": 1})).classes[1].title == "cat"


@pytest.mark.parametrize(
    ("ids", "num_classes", "told"),
    [
        (TITLES | {"cow": 3}, 3, "the weights have 3 classes"),
        (TITLES, 4, "the weights have 4 classes (ids 0 to 3), got no id above 2"),
        (TITLES | {"cow": 2}, 3, "id 2 belongs to both 'dog' and 'cow'"),
    ],
    ids=["config has more", "weights have more", "one id twice"],
)
def test_classes_of_another_training(refused, weights, ids, num_classes, told):
    message = refused(training(class_title_to_idx=ids), num_classes)
    assert told in message
    assert str(weights.parent / "config.json") in message, "the file is to be named"


def test_a_background_of_another_name_keeps_it(settle):
    settings = settle(training(class_title_to_idx={"void": 0, "cat": 1, "dog": 2}))
    assert settings.classes[0].title == "void"


def test_a_mapping_without_background_gets_one(settle):
    settings = settle(training(class_title_to_idx={"cat": 1, "dog": 2}))
    assert [c.title for c in settings.classes] == ["bg", "cat", "dog"]


def test_gaps_in_the_ids_are_numbered(settle):
    settings = settle(training(class_title_to_idx={"bg": 0, "cat": 1, "dog": 3}), 4)
    assert [c.title for c in settings.classes] == ["bg", "cat", "class_2", "dog"]
    assert settings.classes[3].color == "#00BB00"


def test_names_of_the_flag_have_to_fit_the_weights(refused):
    assert "expected 2 or 3 names, got 4" in refused(classes=("a", "b", "c", "d"))


def test_flags_that_contradict_the_file(refused):
    message = refused({"IMAGE_RESIZE_MODE": "square"}, overrides={"max_dim": 100})
    assert "max_dim: expected a multiple of 64 in square mode, got 100" in message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "cat\n dog \n\nsea lion\n"),
        ("names.txt", "\ufeffcat\r\ndog\r\nsea lion"),
        ("names.json", '["cat", "dog", "sea lion"]'),
    ],
    ids=["lines", "lines from Windows", "JSON"],
)
def test_class_names_from_a_file(tmp_path, name, text):
    (tmp_path / name).write_bytes(text.encode())
    assert read_classes(str(tmp_path / name)) == ("cat", "dog", "sea lion")


def test_class_names_from_the_flag():
    assert read_classes("cat, dog,sea lion") == ("cat", "dog", "sea lion")
    assert read_classes("größe") == ("größe",)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.json", b'{"cat": 1}', "expected a JSON list of class names"),
        ("a.json", b'["cat", 2]', "expected a JSON list of class names"),
        ("a.json", b"[", "not JSON"),
        ("a.txt", b"\xff\xfe\0\0", "not readable as text"),
    ],
)
def test_files_without_class_names(tmp_path, name, data, told):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ExportError, match=f"^{re.escape(str(path))}: {told}"):
        read_classes(str(path))


@pytest.mark.parametrize("name", ["names.txt", "names.json"])
def test_a_file_of_names_that_is_not_there_is_no_class(tmp_path, name):
    """`--classes gone.txt` must not make a class called gone.txt."""
    with pytest.raises(ExportError, match="no such file"):
        read_classes(str(tmp_path / name))


def test_the_base_path_follows_the_name():
    assert Options(Path("w.h5")).base_path == Path("exported/mask_rcnn")
    named = Options(Path("w.h5"), model_name="cells")
    assert named.base_path == Path("exported/cells")
    assert Options(Path("w.h5"), output=Path("x")).base_path == Path("x")


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared")
@pytest.mark.parametrize(
    ("case", "backbone", "num_classes", "expected"),
    [
        ("i", "resnet101", 81, ("square", 800, 1024)),
        ("ii", "resnet50", 4, ("square", 256, 256)),
        ("iii", "resnet50", 81, ("square", 400, 512)),
        ("iv", "resnet50", 81, ("pad64", 448, 1024)),
    ],
)
def test_a_full_dump_of_matterports_config(
    weights, case, backbone, num_classes, expected
):
    with np.load(SHARED / "goldens" / f"{case}_0.npz") as golden:
        text = str(golden["config_json"])
    (weights.parent / "config.json").write_text(text)
    architecture = preset(backbone, num_classes=num_classes)
    checkpoint = Checkpoint(weights, architecture, {}, (), (), (), ())
    config = resolve_settings(Options(weights=weights), checkpoint).config
    assert (config.resize_mode, config.min_dim, config.max_dim) == expected
    assert config.score_threshold == 0.7


def test_an_unknown_precision_is_refused():
    with pytest.raises(
        ExportError, match=r"^precision: expected one of float32, got 'float16'$"
    ):
        Options(weights=Path("w.h5"), precision="float16")
