from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from models.anchors import anchors_px
from models.config import ModelConfig
from models.mask_rcnn import MaskRCNN
from tests.factories import LEARNABLE
from training.pipeline.batch import Batch
from training.pipeline.mini_masks import mini_mask
from training.pipeline.rpn_targets import rpn_targets
from training.weights.initialisation import initialise

SIDE = 128
TINY = ModelConfig(
    architecture=LEARNABLE,
    min_dim=SIDE,
    max_dim=SIDE,
    anchor_scales=(8, 16, 32, 64, 128),
    pre_nms_top_k=4000,
    post_nms_top_k=100,
)


@pytest.fixture
def make_network():
    """Builds a tiny network with seeded weights."""

    def make(seed=0):
        network = MaskRCNN(TINY)
        initialise(network, seed)
        return network

    return make


def generated_image(rng):
    """A dark image with a bright square (class 1) and a disc (class 2)."""
    canvas = rng.normal(-100, 5, (SIDE, SIDE, 3))
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    side, radius = rng.integers(20, 40), rng.integers(12, 22)
    top, left = rng.integers(5, 20, 2)
    center = rng.integers(80, 100, 2)
    square = (rows > top) & (rows < top + side) & (columns > left)
    square &= columns < left + side
    disc = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 < radius**2
    canvas[square] += (150, 50, 0)
    canvas[disc] += (0, 60, 150)
    return canvas.astype(np.float32), [square, disc]


def box_of(mask):
    ys, xs = np.where(mask)
    return ys.min(), xs.min(), ys.max() + 1, xs.max() + 1


def generated_batch(count=2, seed=0, neutral=None):
    rng = np.random.default_rng(seed)
    anchors = anchors_px(TINY, tf.constant((SIDE, SIDE))).numpy()
    rows = []
    for index in range(count):
        image, masks = generated_image(rng)
        boxes = np.zeros((3, 4), np.float32)
        minis = np.zeros((3, 56, 56), bool)
        for row, mask in enumerate(masks):
            y1, x1, y2, x2 = boxes[row] = box_of(mask)
            minis[row] = mini_mask(mask[int(y1) : int(y2), int(x1) : int(x2)])
        class_ids = np.array((1, 2, 0), np.int32)
        targets = rpn_targets(
            anchors, class_ids, boxes, rng=rng, delta_std=TINY.rpn_delta_std
        )
        window = np.array((0, 0, SIDE, SIDE), np.int32)
        seeds = np.array((seed, index), np.int32)
        rows.append((image, window, class_ids, boxes, minis, *targets, seeds))
    columns = [tf.constant(np.stack(column)) for column in zip(*rows, strict=True)]
    return Batch(*columns, neutral)


@pytest.fixture
def make_batch():
    """Builds a batch of generated images, with room for three objects each."""
    return generated_batch
