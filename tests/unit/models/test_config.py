import dataclasses
import json
import math
from pathlib import Path

import pytest

import models
from models.architecture import PRESETS, Architecture, preset
from models.config import ModelConfig
from models.errors import ModelConfigError
from models.layout import array_shapes
from models.matterport_config import MATTERPORT_NAMES, from_matterport

COCO = json.loads((Path(__file__).parent / "data/matterport_coco.json").read_text())


def test_package_is_the_one_beside_the_tests():
    root = Path(__file__).resolve().parents[3]
    assert Path(models.__file__).parent.parent == root


def test_defaults_are_matterports():
    config = ModelConfig()
    assert config == from_matterport({})
    assert config == from_matterport(COCO)
    assert (config.min_dim, config.max_dim, config.mask_size) == (800, 1024, 28)
    assert config.architecture.backbone == "resnet101"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("max_dim", 0, "max_dim: expected a whole number of at least 1, got 0"),
        ("max_dim", "1024", "max_dim: expected a whole number .* got '1024'"),
        ("max_dim", None, "max_dim: expected a whole number .* got null"),
        ("pre_nms_top_k", 0, "pre_nms_top_k: expected a whole number of at least 1"),
        ("post_nms_top_k", 1.0, "post_nms_top_k: .* at least 1, got 1.0"),
        ("mask_pool_size", True, "mask_pool_size: .* at least 1, got true"),
        ("mean_pixel", (1.0, 2.0, 10**400), "mean_pixel: expected three"),
        ("max_detections", -1, "max_detections: .* at least 1, got -1"),
        ("max_dim", 1 << 20, "max_dim: expected at most 65,536, got 1048576"),
        ("max_detections", 10**400, "max_detections: expected at most 10,000, got 10"),
        ("post_nms_top_k", 10**6, "post_nms_top_k: expected at most 100,000"),
        ("rpn_iou_threshold", 1.01, "rpn_iou_threshold: .* from 0 to 1, got 1.01"),
        ("score_threshold", -0.1, "score_threshold: .* from 0 to 1, got -0.1"),
        ("score_threshold", math.nan, "score_threshold: .* from 0 to 1, got NaN"),
        ("iou_threshold", "0.3", "iou_threshold: .* from 0 to 1, got '0.3'"),
        ("resize_mode", "crop", "resize_mode: .* square or pad64 or none, got 'crop'"),
        ("resize_mode", None, "resize_mode: .* got null"),
        ("min_dim", -1, "min_dim: expected a whole number >= 0, got -1"),
        ("min_dim", 1.5, "min_dim: expected a whole number >= 0, got 1.5"),
        ("min_scale", -1, "min_scale: expected a number >= 0, got -1"),
        ("min_scale", math.inf, "min_scale: expected a number >= 0, got Infinity"),
        ("mean_pixel", (1, 2), r"mean_pixel: .* three channels only.*, got \[1, 2\]"),
        ("mean_pixel", (1, 2, 3, 4), "mean_pixel: .* three channels only"),
        ("mean_pixel", (1, 2, math.nan), "mean_pixel: .* got .*NaN"),
        ("mean_pixel", 120, "mean_pixel: expected three numbers .*, got 120"),
        ("anchor_scales", (32, 64), "anchor_scales: expected five positive numbers"),
        ("anchor_scales", (32, 64, 128, 256, 0), "anchor_scales: .* positive"),
        ("anchor_scales", 32, "anchor_scales: expected five .*, got 32"),
        ("anchor_aspect_ratios", (1, 2, -1), "anchor_aspect_ratios: .* positive"),
        (
            "anchor_aspect_ratios",
            (1, 2),
            "anchor_aspect_ratios: the network has 3 .*, got 2",
        ),
        ("anchor_aspect_ratios", 1, "anchor_aspect_ratios: .* positive .*, got 1"),
        ("anchor_stride", 3, "anchor_stride: expected 1 or 2, got 3"),
        ("anchor_stride", True, "anchor_stride: expected 1 or 2, got true"),
        ("rpn_delta_std", (0.1,) * 3, "rpn_delta_std: expected four positive"),
        ("delta_std", (0.1, 0.1, 0, 0.2), "delta_std: expected four positive"),
        ("max_dim", 1000, "max_dim: .* multiple of 64 in square mode, got 1000"),
    ],
)
def test_rule(field, value, message):
    with pytest.raises(ModelConfigError, match=f"^model config: {message}"):
        ModelConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_dim", 64),
        ("min_dim", 0),
        ("min_scale", 0),
        ("anchor_stride", 2),
        ("score_threshold", 0),
        ("score_threshold", 1),
        ("mean_pixel", (0, -1.5, 300)),
        ("anchor_scales", [8, 16, 32, 64, 128.5]),
    ],
)
def test_allowed_edge(field, value):
    assert getattr(ModelConfig(**{field: value}), field) == value


