import hashlib
import json

import pytest

from models.architecture import PRESETS, preset
from models.layout import array_shapes, canonical_layer, file_layers
from tests.factories import TINY
from tests.reference import goldens


@pytest.mark.parametrize(
    ("name", "num_classes", "layers", "arrays", "digest"),
    [
        ("resnet101", 81, 394, 690, "8204193f"),
        ("resnet50", 81, 224, 384, "ce691f5b"),
        ("resnet50", 4, 224, 384, "37189af4"),
    ],
)
def test_layer_list_does_not_change(name, num_classes, layers, arrays, digest):
    """The digests were taken when the lists equalled those of Matterport's models."""
    architecture = preset(name, num_classes=num_classes)
    listed = file_layers(architecture)
    assert len(listed) == layers
    assert sum(len(weights) for _, weights in listed) == arrays
    shapes = [
        (layer, array, list(shape))
        for layer, named in array_shapes(architecture).items()
        for array, shape in named.items()
    ]
    text = json.dumps([listed, shapes])
    assert hashlib.sha256(text.encode()).hexdigest()[:8] == digest


@goldens.needs_goldens
@pytest.mark.parametrize(
    ("manifest", "name", "num_classes"),
    [
        ("coco_resnet101_81", "resnet101", 81),
        ("resnet50_81", "resnet50", 81),
        ("resnet50_4", "resnet50", 4),
    ],
)
def test_layer_list_is_matterports(manifest, name, num_classes):
    stored = json.loads((goldens.ROOT / f"manifests/{manifest}.json").read_text())
    architecture = preset(name, num_classes=num_classes)
    assert file_layers(architecture) == [
        (layer["name"], layer["weight_names"]) for layer in stored["layers"]
    ]
    shapes = {
        f"{group}/{weight}": array_shapes(architecture)[layer][array]
        for group, weights in file_layers(architecture)
        for weight in weights
        for layer, array in [weight.removesuffix(":0").split("/")]
    }
    assert shapes == {k: tuple(shape) for k, shape in stored["datasets"].items()}


@pytest.mark.parametrize("architecture", [*PRESETS.values(), TINY])
def test_file_holds_every_array_once(architecture):
    written = [weight for _, weights in file_layers(architecture) for weight in weights]
    assert len(written) == len(set(written))
    assert set(written) == {
        f"{layer}/{array}:0"
        for layer, arrays in array_shapes(architecture).items()
        for array in arrays
    }
    groups = [group for group, _ in file_layers(architecture)]
    assert len(groups) == len(set(groups))


def test_rpn_is_one_group():
    layers = dict(file_layers(TINY))
    assert layers["rpn_model"] == [
        "rpn_conv_shared/kernel:0",
        "rpn_conv_shared/bias:0",
        "rpn_class_raw/kernel:0",
        "rpn_class_raw/bias:0",
        "rpn_bbox_pred/kernel:0",
        "rpn_bbox_pred/bias:0",
    ]


def test_shapes_by_hand():
    shapes = array_shapes(TINY)
    assert shapes["conv1"] == {"kernel": (7, 7, 3, 4), "bias": (4,)}
    assert shapes["res3a_branch1"]["kernel"] == (1, 1, 8, 12)
    assert shapes["res3b_branch2a"]["kernel"] == (1, 1, 12, 3)
    assert "res3b_branch1" not in shapes
    assert "res2b_branch2a" not in shapes
    assert shapes["fpn_c5p5"]["kernel"] == (1, 1, 16, 5)
    assert shapes["rpn_bbox_pred"]["kernel"] == (1, 1, 6, 12)
    assert shapes["mrcnn_class_conv1"]["kernel"] == (3, 3, 5, 7)
    assert shapes["mrcnn_bbox_fc"] == {"kernel": (7, 12), "bias": (12,)}
    assert shapes["mrcnn_mask_conv1"]["kernel"] == (3, 3, 5, 4)
    assert shapes["mrcnn_mask_conv2"]["kernel"] == (3, 3, 4, 4)
    assert shapes["mrcnn_mask"]["kernel"] == (1, 1, 4, 3)
    assert list(shapes["bn_conv1"]) == [
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
    ]


@pytest.mark.parametrize(
    ("stored", "layer"),
    [
        ("conv1", "conv1"),
        ("conv1_1", "conv1"),
        ("fpn_c5p5_3", "fpn_c5p5"),
        ("fpn_p2_12", "fpn_p2"),
        ("res4w_branch2c", "res4w_branch2c"),
        ("bn4w_branch2c_2", "bn4w_branch2c"),
        ("mrcnn_mask", "mrcnn_mask"),
        ("mrcnn_mask_1", "mrcnn_mask"),
        ("mrcnn_mask_conv1", "mrcnn_mask_conv1"),
        ("mrcnn_mask_conv1_1", "mrcnn_mask_conv1"),
        ("mrcnn_class_bn2_1", "mrcnn_class_bn2"),
        ("rpn_class_raw_4", "rpn_class_raw"),
        ("rpn_model", None),
        ("rpn_model_1", None),
        ("model_1", None),
        ("mask_rcnn", None),
        ("fpn_p6", None),
        ("mrcnn_mask_conv5", None),
        ("mrcnn_mask_bn1_1_1", None),
        ("conv12", None),
        ("res6a_branch2a", None),
        ("xconv1", None),
        ("conv1\n", None),
        ("", None),
    ],
)
def test_canonical_layer(stored, layer):
    assert canonical_layer(stored) == layer
