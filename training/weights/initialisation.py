"""First weights: from nothing, from an ImageNet ResNet, or from another Mask R-CNN."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np

from models.architecture import BATCH_NORM_EPSILON, Architecture
from models.checkpoint import Checkpoint, read_arrays
from models.errors import WeightsError
from models.layout import CLASS_LAYERS, Key, array_shapes
from models.mask_rcnn import MaskRCNN
from training.weights.imagenet import read_resnet

HEAD_STD = {
    "rpn_conv_shared": 0.01,
    "rpn_class_raw": 0.01,
    "rpn_bbox_pred": 0.01,
    "mrcnn_class_logits": 0.01,
    "mrcnn_bbox_fc": 0.001,
    "mrcnn_mask": 0.001,
}
"""Standard deviation of the kernels that predict (Faster R-CNN section 3.1.3, Fast
R-CNN section 4.1); the RPN's shared convolution belongs to them in the paper."""
PIXEL_STD = 64.0
"""Deviation of the input, grey levels: the first kernel is divided by it, as networks
that do not learn their normalisation would carry that scale to their heads."""
OBJECTNESS_PRIOR = 0.05
FOREGROUND_PRIOR = 0.1
"""Share of anchors and RoIs that are foreground, as untrained heads say: with even odds
the first steps would only push all of them to background (Focal Loss, section 4.1)."""

Array = np.ndarray[Any, Any]


def initialise(network: MaskRCNN, seed: int, *, zero_gamma: bool = True) -> None:
    """Sets all weights for training from nothing.

    Kernels are normal with He's deviation sqrt(2 / fan-in), those of the pyramid, which
    no ReLU follows, with sqrt(1 / fan-in); predictors as `HEAD_STD`; biases 0, but
    those of the classifiers, which say that background is frequent.

    Args:
        network: every weight is set; batch normalisation starts as the identity.
        seed: the same seed gives the same weights, whatever the order of layers.
        zero_gamma: the last normalisation of a residual block starts at 0, and so the
            block as its shortcut (Goyal et al. 2017, section 5.1).

    Source: He et al. 2015, "Delving deep into rectifiers", eq. (10).
    """
    architecture = network.config.architecture
    for layer, arrays in array_shapes(architecture).items():
        for name, shape in arrays.items():
            value = _initial(layer, name, shape, seed)
            if zero_gamma and name == "gamma" and layer.endswith("_branch2c"):
                value = np.zeros(shape, np.float32)
            _assign(network, layer, name, value)
    _set_priors(network, architecture)


def load_imagenet(network: MaskRCNN, path: str) -> None:
    """Puts an ImageNet ResNet under the pyramid; the other layers stay as they are.

    Takes the `notop` files of Keras in both of their layouts. Their networks read BGR
    minus the mean, ours reads RGB: the first kernel's channels are turned around. Files
    of keras.applications have another epsilon, which gamma makes up for.

    Raises:
        WeightsError: see `training.weights.imagenet.read_resnet`.
    """
    arrays, epsilon = read_resnet(path, network.config.architecture)
    arrays["conv1", "kernel"] = arrays["conv1", "kernel"][:, :, ::-1]
    if epsilon != BATCH_NORM_EPSILON:
        for layer, name in list(arrays):
            if name == "gamma":
                variance = arrays[layer, "moving_variance"].astype(np.float64)
                ratio = (variance + BATCH_NORM_EPSILON) / (variance + epsilon)
                arrays[layer, name] = arrays[layer, name] * np.sqrt(ratio)
    for (layer, name), value in arrays.items():
        _assign(network, layer, name, value)


def transfer_learning(network: MaskRCNN, checkpoint: Checkpoint) -> None:
    """Takes over all weights but those that depend on the classes.

    Args:
        network: keeps its own class-dependent layers.
        checkpoint: a whole one, of the same architecture but for `num_classes`.

    Raises:
        WeightsError: the checkpoint is not whole, or of another architecture; all
            arrays that do not fit are listed.
    """
    wanted = array_shapes(network.config.architecture)
    arrays = {
        key: value
        for key, value in read_arrays(checkpoint).items()
        if key[0] not in CLASS_LAYERS
    }
    problems = _misfits(arrays, wanted)
    if problems:
        raise WeightsError(
            str(checkpoint.path),
            problems,
            "Choose the backbone that the file was trained with "
            f"({checkpoint.architecture.backbone}).",
        )
    for (layer, name), value in arrays.items():
        _assign(network, layer, name, value)


def _misfits(
    arrays: dict[Key, Array], wanted: dict[str, dict[str, tuple[int, ...]]]
) -> list[str]:
    problems = [
        f"{layer}/{name}: the network has no such array"
        for layer, name in arrays
        if name not in wanted.get(layer, {})
    ]
    for layer, shapes in wanted.items():
        for name, shape in shapes.items():
            if layer in CLASS_LAYERS:
                continue
            if (layer, name) not in arrays:
                problems.append(f"missing array {layer}/{name}")
            elif arrays[layer, name].shape != shape:
                problems.append(
                    f"{layer}/{name}: the network has {shape}, the file "
                    f"{arrays[layer, name].shape}"
                )
    return problems


def _initial(layer: str, name: str, shape: tuple[int, ...], seed: int) -> Array:
    if name in ("gamma", "moving_variance"):
        return np.ones(shape, np.float32)
    if name != "kernel":
        return np.zeros(shape, np.float32)
    if layer in HEAD_STD:
        deviation = HEAD_STD[layer]
    elif layer == "mrcnn_mask_deconv":
        # Stride 2 and side 2: each output pixel sees one tap, of shape[3] channels.
        deviation = math.sqrt(2 / shape[3])
    else:
        gain = 1 if layer.startswith("fpn_") else 2
        deviation = math.sqrt(gain / math.prod(shape[:-1]))
    if layer == "conv1":
        deviation /= PIXEL_STD
    rng = np.random.default_rng([zlib.crc32(layer.encode()), seed])
    return np.asarray(rng.normal(0, deviation, shape), np.float32)


def _set_priors(network: MaskRCNN, architecture: Architecture) -> None:
    odds = math.log((1 - OBJECTNESS_PRIOR) / OBJECTNESS_PRIOR)
    bias = np.tile(np.array([odds, 0], np.float32), architecture.anchors_per_cell)
    _assign(network, "rpn_class_raw", "bias", bias)
    classes = architecture.num_classes
    bias = np.zeros(classes, np.float32)
    bias[0] = math.log((1 - FOREGROUND_PRIOR) / FOREGROUND_PRIOR * max(classes - 1, 1))
    _assign(network, "mrcnn_class_logits", "bias", bias)


def _assign(network: MaskRCNN, layer: str, name: str, value: Array) -> None:
    for variable in network.layers[layer].weights:
        if variable.name == name:
            variable.assign(value)
