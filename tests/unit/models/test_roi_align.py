import numpy as np
import pytest
import tensorflow as tf

from models.roi_align import POOLED_LEVELS, assign_levels, roi_align
from tests.reference import pooling

POOL_NOISE = 2e-4
"""float32 positions among 256 cells (1.5e-5) times slopes of up to 8 per cell."""


def box_of_side(side_px, canvas=1024):
    return [0.1, 0.1, 0.1 + side_px / canvas, 0.1 + side_px / canvas]


@pytest.mark.parametrize(
    ("side_px", "level"),
    [
        (224, 4),
        (112, 3),
        (448, 5),
        (56, 2),
        (900, 5),  # 6.0 is cut to 5
        (10, 2),
        # Halfway between octaves lies sqrt(2): 316.78, 158.39, 79.2 pixels.
        (316, 4),
        (318, 5),
        (158, 3),
        (159, 4),
        (79, 2),
        (80, 3),
    ],
)
def test_levels_by_hand(run, side_px, level):
    levels = run(
        assign_levels,
        np.float32([box_of_side(side_px)]),
        np.int32([1024, 1024]),
        shapes=[(None, 4), (None,)],
    )
    assert levels.numpy().tolist() == [level]


def test_levels_use_the_area_of_box_and_canvas(run):
    """112 x 448 pixels are as large as 224 x 224, whatever the canvas' shape."""
    box = np.float32([[0, 0, 112 / 512, 448 / 1024]])
    levels = run(assign_levels, box, np.int32([512, 1024]), shapes=[(None, 4), (None,)])
    assert levels.numpy().tolist() == [4]


def test_boxes_without_area_belong_to_level_2(run):
    boxes = np.float32([[0, 0, 0, 0], [0.5, 0.2, 0.5, 0.9], [0.1, 1, 0.9, 1]])
    levels = run(
        assign_levels, boxes, np.int32([1024, 1024]), shapes=[(None, 4), (None,)]
    )
    assert levels.numpy().tolist() == [2, 2, 2]


def pyramid_of(rng, batch, canvas_size):
    rows, columns = canvas_size
    return {
        level: np.float32(rng.normal(0, 1, (batch, rows // step, columns // step, 3)))
        for level, step in zip(POOLED_LEVELS, (4, 8, 16, 32), strict=True)
    }


def pool(run, pyramid, boxes, image_indices, canvas_size, side):
    def op(boxes, image_indices, canvas_size, *maps):
        pyramid = dict(zip(POOLED_LEVELS, maps, strict=True))
        return roi_align(pyramid, boxes, image_indices, canvas_size, side)

    maps = [pyramid[level] for level in POOLED_LEVELS]
    channels = maps[0].shape[-1]
    pooled = run(
        op,
        np.float32(boxes).reshape(-1, 4),
        np.int32(image_indices),
        np.int32(canvas_size),
        *maps,
        shapes=[(None, 4), (None,), (2,), *[(None, None, None, channels)] * 4],
    )
    return pooled.numpy()


def ramp(rows, columns):
    """A map whose value is 10 row + column."""
    y, x = np.mgrid[:rows, :columns]
    return np.float32(10 * y + x)[None, :, :, None]


def test_samples_by_hand(run):
    """A box from corner to corner of cells takes their values; nothing is averaged."""
    pyramid = {
        "P2": ramp(17, 17),
        "P3": ramp(9, 9) + 1000,
        "P4": ramp(5, 5) + 2000,
        "P5": ramp(3, 3) + 3000,
    }
    boxes = [
        [0.125, 0.25, 0.25, 0.375],  # rows 2..4, columns 4..6 of P2
        [0.0, 0.0, 0.25, 0.125],  # rows 0..4, columns 0..2
    ]
    pooled = pool(run, pyramid, boxes, [0, 0], (68, 68), 3)[..., 0]
    np.testing.assert_allclose(pooled[0], [[24, 25, 26], [34, 35, 36], [44, 45, 46]])
    np.testing.assert_allclose(pooled[1], [[0, 1, 2], [20, 21, 22], [40, 41, 42]])


def test_bilinear_by_hand(run):
    pyramid = {level: ramp(5, 5) for level in POOLED_LEVELS}
    # Rows 0.5 and 1.5, columns 1.25 and 2.25.
    pooled = pool(run, pyramid, [[0.125, 0.3125, 0.375, 0.5625]], [0], (20, 20), 2)
    np.testing.assert_allclose(pooled[0, :, :, 0], [[6.25, 7.25], [16.25, 17.25]])


def test_beyond_the_last_cell_is_zero(run):
    """The last centre still counts at exactly 1.0; any further sample is 0."""
    ones = {level: np.ones((1, 5, 5, 1), np.float32) for level in POOLED_LEVELS}
    inside, beyond = pool(
        run, ones, [[0.5, 0.5, 1, 1], [0.5, 0.5, 1.01, 1]], [0, 0], (20, 20), 3
    )[..., 0]
    assert inside.tolist() == [[1, 1, 1]] * 3
    assert beyond.tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    before = pool(run, ones, [[-0.01, 0, 0.5, 0.5]], [0], (20, 20), 2)[0, :, :, 0]
    assert before.tolist() == [[0, 0], [1, 1]]


def test_box_without_area_repeats_one_sample(run):
    pyramid = {level: ramp(5, 5) for level in POOLED_LEVELS}
    pooled = pool(run, pyramid, [[0.5, 0.25, 0.5, 0.25]], [0], (20, 20), 3)
    np.testing.assert_allclose(pooled[0, :, :, 0], np.full((3, 3), 21.0))


@pytest.mark.parametrize("canvas_size", [(1024, 1024), (448, 704)])
@pytest.mark.parametrize("side", [3, 7])
def test_against_the_naive_version(run, rng, canvas_size, side):
    """Boxes of every level and image, in mixed order."""
    pyramid = pyramid_of(rng, 2, canvas_size)
    sizes = 2.0 ** rng.uniform(4, 9.5, (24, 2)) / canvas_size
    sizes = np.minimum(sizes, 0.95)
    corners = rng.uniform(0, 0.99 - sizes)
    boxes = np.float32(np.concatenate([corners, corners + sizes], axis=1))
    boxes[3] = 0
    images = rng.integers(0, 2, len(boxes))
    pooled = pool(run, pyramid, boxes, images, canvas_size, side)
    used = set()
    for row, box in enumerate(boxes):
        level = pooling.level(box, canvas_size)
        used.add(level)
        features = pyramid[f"P{level}"][images[row]]
        expected = pooling.pool(features, box, side)
        np.testing.assert_allclose(pooled[row], expected, atol=POOL_NOISE)
    assert used == {2, 3, 4, 5}


def test_no_boxes(run, rng):
    pyramid = pyramid_of(rng, 1, (64, 64))
    assert pool(run, pyramid, [], [], (64, 64), 7).shape == (0, 7, 7, 3)


def test_levels_of_no_boxes(run):
    none = np.zeros((0, 4), np.float32)
    levels = run(assign_levels, none, np.int32([64, 64]), shapes=[(None, 4), (None,)])
    assert levels.dtype == tf.int32
    assert levels.shape == (0,)
