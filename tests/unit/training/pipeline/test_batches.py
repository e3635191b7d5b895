import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from models.anchors import anchors_px
from models.preprocessing import letterbox, to_canvas
from tests.unit.training.conftest import SIDE, TINY, box_of
from training.config.groups import Augmentation
from training.pipeline.batches import batches, epoch_order
from training.pipeline.examples import make_example

ANCHORS = anchors_px(TINY, tf.constant((SIDE, SIDE))).numpy()
PLAIN = Augmentation()


class Labelled(NamedTuple):
    image: np.ndarray
    class_ids: np.ndarray
    masks: tuple
    is_crowd: np.ndarray
    neutral: tuple = ()


def labelled(seed=0, size=(64, 96), neutral=()):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    square, bar = np.ones((20, 20), bool), np.ones((6, 30), bool)
    square[:10, :10] = False
    masks = ((10, 50, square), (40, 4, bar))
    return Labelled(
        image, np.array((1, 2), np.int32), masks, np.array((False, False)), neutral
    )


def example(sample, augmentation=PLAIN, seed=0, max_instances=4):
    rng = np.random.default_rng(seed)
    return make_example(sample, TINY, ANCHORS, rng, augmentation, max_instances)


def test_image_and_boxes_on_the_canvas():
    sample = labelled()
    made = example(sample)
    plan = letterbox(np.array((64, 96), np.int32), TINY)
    np.testing.assert_array_equal(made.canvas, to_canvas(sample.image, plan))
    # 96 wide onto 128: scale 4/3, 85 rows, 21 above.
    assert made.window.tolist() == [21, 0, 106, 128]
    assert made.gt_class_ids.tolist() == [1, 2, 0, 0]
    expected = np.array((10, 50, 30, 70)) * (85 / 64, 4 / 3, 85 / 64, 4 / 3)
    np.testing.assert_allclose(
        made.gt_boxes[0], expected + np.array((21, 0, 21, 0)), atol=0.5
    )
    assert not made.gt_boxes[2:].any()
    assert made.gt_masks[0].mean() == pytest.approx(0.75, abs=0.03)
    assert made.gt_masks[1].all()
    assert (made.rpn_match == 1).any()


def test_mask_that_falls_between_pixels_is_no_object():
    sample = labelled(size=(640, 960))
    thin = (5, 5, np.ones((1, 1), bool))
    sample = sample._replace(masks=(thin, (100, 100, np.ones((300, 300), bool))))
    made = example(sample)
    assert made.gt_class_ids.tolist() == [2, 0, 0, 0]


def test_crowds_are_negative():
    made = example(labelled()._replace(is_crowd=np.array((False, True))))
    assert made.gt_class_ids.tolist() == [1, -2, 0, 0]


def test_random_choice_of_too_many_objects():
    made = [example(labelled(), seed=seed, max_instances=1) for seed in range(20)]
    assert {int(one.gt_class_ids[0]) for one in made} == {1, 2}


def test_neutral_regions_are_drawn():
    region = (0, 0, np.ones((64, 48), bool))
    made = example(labelled(neutral=(region,)))
    assert made.neutral[21:106, :64].all()
    assert made.neutral.sum() == 85 * 64
    assert not example(labelled()).neutral.any()


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({"horizontal_flip": True}, lambda x: x[:, ::-1]),
        ({"vertical_flip": True}, lambda x: x[::-1]),
        ({"rotate_90": True}, np.rot90),
    ],
)
def test_flips_and_turns_move_everything_together(options, change):
    seed = 2  # its random numbers ask for both flips and three quarter turns
    region = (0, 0, np.ones((10, 20), bool))
    plain = example(labelled(neutral=(region,)))
    made = example(labelled(neutral=(region,)), Augmentation(**options), seed)
    np.testing.assert_array_equal(made.canvas, change(plain.canvas))
    np.testing.assert_array_equal(made.neutral, change(plain.neutral))

    def drawn(boxes):
        canvas = np.zeros((SIDE, SIDE), bool)
        y1, x1, y2, x2 = boxes.astype(int)
        canvas[y1:y2, x1:x2] = True
        return canvas

    for before, after in zip(plain.gt_boxes[:2], made.gt_boxes[:2], strict=True):
        assert box_of(change(drawn(before))) == tuple(after)
    window = drawn(np.array(plain.window))
    assert box_of(change(window)) == tuple(made.window)
    flipped = change(plain.gt_masks[0])
    assert (flipped != made.gt_masks[0]).mean() < 0.05


def test_epochs_have_their_own_order():
    first, second = epoch_order(50, 0, 7), epoch_order(50, 1, 7)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first.tolist() != second.tolist()
    assert first.tolist() == epoch_order(50, 0, 7).tolist()
    assert epoch_order(3, 0, 7, shuffle=False).tolist() == [0, 1, 2]


def collected(workers=1, **options):
    samples = [labelled(seed) for seed in range(5)]
    settings = {"batch_size": 2, "epoch": 0, "seed": 3, "max_instances": 4, **options}
    made = batches(samples, TINY, workers=workers, **settings)
    return [[x.numpy() for x in batch] for batch in made]


def test_batches_depend_on_the_seed_alone():
    flips = Augmentation(horizontal_flip=True)
    one = collected(augmentation=flips)
    assert len(one) == 2
    for other in (
        collected(3, augmentation=flips),
        [one[0], *collected(augmentation=flips, first_step=1)],
    ):
        for batch, again in zip(one, other, strict=True):
            for x, y in zip(batch, again, strict=True):
                np.testing.assert_array_equal(x, y)
    assert not np.array_equal(one[0][0], collected(augmentation=flips, epoch=1)[0][0])


def test_a_batch_has_what_a_step_takes():
    images, windows, class_ids, boxes, masks, match, deltas, seeds, neutral = (
        collected()[0]
    )
    assert images.shape == (2, SIDE, SIDE, 3)
    np.testing.assert_allclose(images[0, 0, 0], [-123.7, -116.8, -103.9], rtol=1e-6)
    assert windows.dtype == class_ids.dtype == seeds.dtype == np.int32
    assert boxes.dtype == deltas.dtype == np.float32
    assert masks.shape == (2, 4, 56, 56)
    assert match.shape == (2, len(ANCHORS))
    assert neutral.shape == (2, SIDE, SIDE)
    assert seeds[0].tolist() != seeds[1].tolist()


@pytest.mark.parametrize("batch_size", [0, 6])
def test_batch_larger_than_the_set(batch_size):
    with pytest.raises(ValueError, match="expected 1 to 5, the number of samples"):
        collected(batch_size=batch_size)


def test_canvases_of_many_sizes():
    config = dataclasses.replace(TINY, resize_mode="pad64")
    with pytest.raises(ValueError, match="as mode square gives; got pad64"):
        batches([labelled()], config, batch_size=1, epoch=0, seed=0, max_instances=4)
