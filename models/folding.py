"""Folds batch normalisation in inference form into the convolution before it."""

from __future__ import annotations

import numpy as np

from models.mask_rcnn import MaskRCNN
from models.resnet import BATCH_NORM_EPSILON


def fold_batch_norm(network: MaskRCNN) -> MaskRCNN:
    """Returns a network without normalisation layers that computes the same.

    y = gamma * (conv(x) + bias - mean) / sqrt(variance + epsilon) + beta becomes one
    convolution; the factors are computed in float64. Results differ by float32 noise.
    """
    folded = MaskRCNN(network.config, batch_norm=False)
    source = network.layers
    for name, layer in folded.layers.items():
        kernel, bias = (np.asarray(w, np.float64) for w in source[name].get_weights())
        norm = norm_of(name)
        if norm != name and norm in source:
            gamma, beta, mean, variance = (
                np.asarray(w, np.float64) for w in source[norm].get_weights()
            )
            factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
            kernel *= factor  # the last axis is the output channel
            bias = (bias - mean) * factor + beta
        layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    return folded


def norm_of(layer: str) -> str:
    """Returns the name that the normalisation after a convolution has, if any."""
    if layer == "conv1":
        return "bn_conv1"
    if layer.startswith("res"):
        return "bn" + layer.removeprefix("res")
    return layer.replace("_conv", "_bn")
