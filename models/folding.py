"""Folds batch normalisation in inference form into the convolution before it."""

from __future__ import annotations

import numpy as np

from models.architecture import BATCH_NORM_EPSILON
from models.layout import Arrays, array_names


def fold_batch_norm(arrays: Arrays) -> Arrays:
    """Returns the arrays of a network without normalisation that computes the same.

    y = gamma * (conv(x) + bias - mean) / sqrt(variance + epsilon) + beta becomes one
    convolution; the factors are computed in float64. Results differ by float32 noise.

    Args:
        arrays: of a whole network, float32; left as they are.
    """
    folded = {}
    for layer in (layer for layer, array in arrays if array == "kernel"):
        kernel, bias = arrays[layer, "kernel"], arrays[layer, "bias"]
        norm = norm_of(layer)
        if (norm, "gamma") in arrays:
            gamma, beta, mean, variance = (
                arrays[norm, name].astype(np.float64) for name in array_names(norm)
            )
            factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
            # The kernel's last axis is the output channel.
            kernel = (kernel * factor).astype(np.float32)
            bias = ((bias - mean) * factor + beta).astype(np.float32)
        folded[layer, "kernel"], folded[layer, "bias"] = kernel, bias
    return folded


def norm_of(layer: str) -> str:
    """Returns the name that the normalisation after a convolution has, if any."""
    if layer == "conv1":
        return "bn_conv1"
    if layer.startswith("res"):
        return "bn" + layer.removeprefix("res")
    return layer.replace("_conv", "_bn")
