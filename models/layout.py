"""Matterport's weight file layout: which layers there are, and the arrays of each.

The layer list is that of Matterport's inference model, weightless layers included, so a
file written from it loads in the old code by name and by order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from models.architecture import EXPANSION, Architecture, block_letters

RPN_GROUP = "rpn_model"
RPN_LAYERS = ("rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred")
CLASS_LAYERS = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask")
"""Layers whose shape depends on the number of classes."""

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
ARRAY_NAMES = ("kernel", "bias", *_NORM)

_LAYER_NAME = re.compile(
    r"conv1|bn_conv1|(res|bn)[2-5][a-z]_branch(1|2[abc])|fpn_(c[2-5]p[2-5]|p[2-5])"
    r"|rpn_(conv_shared|class_raw|bbox_pred)|mrcnn_class_(conv|bn)[12]"
    r"|mrcnn_class_logits|mrcnn_bbox_fc|mrcnn_mask_(conv|bn)[1-4]|mrcnn_mask_deconv"
    r"|mrcnn_mask"
)

Shape = tuple[int, ...]
Key = tuple[str, str]
"""(layer, array): ("conv1", "kernel")."""
Arrays = Mapping[Key, np.ndarray[Any, Any]]
"""The weights of a network, float32 unless a pass over them made them another."""


def canonical_layer(name: str) -> str | None:
    """Returns the layer a stored name stands for, None where it stands for none.

    Keras numbers the layers of a second model in one process: "fpn_c5p5_3" is
    "fpn_c5p5".
    """
    if _LAYER_NAME.fullmatch(name):
        return name
    unnumbered = re.sub(r"_\d+$", "", name)
    return unnumbered if _LAYER_NAME.fullmatch(unnumbered) else None


def array_names(layer: str) -> tuple[str, ...]:
    """Returns the names of a layer's arrays, in Keras' order."""
    return _NORM if "bn" in layer else ("kernel", "bias")


def array_shapes(architecture: Architecture) -> dict[str, dict[str, Shape]]:
    """Returns layer name -> array name -> shape, in Matterport's order."""
    return dict(_weighted_layers(architecture))


def file_layers(architecture: Architecture) -> list[tuple[str, list[str]]]:
    """Returns (group, weight names) of every layer of the file, in order."""
    arrays = array_shapes(architecture)
    groups = []
    for name in _layer_order(architecture):
        members = RPN_LAYERS if name == RPN_GROUP else (name,)
        weights = [
            f"{member}/{array}:0"
            for member in members
            for array in arrays.get(member, ())
        ]
        groups.append((name, weights))
    return groups


