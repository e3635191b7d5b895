"""Reads ImageNet ResNets in Keras' two file layouts as Matterport's arrays.

The old one (`resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5`, with which
Matterport started its trainings) names its layers as Matterport does, and its batch
normalisation has Matterport's epsilon, 1e-3. That of keras.applications (the same file
name under another address, and `resnet101_...`) numbers blocks: `conv2_block1_1_conv`,
epsilon 1.001e-5. Both put stride 2 on the first 1x1 convolution, as Matterport does.
Arrays are told apart by their order in a layer, as names changed with Keras' versions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from models.architecture import BATCH_NORM_EPSILON, Architecture
from models.errors import WeightsError
from models.layout import Key, array_shapes
from models.weight_file import checked_contents, open_weight_file

KERAS_EPSILON = 1.001e-5
"""Epsilon of the batch normalisation of keras.applications."""
_TRUNK = re.compile(r"conv1|bn_conv1|(res|bn)[2-5][a-z]_branch(1|2[abc])")
_BLOCK = re.compile(r"conv([2-5])_block(\d+)_([0-3])_(conv|bn)")
_BRANCHES = ("1", "2a", "2b", "2c")
_ADVICE = (
    "Expected an ImageNet ResNet of the same depth in Keras' layout, such as "
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5."
)

Array = np.ndarray[Any, Any]


def read_resnet(
    path: str | Path, architecture: Architecture
) -> tuple[dict[Key, Array], float]:
    """Reads the trunk's arrays.

    Args:
        path: a file without pickled code; layers that are no part of the trunk, such as
            the classifier of 1000 classes, are left out.
        architecture: what the arrays must fit.

    Returns:
        (layer, array) -> float32 array under Matterport's names, and the epsilon of its
        batch normalisation.

    Raises:
        WeightsError: the file is unreadable, or arrays are missing or misshapen; all
            of them are listed.
    """
    wanted = {
        layer: arrays
        for layer, arrays in array_shapes(architecture).items()
        if _TRUNK.fullmatch(layer)
    }
    with open_weight_file(Path(path)) as file:
        checked_contents(Path(path), file)
        stored, numbered = _stored_layers(file.hdf5)
    problems: list[str] = []
    arrays: dict[Key, Array] = {}
    for layer, shapes in wanted.items():
        if layer not in stored:
            problems.append(f"missing layer {layer}")
            continue
        values = stored.pop(layer)
        found = [value.shape for value in values]
        if found != list(shapes.values()):
            problems.append(f"{layer}: expected {list(shapes.values())}, got {found}")
            continue
        arrays.update(
            {(layer, name): x for name, x in zip(shapes, values, strict=True)}
        )
    problems += [f"{layer}: the network has no such layer" for layer in stored]
    problems += [
        f"{layer}/{name}: holds numbers that are NaN or infinite"
        for (layer, name), value in arrays.items()
        if not np.isfinite(value).all()
    ]
    if problems:
        raise WeightsError(str(path), problems, _ADVICE)
    return arrays, KERAS_EPSILON if numbered else BATCH_NORM_EPSILON


def is_resnet(path: str | Path) -> bool:
    """Says whether a file holds a ResNet's trunk and no layer of a Mask R-CNN's own.

    Raises:
        WeightsError: the file is unreadable.
    """
    with open_weight_file(Path(path)) as file:
        checked_contents(Path(path), file)
        names = set(file.hdf5.get("model_weights", file.hdf5))
    has_heads = any(name.startswith(("fpn_", "mrcnn_", "rpn_")) for name in names)
    return not has_heads and any(trunk_layer(name) for name in names)


def trunk_layer(name: str) -> str | None:
    """Returns Matterport's name of a Keras layer, None if it is no trunk layer.

    `conv4_block23_0_bn` is `bn4w_branch1`: the shortcut has number 0.
    """
    stem = {"conv1_conv": "conv1", "conv1_bn": "bn_conv1"}
    if name in stem:
        return stem[name]
    if _TRUNK.fullmatch(name):
        return name
    match = _BLOCK.fullmatch(name)
    if match is None:
        return None
    stage, block, branch, kind = match.groups()
    letter = chr(ord("a") + int(block) - 1)
    prefix = "res" if kind == "conv" else "bn"
    return f"{prefix}{stage}{letter}_branch{_BRANCHES[int(branch)]}"


def _stored_layers(file: Any) -> tuple[dict[str, list[Array]], bool]:
    """Returns trunk layer -> its arrays in order, and whether blocks are numbered."""
    top = file
    if "layer_names" not in top.attrs and "model_weights" in top:
        top = top["model_weights"]
    layers: dict[str, list[Array]] = {}
    numbered = False
    for name, group in top.items():
        layer = trunk_layer(name)
        if layer is None or "weight_names" not in group.attrs:
            continue
        numbered |= layer != name
        layers[layer] = [
            np.asarray(group[_text(weight)], np.float32)
            for weight in group.attrs["weight_names"]
        ]
    return {name: arrays for name, arrays in layers.items() if arrays}, numbered


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
