"""How much float16 weights change what a network finds.

    python -m benchmarks.half_weights WEIGHTS IMAGE [IMAGE ...]

Rounds every array of a checkpoint to float16, as a file of half the size has them, runs
both networks over the images and pairs their detections: of one class, with an IoU of
at least 0.5. Prints JSON. Nothing is timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Array = np.ndarray[Any, Any]
MIN_IOU = 0.5


def write_halved(weights: Path, out: Path) -> float:
    """Writes a checkpoint's arrays as float16.

    Returns:
        The largest rounding error of a number, per unit of its array's largest.
    """
    from models.checkpoint import inspect_checkpoint, read_arrays, write_arrays

    checkpoint = inspect_checkpoint(weights)
    arrays = read_arrays(checkpoint)
    write_arrays(arrays, checkpoint.architecture, out)
    worst = 0.0
    with h5py.File(out, "r+") as file:
        for stored in inspect_checkpoint(out).arrays.values():
            whole = np.asarray(file[stored.path])
            half = whole.astype(np.float16)
            del file[stored.path]
            file[stored.path] = half
            largest = max(float(np.abs(whole).max()), 1e-30)
            worst = max(worst, float(np.abs(half.astype("f4") - whole).max()) / largest)
    return worst


def find(network: Any, image: Array) -> dict[str, Array]:
    """Returns boxes in pixels of the image, class ids, scores and mask probs."""
    import tensorflow as tf

    from models.preprocessing import (
        letterbox,
        subtract_mean,
        to_canvas,
        to_image_frame,
    )

    plan = letterbox(tf.shape(image)[:2], network.config)
    canvas = subtract_mean(to_canvas(image, plan), network.config)
    found, probs = network(canvas[None], plan.window[None])
    count = int(found.count[0])
    return {
        "boxes": to_image_frame(found.boxes_norm[0], plan).numpy()[:count],
        "classes": found.class_ids.numpy()[0, :count],
        "scores": found.scores.numpy()[0, :count],
        "probs": probs.numpy()[0, :count],
    }


def pair(a: dict[str, Array], b: dict[str, Array]) -> list[tuple[int, int]]:
    """Pairs rows of one class greedily, best overlap first."""
    top = np.maximum(a["boxes"][:, None, :2], b["boxes"][None, :, :2])
    bottom = np.minimum(a["boxes"][:, None, 2:], b["boxes"][None, :, 2:])
    overlap = np.prod(np.maximum(bottom - top, 0), axis=-1)
    areas = [np.prod(x["boxes"][:, 2:] - x["boxes"][:, :2], axis=-1) for x in (a, b)]
    iou = overlap / np.maximum(areas[0][:, None] + areas[1][None] - overlap, 1e-9)
    iou[a["classes"][:, None] != b["classes"][None]] = 0
    pairs = []
    while iou.size and iou.max() >= MIN_IOU:
        row, other = np.unravel_index(iou.argmax(), iou.shape)
        pairs.append((int(row), int(other)))
        iou[row, :] = iou[:, other] = 0
    return pairs


def compare(weights: Path, images: Sequence[Path]) -> dict[str, Any]:
    """Runs a checkpoint and its half over images."""
    import cv2

    from export.settings import Options, resolve_settings
    from models.checkpoint import inspect_checkpoint, load_network

    config = resolve_settings(
        Options(weights=weights), inspect_checkpoint(weights)
    ).config
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder) / "half.h5"
        rounding = write_halved(weights, half)
        networks = [load_network(path, config)[0] for path in (weights, half)]
    counts, alone = [0, 0], 0
    differences: dict[str, list[Array]] = {"scores": [], "boxes": [], "probs": []}
    pixels: list[float] = []
    for path in images:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        a, b = (find(network, image) for network in networks)
        pairs = pair(a, b)
        counts = [counts[0] + len(a["scores"]), counts[1] + len(b["scores"])]
        alone += len(a["scores"]) + len(b["scores"]) - 2 * len(pairs)
        for row, other in pairs:
            for name, listed in differences.items():
                listed.append(np.abs(a[name][row] - b[name][other]).ravel())
            masks = [x["probs"][n] >= 0.5 for x, n in ((a, row), (b, other))]
            union = max(1, int((masks[0] | masks[1]).sum()))
            pixels.append(int((masks[0] & masks[1]).sum()) / union)
    return {
        "images": len(images),
        "found": counts,
        "without a partner": alone,
        "rounding of weights": rounding,
        "score": spread(differences["scores"]),
        "box_px": spread(differences["boxes"]),
        "mask_prob": spread(differences["probs"]),
        "mask_iou": {"mean": float(np.mean(pixels)), "min": min(pixels)},
    }


def spread(values: list[Array]) -> dict[str, float]:
    """Returns mean, 99th percentile and maximum."""
    joined = np.concatenate(values)
    return {
        "mean": float(joined.mean()),
        "p99": float(np.quantile(joined, 0.99)),
        "max": float(joined.max()),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description="Compares float32 with float16.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    args = parser.parse_args(argv)
    json.dump(compare(args.weights, args.images), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
