"""What the seeded small network says of a generated image, as JSON.

    python -m tests.golden.small

rewrites small.json beside this file: do so when the seeded checkpoint changes, never to
make a failing comparison pass.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from examples.seeded_checkpoint import seeded_arrays
from models.architecture import preset
from models.checkpoint import load_network, write_arrays
from models.config import ModelConfig
from models.preprocessing import letterbox, subtract_mean, to_canvas, to_image_frame

PATH = Path(__file__).with_name("small.json")
CONFIG = ModelConfig(
    architecture=preset("small", num_classes=3),
    min_dim=100,
    max_dim=128,
    post_nms_top_k=60,
    delta_std=(0.05, 0.05, 0.05, 0.05),
)
STEPS = {"C2": 4001, "C5": 401, "P2": 4001, "P3": 1009, "P4": 251, "P5": 61, "P6": 17}


def generated_image():
    """uint8[90, 140, 3]: stripes, a gradient and three rectangles, integers only."""
    y, x = np.mgrid[:90, :140]
    image = np.stack([60 + (y * 3 + x) % 32, 90 + x // 2, 40 + y], axis=-1)
    image[10:45, 15:60] = (220, 30, 20)
    image[40:80, 70:125] = (15, 200, 90)
    image[55:85, 20:50] = (250, 240, 30)
    return image.astype(np.uint8)


def compute():
    """Returns the numbers: feature statistics and samples, detections, masks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.h5"
        architecture = CONFIG.architecture
        write_arrays(seeded_arrays(architecture, 0), architecture, path)
        network, _ = load_network(path, CONFIG)
    image = generated_image()
    box = letterbox(image.shape[:2], CONFIG)
    canvas = subtract_mean(to_canvas(tf.constant(image), box), CONFIG)[None]
    features = network.trunk(canvas, training=False)
    found, masks = network(canvas, box.window[None])
    count = int(found.count[0])
    return {
        "features": {
            level: rounded(features[level].numpy().ravel()[::step])
            for level, step in STEPS.items()
        },
        "boxes_norm": rounded(found.boxes_norm[0, :count]),
        "boxes": rounded(to_image_frame(found.boxes_norm[0, :count], box)),
        "class_ids": found.class_ids[0, :count].numpy().tolist(),
        "scores": rounded(found.scores[0, :count]),
        "mask_means": rounded(tf.reduce_mean(masks[0, :count], axis=(1, 2))),
    }


def rounded(values):
    return np.round(np.asarray(values, np.float64), 5).tolist()


if __name__ == "__main__":
    PATH.write_text(json.dumps(compute()) + "\n")
