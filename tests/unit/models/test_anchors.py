import dataclasses
import hashlib
import math

import numpy as np
import pytest
import tensorflow as tf

from models.anchors import anchors_norm, anchors_px
from models.architecture import Architecture
from models.config import ModelConfig
from models.mask_rcnn import MaskRCNN
from tests.factories import TINY
from tests.reference import goldens

ONE_RATIO = ModelConfig(
    architecture=Architecture(anchors_per_cell=1),
    anchor_scales=(8, 16, 32, 64, 128),
    anchor_aspect_ratios=(1,),
)


def test_small_canvas_by_hand(run):
    """64 x 128 pixels, one square anchor per cell: centres at whole strides."""
    anchors = run(lambda size: anchors_px(ONE_RATIO, size), np.int32([64, 128]))
    assert anchors.dtype == tf.float64
    counts = [16 * 32, 8 * 16, 4 * 8, 2 * 4, 1 * 2]
    assert anchors.shape == (sum(counts), 4)
    p2, p3, p4, p5, p6 = np.split(anchors, np.cumsum(counts)[:-1])
    assert np.array_equal(p2[0], [-4, -4, 4, 4])
    assert np.array_equal(p2[1], [-4, 0, 4, 8])
    assert np.array_equal(p2[32], [0, -4, 8, 4])
    assert np.array_equal(p2[-1], [56, 120, 64, 128])
    assert np.array_equal(p3[0], [-8, -8, 8, 8])
    assert np.array_equal(p4[-1], [32, 96, 64, 128])
    assert np.array_equal(p5[-1], [0, 64, 64, 128])
    assert np.array_equal(p6, [[-64, -64, 64, 64], [-64, 0, 64, 128]])


def test_ratio_is_width_over_height(run):
    config = dataclasses.replace(
        ONE_RATIO,
        architecture=Architecture(anchors_per_cell=2),
        anchor_aspect_ratios=(0.25, 4),
    )
    anchors = run(lambda size: anchors_px(config, size), np.int32([64, 64]))
    assert np.array_equal(anchors[0], [-8, -2, 8, 2])  # 16 high, 4 wide
    assert np.array_equal(anchors[1], [-2, -8, 2, 8])
    assert np.array_equal(anchors[2], [-8, 2, 8, 6])  # the next cell


def test_stride_leaves_cells_out(run):
    config = dataclasses.replace(ONE_RATIO, anchor_stride=2)
    anchors = run(lambda size: anchors_px(config, size), np.int32([64, 128]))
    assert anchors.shape == (8 * 16 + 4 * 8 + 2 * 4 + 1 * 2 + 1 * 1, 4)
    assert np.array_equal(anchors[1], [-4, 4, 4, 12])


def test_normalised_by_hand(run):
    anchors = run(lambda size: anchors_norm(ONE_RATIO, size), np.int32([64, 128]))
    assert anchors.dtype == tf.float32
    expected = [-4 / 63, -4 / 127, (4 - 1) / 63, (4 - 1) / 127]
    assert np.array_equal(anchors[0], np.float32(expected))
    last = [-64 / 63, 0, 63 / 63, 127 / 127]
    assert np.array_equal(anchors[-1], np.float32(last))


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(32, 32), (96, 64), (64, 160), (224, 32)])
def test_as_many_as_the_network_scores(size, stride):
    config = ModelConfig(architecture=TINY, anchor_stride=stride)
    trunk = MaskRCNN(config).trunk
    scored = trunk(tf.zeros((1, *size, 3)))["objectness_logits"]
    assert anchors_norm(config, tf.constant(size)).shape[0] == scored.shape[1]
    cells = [math.ceil(side / s) for s in (4, 8, 16, 32, 64) for side in size]
    if stride == 1:
        pairs = zip(cells[::2], cells[1::2], strict=True)
        assert scored.shape[1] == 3 * sum(rows * columns for rows, columns in pairs)


def test_sides_that_are_no_multiples_round_up():
    assert anchors_px(ONE_RATIO, tf.constant([65, 1])).shape[0] == 17 + 9 + 5 + 3 + 2


@goldens.needs_goldens
@pytest.mark.parametrize("name", goldens.NAMES)
def test_matterports_anchors(run, name):
    golden = goldens.load(name)
    size = np.int32(golden["resized_uint8"].shape[:2])
    anchors = run(lambda size: anchors_norm(ModelConfig(), size), size).numpy()
    assert anchors.shape == tuple(golden["anchors_shape"])
    digest = hashlib.sha256(anchors.tobytes()).hexdigest()
    assert digest == str(golden["anchors_sha256_f32"])
