import json
from pathlib import Path

import pytest

from client import ClientError, ConfigError, InferenceConfig
from client.modes.bboxes import Bboxes
from client.modes.full_image import FullImage
from client.modes.roi import Roi
from client.modes.sliding_window import SlidingWindow
from client.modes.suppress import Suppression
from client.modes.windows import Windows
from client.rect import Length, Sides
from client.selection import NameRule, Selection
from formats import ConfigFileError

SHARED = Path(__file__).resolve().parents[4] / ".." / "shared"


def selection(content):
    mode = InferenceConfig.load(content).to_mode()
    assert isinstance(mode, FullImage)
    return mode.selection


def problems(content):
    with pytest.raises(ConfigError) as caught:
        InferenceConfig.load(content)
    assert isinstance(caught.value, ClientError)
    assert isinstance(caught.value, ConfigFileError)
    return [text.removeprefix("config: ") for text in caught.value.problems]


PLUGIN = Selection(NameRule(None, "_maskrcnn"), NameRule(None, "_maskrcnn"))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"model": {}},
        {"mode": {}},
        {"mode": {"name": "full_image"}},
        {"mode": {"source": "full_image"}},
        {"model": {"gpu_device": 3}, "mode": {"save_probabilities": False}},
        {"mode": {"model_classes": {"save_classes": "__all__"}}},
        {"mode": {"model_classes": {}, "model_tags": {"save_names": "__all__"}}},
    ],
)
def test_defaults_of_the_plugin(content):
    assert selection(content) == PLUGIN


def test_everything():
    content = {
        "model": {
            "gpu_device": 1,
            "confidence_tag_name": "score",
            "min_confidence_threshold": 0.5,
        },
        "mode": {
            "name": "full_image",
            "model_classes": {"save_classes": ["cat", "dog"], "add_suffix": "_a"},
            "model_tags": {"save_names": [], "add_suffix": "_b"},
        },
    }
    expected = Selection(
        NameRule(frozenset({"cat", "dog"}), "_a"),
        NameRule(frozenset(), "_b"),
        "score",
        0.5,
    )
    assert selection(content) == expected
    assert expected.tag_name is None


def test_suffix_may_be_empty():
    content = {"mode": {"model_classes": {"add_suffix": ""}}}
    assert selection(content).classes == NameRule(None, "")
    assert selection(content).tag_name == "confidence_maskrcnn"


def test_save_names_win():
    classes = {"save_classes": ["a"], "save_names": "__all__"}
    assert selection({"mode": {"model_classes": classes}}).classes.names is None


def test_first_form():
    content = {
        "gpu_device": 0,
        "min_confidence_threshold": 0.9,
        "model_classes": {"save_classes": ["cat"], "add_suffix": "_v1"},
        "mode": {"source": "full_image"},
    }
    assert selection(content) == Selection(
        NameRule(frozenset({"cat"}), "_v1"), NameRule(None, "_maskrcnn"), min_score=0.9
    )


def test_deploy_form():
    content = {
        "connection": {"server_address": "x", "token": "y", "node_name": "z"},
        "model_settings": {"gpu_device": 0, "confidence_tag_name": "score"},
    }
    assert selection(content) == Selection(
        NameRule(None, "_model"), NameRule(None, "_model"), "score"
    )
    content["mode"] = {"name": "full_image", "model_classes": {"add_suffix": "_x"}}
    assert selection(content).classes.suffix == "_x"


def test_save_probabilities_are_told():
    config = InferenceConfig.load({"mode": {"save_probabilities": True}})
    assert "no effect" in config.warnings()[0]
    assert InferenceConfig.load({}).warnings() == []


def mode_of(**mode):
    return InferenceConfig.load({"model": {}, "mode": mode}).to_mode()


def test_roi():
    assert mode_of(name="roi") == Roi()
    mode = mode_of(
        name="roi",
        bounds={"left": "5%", "top": "7px", "right": "-3px"},
        save=True,
        class_name="area",
        model_classes={"add_suffix": "_x"},
    )
    sides = Sides(Length(5, is_percent=True), Length(7), Length(-3), Length(0))
    assert mode == Roi(Selection(NameRule(None, "_x")), sides, "area")


def test_bboxes():
    assert mode_of(name="bboxes") == Bboxes(sources=NameRule(None, "_input_bbox"))
    mode = mode_of(name="bboxes", from_classes=["cat"], save=True, add_suffix="")
    assert mode == Bboxes(sources=NameRule(frozenset({"cat"}), ""), saves=True)


@pytest.mark.parametrize("name", ["sliding_window", "sliding_window_det"])
def test_sliding_window(name):
    assert mode_of(name=name) == SlidingWindow()
    mode = mode_of(
        name=name,
        window={"width": 30},
        min_overlap={"y": 9},
        save=True,
        nms_after={
            "enable": True,
            "iou_threshold": 2,
            "iou_type": "mask",
            "join": True,
        },
    )
    assert mode == SlidingWindow(
        windows=Windows((128, 30), (9, 0)),
        suppression=Suppression(2.0, uses_masks=True, joins=True),
        class_name="sliding_window",
    )


def test_join_in_vain():
    content = {"mode": {"name": "sliding_window_det", "nms_after": {"join": True}}}
    assert InferenceConfig.load(content).warnings() == [
        "nms_after.join has no effect: nms_after is not enabled"
    ]


