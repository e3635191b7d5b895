"""Writes a Supervisely project of bright boxes and dark triangles for trainings."""

import json

import cv2
import numpy as np

from tests.factories import meta_json, vector, write_item

SIDE = 64
CLASSES = {"box": "rectangle", "triangle": "polygon"}


def write_shapes(root, train=8, val=3, seed=0):
    """Writes images of SIDE x SIDE pixels, each with one object of both classes."""
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True)
    (root / "meta.json").write_text(json.dumps(meta_json(CLASSES)))
    for number in range(train + val):
        pixels = rng.integers(90, 130, (SIDE, SIDE, 3), np.uint8)
        y, x = (int(v) for v in rng.integers(2, 12, 2))
        box = vector("box", [[x, y], [x + 20, y + 16]])
        pixels[y : y + 17, x : x + 21] = (230, 200, 40)
        y, x = (int(v) for v in rng.integers(34, 40, 2))
        corners = [[x, y], [x + 22, y], [x, y + 22]]
        cv2.fillPoly(pixels, [np.array(corners, np.int32)], (10, 30, 60))
        objects = [box, vector("triangle", corners)]
        tag = "train" if number < train else "val"
        name = f"{number:03}.png"
        write_item(root / "ds", name, objects, [tag], (SIDE, SIDE), value=pixels)
    return root


def train_config(**changes):
    """Returns a config whose steps take a fraction of a second."""
    return {
        "lr": 0.002,
        "epochs": 2,
        "batch_size": {"train": 2, "val": 2},
        "input_size": {"min_dim": SIDE, "max_dim": SIDE},
        "backbone": "small",
        "anchor_scales": [8, 16, 32, 48, 64],
        "optimizer": {"name": "adamw"},
        "rois": {"proposals": 60, "per_image": 24, "append_truth": True},
        "bn_momentum": 0.9,
        "deterministic": True,
    } | changes