def test_pad64_wants_a_shorter_side_in_steps_of_64():
    with pytest.raises(ModelConfigError, match=r"min_dim: .*64 in pad64 mode, got 800"):
        ModelConfig(resize_mode="pad64")
    config = ModelConfig(resize_mode="pad64", min_dim=448, max_dim=1000)
    assert config.max_dim == 1000  # not used in this mode


def test_all_problems_at_once():
    with pytest.raises(ModelConfigError) as caught:
        ModelConfig(resize_mode="fit", max_dim="big", delta_std=None, score_threshold=2)
    text = str(caught.value)
    assert text.count("expected") == 4
    for field in ("resize_mode", "max_dim", "delta_std", "score_threshold"):
        assert f"{field}: " in text


@pytest.mark.parametrize("constants", [{}, COCO])
def test_every_constant_is_known(constants):
    assert set(constants) <= MATTERPORT_NAMES
    from_matterport(constants)


def test_reads_every_constant_that_counts():
    config = from_matterport(
        {
            "BACKBONE": "resnet50",
            "BBOX_STD_DEV": [0.2, 0.2, 0.4, 0.4],
            "DETECTION_MAX_INSTANCES": 35,
            "DETECTION_MIN_CONFIDENCE": 0.5,
            "DETECTION_NMS_THRESHOLD": 0.4,
            "FPN_CLASSIF_FC_LAYERS_SIZE": 512,
            "IMAGE_MAX_DIM": 512,
            "IMAGE_MIN_DIM": 448,
            "IMAGE_MIN_SCALE": 2,
            "IMAGE_RESIZE_MODE": "pad64",
            "MASK_POOL_SIZE": 7,
            "MASK_SHAPE": [14, 14],
            "MEAN_PIXEL": [1, 2, 3],
            "NUM_CLASSES": 4,
            "POOL_SIZE": 5,
            "POST_NMS_ROIS_INFERENCE": 300,
            "PRE_NMS_LIMIT": 2000,
            "RPN_ANCHOR_RATIOS": [1, 2],
            "RPN_ANCHOR_SCALES": [8, 16, 32, 64, 128],
            "RPN_ANCHOR_STRIDE": 2,
            "RPN_BBOX_STD_DEV": [0.3, 0.3, 0.5, 0.5],
            "RPN_NMS_THRESHOLD": 0.6,
            "TOP_DOWN_PYRAMID_SIZE": 128,
        }
    )
    assert config == ModelConfig(
        architecture=Architecture(
            stage_blocks=(3, 4, 6, 3),
            fpn_channels=128,
            anchors_per_cell=2,
            box_head_channels=512,
            pool_size=5,
            num_classes=4,
        ),
        resize_mode="pad64",
        min_dim=448,
        max_dim=512,
        min_scale=2,
        mean_pixel=(1, 2, 3),
        anchor_scales=(8, 16, 32, 64, 128),
        anchor_aspect_ratios=(1, 2),
        anchor_stride=2,
        rpn_delta_std=(0.3, 0.3, 0.5, 0.5),
        delta_std=(0.2, 0.2, 0.4, 0.4),
        pre_nms_top_k=2000,
        post_nms_top_k=300,
        rpn_iou_threshold=0.6,
        mask_pool_size=7,
        max_detections=35,
        score_threshold=0.5,
        iou_threshold=0.4,
    )
    differing = {
        field.name
        for field in dataclasses.fields(ModelConfig)
        if getattr(config, field.name) != getattr(ModelConfig(), field.name)
    }
    assert differing == {field.name for field in dataclasses.fields(ModelConfig)}


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"IMAGE_MIN_DIMS": 800}, "IMAGE_MIN_DIMS: not a constant of Matterport's"),
        ({"BACKBONE_STRIDES": [4, 8, 16, 32]}, r"BACKBONE_STRIDES: expected \[4, 8, 1"),
        ({"IMAGE_CHANNEL_COUNT": 4}, "IMAGE_CHANNEL_COUNT: expected 3, got 4"),
        ({"MEAN_PIXEL": [1, 2, 3, 4]}, "MEAN_PIXEL: expected three numbers"),
        ({"COMPUTE_BACKBONE_SHAPE": "f"}, "COMPUTE_BACKBONE_SHAPE: expected None"),
        ({"MASK_SHAPE": [56, 56]}, r"MASK_SHAPE: expected \[28, 28\] \(twice MASK_P"),
        ({"MASK_SHAPE": 28}, r"MASK_SHAPE: expected \[28, 28\] .* got 28"),
        ({"BACKBONE": "resnet34"}, "BACKBONE: .*resnet101, resnet50, small, got 'resn"),
        ({"BACKBONE": ["resnet50"]}, r'BACKBONE: expected .* got \["resnet50"\]'),
        ({"NUM_CLASSES": 0}, "NUM_CLASSES: expected a whole number >= 1, got 0"),
        ({"NUM_CLASSES": "4"}, "NUM_CLASSES: expected a whole number >= 1, got '4'"),
        (
            {"IMAGE_MAX_DIM": "1024"},
            "IMAGE_MAX_DIM: expected a whole number of at least 1",
        ),
        ({"IMAGE_RESIZE_MODE": "crop"}, "IMAGE_RESIZE_MODE: expected .* got 'crop'"),
        ({"RPN_ANCHOR_RATIOS": 1}, "RPN_ANCHOR_RATIOS: expected positive numbers"),
    ],
)
def test_wrong_constant(constants, message):
    with pytest.raises(ModelConfigError, match=f"^model config: {message}"):
        from_matterport(constants)


