import cv2
import numpy as np
import pytest

from formats.drawing.font import OutlineFont, StrokeFont
from formats.drawing.overlay import (
    Overlay,
    distinct_colors,
    draw_overlays,
    parse_color,
    readable_scale,
)
from formats.drawing.overlay_mask import coverage_of, outlines
from formats.drawing.overlay_places import MOST_HIDDEN, HiddenShares, find_place
from tests.fake_server import disc

GREY = np.full((120, 160, 3), 128, np.uint8)
RED, BLUE = (255, 0, 0), (0, 0, 128)


def test_labels_without_a_score():
    mask = np.zeros((60, 80), bool)
    labelled = draw_overlays(GREY, [Overlay("cat", BLUE, (40, 40, 100, 120), mask)])
    predicted = draw_overlays(
        GREY, [Overlay("cat", BLUE, (40, 40, 100, 120), mask, 0.5)]
    )
    above = labelled[24:40, 40:].astype(int), predicted[24:40, 40:].astype(int)
    widths = [np.flatnonzero((rows != 128).any((0, 2)))[-1] for rows in above]
    assert 0 < widths[0] < widths[1]


def test_images_without_labels():
    mask = np.zeros((60, 80), bool)
    overlay = Overlay("cat", BLUE, (40, 40, 100, 120), mask, 0.5)
    drawn = draw_overlays(GREY, [overlay], labels=False)
    assert (drawn[:40] == 128).all()
    assert drawn[40, 40].tolist() == list(BLUE)


def test_mask_and_box_lie_where_they_should():
    mask = np.zeros((60, 80), bool)
    mask[20:40, 20:60] = True
    drawn = draw_overlays(GREY, [Overlay("", RED, (40, 40, 100, 120), mask)])
    tinted = (drawn != GREY).any(2)
    assert drawn[70, 80].tolist() == [181, 74, 74]
    assert drawn[99, 119].tolist() == [255, 0, 0]
    assert not tinted[100:].any()
    assert not tinted[:, 120:].any()


def test_colors_are_distinct():
    colors = {1: "#FF0000", 2: "#FF0000", 3: "nonsense", 4: "#00FF00"}
    palette = distinct_colors(set(range(1, 40)), colors)
    assert palette[1] == (255, 0, 0)
    assert palette[4] == (0, 255, 0)
    assert len(set(palette.values())) == 39


@pytest.mark.parametrize("font_class", [OutlineFont, StrokeFont])
@pytest.mark.parametrize("size_px", [11, 30])
def test_text_stays_in_its_line(font_class, size_px):
    if font_class is OutlineFont and not hasattr(cv2, "FontFace"):
        pytest.skip("OpenCV 4 has no outline fonts")
    font = font_class(size_px)
    canvas = np.zeros((80, 400, 3), np.uint8)
    font.draw(canvas, "Agj_|0.98", 20, 20, (255, 255, 255))
    rows = np.flatnonzero(canvas.any((1, 2)))
    columns = np.flatnonzero(canvas.any((0, 2)))
    assert rows[0] >= 20 - 1
    assert rows[-1] < 20 + font.line_px + 2
    assert columns[0] >= 20 - 1
    assert columns[-1] <= 20 + font.width("Agj_|0.98") + 2


def grid(step, side, size, score=0.9, title="something"):
    """Returns discs in rows and columns."""
    mask = disc(side, side)
    return [
        Overlay(title, RED, (y, x, y + side, x + side), mask, score)
        for y in range(step - side, size[0] - side, step)
        for x in range(step - side, size[1] - side, step)
    ]


def hidden_shares(image, overlays, scale):
    """Returns how much of each mask the labels change."""
    plain, labelled = (
        draw_overlays(image, overlays, labels=labels, scale=scale).astype(int)
        for labels in (False, True)
    )
    changed = (plain != labelled).any(2)
    shares = []
    for overlay in overlays:
        top, left, bottom, right = (side * scale for side in overlay.box)
        mask = coverage_of(overlay.mask, scale) > 127
        shares.append(changed[top:bottom, left:right][mask].mean())
    return shares, changed.mean()


@pytest.mark.parametrize(
    ("step", "side", "scale"), [(12, 8, 4), (20, 6, 4), (40, 20, 4), (40, 20, 1)]
)
def test_labels_hide_no_small_object(step, side, scale):
    image = np.full((240, 240, 3), 90, np.uint8)
    shares, _ = hidden_shares(image, grid(step, side, (240, 240)), scale)
    assert max(shares) < 2 * MOST_HIDDEN  # labels of two neighbours, lines to labels


def test_labels_are_there_where_there_is_room():
    image = np.full((240, 240, 3), 90, np.uint8)
    overlays = grid(80, 10, (240, 240), title="cell")
    shares, covered = hidden_shares(image, overlays, 4)
    assert len(overlays) == 4
    assert 0.005 < covered < 0.13
    assert max(shares) < 0.02


def test_a_large_object_takes_its_label_inside():
    image = np.full((400, 600, 3), 90, np.uint8)
    overlay = Overlay("house", BLUE, (0, 0, 400, 600), np.ones((400, 600), bool), 0.8)
    [share], covered = hidden_shares(image, [overlay], 1)
    assert 0.001 < share < MOST_HIDDEN
    assert covered == pytest.approx(share)


