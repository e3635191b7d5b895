import cv2
import numpy as np
import pytest

from formats.font import OutlineFont, StrokeFont
from formats.overlay import Overlay, distinct_colors, draw_overlays

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


def test_pictures_without_labels():
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