def _weighted_layers(a: Architecture) -> Iterator[tuple[str, dict[str, Shape]]]:
    def conv(
        name: str, size: int, n_in: int, n_out: int
    ) -> tuple[str, dict[str, Shape]]:
        return name, {"kernel": (size, size, n_in, n_out), "bias": (n_out,)}

    def norm(name: str, channels: int) -> tuple[str, dict[str, Shape]]:
        return name, dict.fromkeys(_NORM, (channels,))

    yield conv("conv1", 7, 3, a.stem_filters)
    yield norm("bn_conv1", a.stem_filters)
    channels = a.stem_filters
    stages = zip(a.stage_blocks, a.stage_filters, strict=True)
    for stage, (blocks, f) in enumerate(stages, start=2):
        for letter in block_letters(blocks):
            block = f"{stage}{letter}"
            branches = [("2a", 1, channels, f), ("2b", 3, f, f), ("2c", 1, f, 4 * f)]
            if letter == "a":
                branches.append(("1", 1, channels, EXPANSION * f))
            for branch, size, n_in, n_out in branches:
                yield conv(f"res{block}_branch{branch}", size, n_in, n_out)
                yield norm(f"bn{block}_branch{branch}", n_out)
            channels = EXPANSION * f
    p = a.fpn_channels
    for level in (5, 4, 3, 2):
        filters = EXPANSION * a.stage_filters[level - 2]
        yield conv(f"fpn_c{level}p{level}", 1, filters, p)
    for level in (5, 2, 3, 4):
        yield conv(f"fpn_p{level}", 3, p, p)
    yield conv("rpn_conv_shared", 3, p, a.rpn_channels)
    yield conv("rpn_class_raw", 1, a.rpn_channels, 2 * a.anchors_per_cell)
    yield conv("rpn_bbox_pred", 1, a.rpn_channels, 4 * a.anchors_per_cell)
    fc, m, classes = a.box_head_channels, a.mask_head_channels, a.num_classes
    yield conv("mrcnn_class_conv1", a.pool_size, p, fc)
    yield norm("mrcnn_class_bn1", fc)
    yield conv("mrcnn_class_conv2", 1, fc, fc)
    yield norm("mrcnn_class_bn2", fc)
    yield "mrcnn_class_logits", {"kernel": (fc, classes), "bias": (classes,)}
    yield "mrcnn_bbox_fc", {"kernel": (fc, 4 * classes), "bias": (4 * classes,)}
    for index in range(1, 5):
        yield conv(f"mrcnn_mask_conv{index}", 3, p if index == 1 else m, m)
        yield norm(f"mrcnn_mask_bn{index}", m)
    yield conv("mrcnn_mask_deconv", 2, m, m)
    yield conv("mrcnn_mask", 1, m, classes)


class _Counter:
    """Names unnamed layers as Keras does: "add", "add_1", ..."""

    def __init__(self, stem: str) -> None:
        self._stem = stem
        self._count = 0

    def __call__(self) -> str:
        name = f"{self._stem}_{self._count}" if self._count else self._stem
        self._count += 1
        return name


def _layer_order(a: Architecture) -> list[str]:
    activation, add = _Counter("activation"), _Counter("add")
    order = ["input_image", "zero_padding2d", "conv1", "bn_conv1", activation()]
    order.append("max_pooling2d")
    for stage, blocks in enumerate(a.stage_blocks, start=2):
        for letter in block_letters(blocks):
            order += _block_order(f"{stage}{letter}", activation, add)
    for level in (5, 4, 3):
        below = level - 1
        order += [f"fpn_c{level}p{level}"] if level == 5 else []
        order += [f"fpn_p{level}upsampled", f"fpn_c{below}p{below}", f"fpn_p{below}add"]
    order += ["fpn_p5", "fpn_p2", "fpn_p3", "fpn_p4", "fpn_p6", RPN_GROUP]
    order += ["rpn_class", "rpn_bbox", "input_anchors", "ROI", "input_image_meta"]
    order.append("roi_align_classifier")
    for index in (1, 2):
        order += [f"mrcnn_class_conv{index}", f"mrcnn_class_bn{index}", activation()]
    activation()  # the softmax inside the time-distributed "mrcnn_class"
    order += ["pool_squeeze", "mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_class"]
    order += ["mrcnn_bbox", "mrcnn_detection", "lambda_2", "roi_align_mask"]
    for index in range(1, 5):
        order += [f"mrcnn_mask_conv{index}", f"mrcnn_mask_bn{index}", activation()]
    return [*order, "mrcnn_mask_deconv", "mrcnn_mask"]


def _block_order(block: str, activation: _Counter, add: _Counter) -> list[str]:
    def pair(branch: str) -> list[str]:
        return [f"res{block}_branch{branch}", f"bn{block}_branch{branch}"]

    order = [*pair("2a"), activation(), *pair("2b"), activation()]
    if block.endswith("a"):
        (conv, norm), (shortcut, shortcut_norm) = pair("2c"), pair("1")
        order += [conv, shortcut, norm, shortcut_norm]
    else:
        order += pair("2c")
    return [*order, add(), f"res{block}_out"]