def test_constants_must_agree_with_the_checkpoint():
    architecture = preset("resnet50", num_classes=4)
    with pytest.raises(ModelConfigError) as caught:
        from_matterport(COCO | {"RPN_ANCHOR_RATIOS": [1, 2], "X": 1}, architecture)
    text = str(caught.value)
    for problem in (
        "X: not a constant",
        "NUM_CLASSES: the checkpoint has 4, got 81",
        "BACKBONE: the checkpoint has resnet50, got 'resnet101'",
        "the network has 3 anchors per cell, got 2 ratios",
    ):
        assert problem in text
    assert text.count("model config:") == 1
    agreeing = COCO | {"BACKBONE": "resnet50", "NUM_CLASSES": 4}
    assert from_matterport(agreeing, architecture).architecture == architecture


def test_messages_are_short_and_safe_to_show():
    wrong = {"a\x1b[31m": 1, "MEAN_PIXEL": "x" * 900, "RPN_ANCHOR_SCALES": [None] * 99}
    with pytest.raises(ModelConfigError) as caught:
        from_matterport(wrong | {f"X{number:03d}": 1 for number in range(110)})
    text = str(caught.value)
    assert "X000: not a constant of Matterport's Config; X001: not" in text
    assert text.endswith("; and 13 more")
    assert text.isprintable()
    problems = caught.value.problems
    assert len(problems) == 113
    assert problems[-3:] == (
        "a\\x1b[31m: not a constant of Matterport's Config",
        "MEAN_PIXEL: expected three numbers (the network takes three channels only), "
        f"got '{'x' * 57}...'",
        f"RPN_ANCHOR_SCALES: expected five positive numbers, got [{'null, ' * 9}nu...",
    )


def test_presets():
    assert PRESETS["resnet101"].stage_blocks == (3, 4, 23, 3)
    assert PRESETS["resnet50"].stage_blocks == (3, 4, 6, 3)
    for name in PRESETS:
        assert preset(name, num_classes=7).backbone == name
        assert preset(name, num_classes=7).num_classes == 7
    assert Architecture(stem_filters=65).backbone == "resnet_custom"
    with pytest.raises(ModelConfigError, match=r"expected one of .*small, got 'vgg'"):
        preset("vgg", num_classes=2)


@pytest.mark.parametrize(
    ("name", "num_classes", "parameters"),
    [
        # Counted by Keras in Matterport's own models.
        ("resnet101", 81, 64_158_584),
        ("resnet50", 81, 45_088_120),
        ("resnet50", 4, 44_673_706),
    ],
)
def test_parameters(name, num_classes, parameters):
    assert _parameters(preset(name, num_classes=num_classes)) == parameters


def test_small_is_small():
    assert _parameters(preset("small", num_classes=81)) <= 1_900_000


def _parameters(architecture):
    return sum(
        math.prod(shape)
        for arrays in array_shapes(architecture).values()
        for shape in arrays.values()
    )
