"""Images, masks and neutral regions stay together under every change."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.preprocessing import letterbox, to_canvas
from tests.unit.training.conftest import SIDE, TINY
from training.config.groups import Augmentation
from training.pipeline.augmentation import augment, draw, zoom_factor
from training.pipeline.placement import place, resize_crop

SHARES = st.floats(0, 1, exclude_max=True)
EVERYTHING = Augmentation(
    horizontal_flip=True,
    vertical_flip=True,
    rotate_90=True,
    scale=(0.5, 2.0),
    brightness=0.12,
    contrast=0.3,
    saturation=0.5,
)


def draws(seed=0, **given_numbers):
    return draw(np.random.default_rng(seed))._replace(**given_numbers)


def made(image, masks=(), neutral=(), augmentation=EVERYTHING, numbers=None):
    numbers = draws() if numbers is None else numbers
    placed = place(image, masks, neutral, TINY, augmentation.scale, numbers)
    return augment(placed, augmentation, numbers)


def pasted(crop):
    whole = np.zeros((SIDE, SIDE), bool)
    y, x, mask = crop
    whole[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
    return whole


def noise(size=(64, 96), seed=0):
    return np.random.default_rng(seed).integers(1, 256, (*size, 3), np.uint8)


@st.composite
def labelled_images(draw_from):
    """A box in an image: its rows are red, its columns green."""
    size = draw_from(st.tuples(st.integers(1, 90), st.integers(1, 90)))
    y1, x1 = (draw_from(st.integers(0, side - 1)) for side in size)
    y2 = draw_from(st.integers(y1 + 1, size[0]))
    x2 = draw_from(st.integers(x1 + 1, size[1]))
    image = np.zeros((*size, 3), np.uint8)
    image[y1:y2, :, 0] = 255
    image[:, x1:x2, 1] = 255
    return image, (y1, x1, np.ones((y2 - y1, x2 - x1), bool))


@settings(deadline=None, max_examples=150)
@given(
    labelled_images(),
    # At 1 the image is resized as in serving, which fades to black at its borders.
    st.floats(0.05, 8).filter(lambda factor: factor != 1),
    st.tuples(SHARES, SHARES, SHARES, SHARES, SHARES),
    st.booleans(),
)
def test_masks_and_pixels_stay_together(labelled, factor, numbers, turns):
    image, crop = labelled
    top, left, flip_x, flip_y, turn = numbers
    augmentation = Augmentation(
        horizontal_flip=True,
        vertical_flip=True,
        rotate_90=turns,
        scale=(factor, factor),
    )
    numbers = draws(top=top, left=left, flip_x=flip_x, flip_y=flip_y, turn=turn)
    placed = made(image, [crop], [crop], augmentation, numbers)
    red, green, blue = np.moveaxis(placed.canvas.astype(int), 2, 0)
    inside = (red > 127) & (green > 127)
    # Half way between two pixels, bilinear and nearest may part.
    clear = (abs(red - 127.5) > 8) & (abs(green - 127.5) > 8)
    mask = pasted(placed.masks[0])
    np.testing.assert_array_equal(mask[clear], inside[clear])
    np.testing.assert_array_equal(mask, pasted(placed.neutral[0]))
    y1, x1, y2, x2 = placed.window
    assert 0 <= y1 < y2 <= SIDE
    assert 0 <= x1 < x2 <= SIDE
    assert not blue.any()
    red[y1:y2, x1:x2] = green[y1:y2, x1:x2] = 0
    assert not red.any()
    assert not green.any()


@settings(deadline=None, max_examples=50)
@given(st.tuples(st.integers(1, 300), st.integers(1, 300)), st.floats(0.01, 1.0))
def test_zooming_out_loses_no_object(size, factor):
    mask = np.ones(size, bool)
    augmentation = Augmentation(scale=(factor, factor))
    placed = made(noise(size), [(0, 0, mask)], (), augmentation)
    y1, x1, y2, x2 = placed.window
    assert placed.masks[0][2].all()
    assert placed.masks[0][2].shape == (y2 - y1, x2 - x1)
    fitted = letterbox(np.array(size, np.int32), TINY).resized_size.numpy()
    expected = np.maximum(1, np.rint(fitted * factor))
    np.testing.assert_array_equal((y2 - y1, x2 - x1), expected)


def test_unzoomed_images_are_those_of_serving():
    image = noise()
    placed = made(image, augmentation=Augmentation())
    plan = letterbox(np.array((64, 96), np.int32), TINY)
    np.testing.assert_array_equal(placed.canvas, to_canvas(image, plan))
    assert placed.window.tolist() == [21, 0, 106, 128]


def test_a_zoom_by_one_differs_by_rounding_alone():
    image = noise()
    augmentation = Augmentation(scale=(1.0, math.nextafter(1.0, 2.0)))
    placed = made(image, augmentation=augmentation, numbers=draws(top=0.5, zoom=0.0))
    plan = letterbox(np.array((64, 96), np.int32), TINY)
    expected = to_canvas(image, plan).numpy().astype(int)
    assert placed.window.tolist() == [22, 0, 107, 128]
    # Serving blends the outermost half pixel with 0.
    difference = abs(placed.canvas[23:106, 1:-1] - expected[22:105, 1:-1])
    assert difference.max() <= 2


def test_zooming_in_shows_a_part():
    image = noise((40, 80))
    augmentation = Augmentation(scale=(4.0, 4.0))
    corner = made(image, (), (), augmentation, draws(top=0.0, left=0.0))
    assert corner.window.tolist() == [0, 0, SIDE, SIDE]
    assert corner.canvas[0, 0].tolist() == image[0, 0].tolist()
    other = made(image, (), (), augmentation, draws(top=0.999, left=0.999))
    assert other.canvas[-1, -1].tolist() == image[-1, -1].tolist()


def test_objects_out_of_view_have_no_pixel_and_cut_ones_what_is_seen():
    # 64 x 64 onto 128 x 128, zoomed by 2: the first 32 rows and columns.
    hidden = (40, 40, np.ones((10, 10), bool))
    cut = (31, 10, np.ones((20, 5), bool))
    placed = made(
        noise((64, 64)),
        [hidden, cut],
        [hidden],
        Augmentation(scale=(2.0, 2.0)),
        draws(top=0.0, left=0.0),
    )
    assert not placed.masks[0][2].size
    assert not placed.neutral[0][2].size
    y, x, mask = placed.masks[1]
    assert (y, x) == (124, 40)
    assert mask.shape == (4, 20)
    assert mask.all()


def test_masks_move_with_their_pixels():
    mask = np.random.default_rng(0).random((9, 7)) < 0.5
    view, window = np.array((0, 0, 20, 30)), np.array((4, 0, 44, 60))
    y, x, moved = resize_crop((3, 5, mask), view, window)
    assert (y, x) == (10, 10)
    np.testing.assert_array_equal(moved, mask.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize("quarters", range(4))
def test_quarter_turns(quarters):
    image, crop = noise(), (10, 50, np.ones((5, 30), bool))
    plain = made(image, [crop], (), Augmentation())
    turned = made(
        image,
        [crop],
        (),
        Augmentation(rotate_90=True),
        draws(turn=quarters / 4),
    )
    np.testing.assert_array_equal(turned.canvas, np.rot90(plain.canvas, -quarters))
    expected = np.rot90(pasted(plain.masks[0]), -quarters)
    np.testing.assert_array_equal(pasted(turned.masks[0]), expected)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_light_changes_inside_the_window_only(name):
    image = noise()
    plain = made(image, augmentation=Augmentation())
    lit = made(
        image,
        augmentation=Augmentation(**{name: {"brightness": 0.16}.get(name, 0.4)}),
        numbers=draws(**{name: 0.9}),
    )
    assert not lit.canvas[:21].any()
    assert not lit.canvas[106:].any()
    assert (lit.canvas[21:106] != plain.canvas[21:106]).mean() > 0.5


def test_light_by_hand():
    image = np.full((64, 64, 3), (200, 100, 50), np.uint8)
    middle = SIDE // 2

    def pixel(numbers, **options):
        placed = made(image, augmentation=Augmentation(**options), numbers=numbers)
        return placed.canvas[middle, middle].tolist()

    assert pixel(draws(brightness=0.75), brightness=40 / 255) == [220, 120, 70]
    assert pixel(draws(brightness=0.0), brightness=150 / 255) == [50, 0, 0]
    # The grey value is 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2.
    assert pixel(draws(saturation=0.0), saturation=1.0) == [124, 124, 124]
    assert pixel(draws(saturation=0.75), saturation=1.0) == [238, 88, 13]


def test_contrast_keeps_the_mean():
    image = noise((128, 128)) // 2 + 64
    less = made(
        image, augmentation=Augmentation(contrast=0.5), numbers=draws(contrast=0.0)
    )
    plain = made(image, augmentation=Augmentation())
    assert less.canvas.mean() == pytest.approx(plain.canvas.mean(), abs=0.1)
    assert less.canvas.std() == pytest.approx(plain.canvas.std() / 2, rel=0.01)


def test_one_setting_does_not_shift_another():
    image = noise()
    zoomed = made(image, augmentation=Augmentation(scale=(0.5, 2.0)))
    lit = made(image, augmentation=Augmentation(scale=(0.5, 2.0), brightness=0.04))
    np.testing.assert_array_equal(zoomed.window, lit.window)
    again, other = made(image), made(image, numbers=draws(1))
    np.testing.assert_array_equal(again.canvas, made(image).canvas)
    assert (other.canvas != again.canvas).any()


def test_zooms_are_even_on_a_log_scale():
    shares = (0.0, 0.5, 0.75)
    factors = [zoom_factor((0.5, 2.0), draws(zoom=share)) for share in shares]
    assert factors == pytest.approx([0.5, 1.0, math.sqrt(2)])


def test_canvases_that_cannot_be_turned():
    placed = made(noise(), augmentation=Augmentation())
    placed = placed._replace(canvas=placed.canvas[:64])
    with pytest.raises(ValueError, match="expected a square canvas"):
        augment(placed, Augmentation(rotate_90=True), draws())


def test_half_of_the_images_are_flipped():
    image = noise()
    plain = made(image, augmentation=Augmentation()).canvas
    flips = Augmentation(horizontal_flip=True)
    below, above = (
        made(image, augmentation=flips, numbers=draws(flip_x=share)).canvas
        for share in (math.nextafter(0.5, 0), 0.5)
    )
    np.testing.assert_array_equal(below, plain[:, ::-1])
    np.testing.assert_array_equal(above, plain)