def test_first_form_of_another_mode():
    content = {"mode": {"source": "roi", "name": "bboxes"}, "model_classes": {}}
    assert InferenceConfig.load(content).to_mode() == Roi()
    content["mode"]["model_classes"] = {"add_suffix": "_a"}
    content["model_classes"] = {"add_suffix": "_b"}
    mode = InferenceConfig.load(content).to_mode()
    assert mode.selection.classes.suffix == "_a"


def test_schema_key_is_for_editors():
    assert selection({"$schema": "inference-config.schema.json"}) == PLUGIN


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            {"mode": {"name": "tiles"}},
            [
                "mode.name: expected one of 'full_image', 'roi', 'bboxes', "
                "'sliding_window_det', 'sliding_window', got \"tiles\""
            ],
        ),
        ({"mode": "full_image"}, ['mode: expected an object, got "full_image"']),
        (
            {"mode": {"threshold": 1, "model_clases": {}}, "model": {"gpu_devices": 0}},
            [
                'model.gpu_devices: unknown key; did you mean "gpu_device"?',
                "mode.threshold: unknown key; known keys: model_classes, model_tags, "
                "name, save_probabilities",
                'mode.model_clases: unknown key; did you mean "model_classes"?',
            ],
        ),
        (
            {"mode": {"model_classes": {"save_classes": "cat"}}},
            [
                'mode.model_classes.save_classes: expected "__all__" or a list of '
                'names, got "cat"'
            ],
        ),
        (
            {"mode": {"model_tags": {"save_names": ["a", "", 3]}}},
            [
                "mode.model_tags.save_names[1]: expected a string that is not empty, "
                'got ""',
                "mode.model_tags.save_names[2]: expected a string, got 3",
            ],
        ),
        (
            {"mode": {"model_classes": {"add_suffix": "\ud800"}}},
            [
                "mode.model_classes.add_suffix: expected text, got "
                '"\\ud800" with half a character',
            ],
        ),
        (
            {"mode": {"model_classes": None}},
            ["mode.model_classes: expected an object, got null"],
        ),
        (
            {"mode": {"name": "roi", "bounds": {"left": "5.5%", "top": "-1px"}}},
            ['mode.bounds.left: expected "12px" or "5%" (whole numbers), got "5.5%"'],
        ),
        (
            {"mode": {"name": "roi", "bounds": {"top": "-1px", "botom": "1px"}}},
            ['mode.bounds.botom: unknown key; did you mean "bottom"?'],
        ),
        (
            {"mode": {"name": "roi", "bounds": {"top": "-1px"}}},
            ["mode.bounds: expected 0px or more at the top, got -1px"],
        ),
        (
            {
                "mode": {
                    "name": "sliding_window_det",
                    "window": {"width": 0, "height": "1"},
                    "nms_after": {"iou_threshold": -0.1, "iou_type": "boxes"},
                    "class_name": "",
                }
            },
            [
                "mode.window.width: expected >= 1, got 0",
                'mode.window.height: expected an integer, got "1"',
                'mode.class_name: expected a string that is not empty, got ""',
                "mode.nms_after.iou_threshold: expected >= 0, got -0.1",
                "mode.nms_after.iou_type: expected 'box' or 'mask', got \"boxes\"",
            ],
        ),
        (
            {
                "mode": {
                    "name": "sliding_window",
                    "window": {"width": 50},
                    "min_overlap": {"x": 50},
                }
            },
            ["mode: expected min_overlap.x below window.width (50), got 50"],
        ),
        (
            {
                "model": {"confidence_tag_name": "score"},
                "mode": {"name": "sliding_window_det", "nms_after": {"enable": True}},
            },
            [
                'mode.nms_after.confidence_tag_name: expected "score" as in '
                'model.confidence_tag_name, got "confidence"'
            ],
        ),
        ({"mode": {"name": ""}}, None),
        ({"mode": {"name": None}}, None),
        ({"mode": {"name": "bboxes", "padding": {"left": "9" * 5000 + "px"}}}, None),
        ({"mode": {"name": "bboxes", "from_classes": "cat"}}, None),
        ({"mode": {"name": "bboxes", "from_classes": [""]}}, None),
        ({"mode": {"name": "bboxes", "save": 1}}, None),
        ({"mode": {"name": "full_image", "bounds": {}}}, None),
        ({"model": {"gpu_device": True}}, None),
        ({"model": {"gpu_device": "0"}}, None),
        ({"model": {"min_confidence_threshold": float("nan")}}, None),
    ],
)
def test_problems(content, expected):
    found = problems(content)
    assert expected is None or found == expected


def test_file(tmp_path):
    path = tmp_path / "inference.json"
    path.write_text('{"model": {"gpu_device": -1}}')
    with pytest.raises(ConfigError) as caught:
        InferenceConfig.load(path)
    assert str(caught.value) == f"{path}: model.gpu_device: expected >= 0, got -1"


def test_config_is_frozen():
    config = InferenceConfig.load({})
    with pytest.raises(ValueError, match="frozen"):
        config.model.gpu_device = 3  # type: ignore[misc]


def oracle_model_groups():
    path = SHARED / "oracle" / "model_configs.json"
    return json.loads(path.read_text())["inference"] if path.is_file() else []


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize("case", oracle_model_groups(), ids=lambda case: case["id"])
def test_model_group_as_the_plugin_checked_it(case):
    content = {"model": case["model_config"]}
    if not case["valid"]:
        assert problems(content)
        return
    assert InferenceConfig.load(content).model.model_dump() == case["merged"]