def test_labels_find_room_beside_each_other():
    size = 60, 16
    hidden = HiddenShares((200, 200), [])
    taken = []
    box = 90, 90, 100, 100
    while place := find_place(box, size, (200, 200), taken, hidden):
        left, top, right, bottom = place.rect
        assert (right - left, bottom - top) == size
        assert min(left, top) >= 0
        assert max(right, bottom) <= 200
        for other in taken:
            assert (
                right <= other[0]
                or other[2] <= left
                or (bottom <= other[1] or other[3] <= top)
            )
        taken += place.parts
    assert len(taken) >= 3
    whole = [(0, 0, 200, 200)]
    assert find_place((90, 90, 100, 100), size, (200, 200), whole, hidden) is None
    assert find_place((0, 0, 9, 9), (201, 16), (200, 200), [], hidden) is None


def test_a_leader_leads_to_its_object():
    mask = np.ones((20, 20), bool)
    beside = [(60, 80), (100, 80), (80, 60), (80, 100)]
    objects = [((y, x, y + 20, x + 20), mask) for y, x in beside]
    hidden = HiddenShares((200, 200), objects)
    place = find_place((80, 80, 100, 100), (40, 14), (200, 200), [], hidden)
    (x1, y1), (x2, y2) = place.leader
    left, top, right, bottom = place.rect
    assert left <= x1 < right
    assert top <= y1 < bottom
    assert 80 <= x2 < 100
    assert 80 <= y2 < 100
    assert place.parts[1] == (
        min(x1, x2),
        min(y1, y2),
        max(x1, x2) + 1,
        max(y1, y2) + 1,
    )


def test_hidden_shares_of_large_images():
    mask = np.ones((400, 800), bool)
    hidden = HiddenShares((3000, 4000), [((1000, 1000, 1400, 1800), mask)])
    rects = [(1000, 1000, 1800, 1400), (1000, 1000, 1400, 1400), (0, 0, 900, 900)]
    assert hidden.of(rects) == pytest.approx([1.0, 0.5, 0.0], abs=0.02)


def test_enlarged_masks_have_no_blocks():
    small, large = disc(24, 24), disc(96, 96)
    blocks = small.repeat(4, 0).repeat(4, 1)
    smooth = coverage_of(small, 4)
    assert smooth.shape == (96, 96)
    assert set(np.unique(smooth)) - {0, 255}

    def differing(mask):
        return (mask != large).sum()

    assert differing(smooth > 127) < 0.7 * differing(blocks)
    assert np.array_equal(coverage_of(small, 1) == 255, small)


@pytest.mark.parametrize("scale", [1, 2, 4, 7])
def test_small_and_thin_masks_stay(scale):
    dot, line = np.ones((1, 1), bool), np.eye(20, dtype=bool)
    holed = np.ones((20, 20), bool)
    holed[8:12, 8:12] = False
    assert coverage_of(dot, scale).max() > 127
    assert (coverage_of(line, scale) > 100).any(0).mean() > 0.9
    assert coverage_of(holed, scale)[10 * scale, 10 * scale] == 0
    assert len(outlines(coverage_of(holed, scale), scale)) == 2


def test_enlarged_images():
    mask = np.ones((60, 80), bool)
    overlay = Overlay("cat", RED, (40, 40, 100, 120), mask, 0.5)
    drawn = draw_overlays(GREY, [overlay], scale=3)
    assert drawn.shape == (360, 480, 3)
    assert drawn[210, 240].tolist() == [181, 74, 74]
    assert drawn[299, 359].tolist() == [255, 0, 0]
    assert (drawn[301:] == 128).all()


@pytest.mark.parametrize(
    ("size", "scale"),
    [((256, 320), 3), ((256, 256), 4), ((512, 3), 2), ((513, 3), 1), ((4000, 3000), 1)],
)
def test_small_images_are_enlarged_to_read_them(size, scale):
    assert readable_scale(size) == scale


def test_overlays_are_cut_to_the_image():
    ones = np.ones((60, 60), bool)
    boxes = [(-20, -20, 40, 40), (90, 130, 150, 190), (500, 0, 560, 60)]
    drawn = draw_overlays(GREY, [Overlay("", RED, box, ones) for box in boxes])
    assert drawn[20, 20].tolist() == [181, 74, 74]
    assert drawn[110, 150].tolist() == [181, 74, 74]
    assert (drawn[60:80, 60:80] == 128).all()


def test_regions_are_dashed():
    region = Overlay("", BLUE, (10, 10, 110, 150), None)
    drawn = draw_overlays(GREY, [region])
    row = (drawn[10, 10:150] == BLUE).all(1)
    assert 0.3 < row.mean() < 0.7
    assert (drawn[13:107, 13:147] == 128).all()
    assert (drawn[:10] == 128).all()


@pytest.mark.parametrize(
    "text", ["\ud800x", "a\nb", "a\0b", "\x1b[31m", "\u202eab", " "]
)
def test_texts_that_cannot_be_drawn(text):
    mask = np.ones((60, 80), bool)
    overlay = Overlay(text, BLUE, (40, 40, 100, 120), mask, 0.5)
    drawn = draw_overlays(GREY, [overlay])
    assert (drawn[24:40, 40:90] != 128).any()


def test_very_long_titles():
    mask = np.ones((60, 80), bool)
    overlay = Overlay("x" * 10_000_000, BLUE, (40, 40, 100, 120), mask, 0.5)
    assert draw_overlays(GREY, [overlay] * 20).shape == GREY.shape


@pytest.mark.slow
def test_very_many_objects():
    overlays = grid(4, 3, (400, 600), title="x" * 20) * 2
    assert len(overlays) > 20_000
    shares, covered = hidden_shares(np.zeros((400, 600, 3), np.uint8), overlays, 1)
    assert max(shares) == covered == 0


def test_colors_as_text():
    assert parse_color("#0102FF") == (1, 2, 255)
    assert [parse_color(text) for text in ("", "#12", "red", "#01020304")] == [None] * 4
