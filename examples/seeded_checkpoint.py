"""Writes a small, untrained Mask R-CNN checkpoint that still finds things.

    python examples/seeded_checkpoint.py [--backbone small] [--seed 0] OUT.h5

Every number follows from the seed and the name of its array, so the file is the same on
every machine. Kernels sum to zero over their inputs: flat areas stay silent and local
contrast decides. What such a network detects means nothing; it serves to try the whole
path without a trained checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.architecture import PRESETS, Architecture, preset
from models.checkpoint import write_arrays
from models.layout import Key, Shape, array_shapes

KERNEL_GAINS: Mapping[str, float] = {
    "conv1": 0.05,
    "rpn_class_raw": 0.5,
    "rpn_bbox_pred": 0.4,
    "mrcnn_class_logits": 1.6,
    "mrcnn_bbox_fc": 0.4,
    "mrcnn_mask": 2.0,
}
"""Factors on He-normal kernels, chosen for a handful of confident detections."""
RESIDUAL_GAMMA = 0.25
BACKGROUND_BIAS = {"rpn_class_raw": 1.0, "mrcnn_class_logits": 2.5}


def seeded_arrays(
    architecture: Architecture, seed: int
) -> dict[Key, np.ndarray[Any, Any]]:
    """Returns every array of a network, float32, in Matterport's layout."""
    return {
        (layer, name): _values(layer, name, shape, seed)
        for layer, arrays in array_shapes(architecture).items()
        for name, shape in arrays.items()
    }


def _values(layer: str, name: str, shape: Shape, seed: int) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng([zlib.crc32(f"{layer}/{name}".encode()), seed])
    noise = rng.standard_normal(shape)
    if name == "kernel":
        # A transposed convolution's kernel is (height, width, out, in).
        axes = (3,) if layer == "mrcnn_mask_deconv" else tuple(range(len(shape) - 1))
        fan_in = int(np.prod([shape[axis] for axis in axes]))
        values = noise - noise.mean(axis=axes, keepdims=True)
        values *= np.sqrt(2 / fan_in) * KERNEL_GAINS.get(layer, 1.0)
    elif name == "gamma":
        values = np.full(shape, RESIDUAL_GAMMA if layer.endswith("2c") else 1.0)
        values *= 1 + 0.1 * noise
    elif name == "moving_variance":
        values = np.exp(0.1 * noise)
    else:
        values = 0.05 * noise
    if name == "bias" and layer == "rpn_class_raw":
        values[0::2] += BACKGROUND_BIAS[layer]
    elif name == "bias" and layer == "mrcnn_class_logits":
        values[0] += BACKGROUND_BIAS[layer]
    return values.astype(np.float32)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description="Writes an untrained checkpoint.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--backbone", choices=tuple(PRESETS), default="small")
    parser.add_argument("--classes", type=int, default=3, help="background included")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    architecture = preset(args.backbone, num_classes=args.classes)
    write_arrays(seeded_arrays(architecture, args.seed), architecture, args.out)
    sys.stderr.write(f"{args.out}: untrained weights, seed {args.seed}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
