import cv2
import numpy as np
import pytest

from client import ImageError
from client.drawing import draw_instances
from client.result import Instance, Result
from tests.fake_server import disc, png

WHITE = np.full((200, 300, 3), 255, np.uint8)


def instance(box, name="cat", class_id=1, score=0.9, mask=None, size=(200, 300)):
    top, left, bottom, right = box
    if mask is None:
        mask = disc(bottom - top, right - left)
    return Instance(name, class_id, score, tuple(map(float, box)), box, png(mask), size)


def test_mask_is_tinted_and_the_rest_is_not():
    found = instance((60, 50, 160, 150))
    drawn = draw_instances(WHITE, [found], {1: "#FF0000"})
    assert WHITE.min() == 255
    assert drawn.shape == WHITE.shape
    assert drawn.dtype == np.uint8
    assert drawn[110, 100].tolist() == [255, 148, 148]
    assert drawn[190, 290].tolist() == [255, 255, 255]
    assert drawn[60, 140].tolist() == [255, 0, 0]  # the box


def test_label_is_readable():
    drawn = draw_instances(WHITE, [instance((60, 50, 160, 150))], {1: "#000080"})
    label = drawn[44:60, 50:100].reshape(-1, 3).astype(int)
    assert (label.sum(1) < 300).mean() > 0.3  # ground
    assert (label.sum(1) > 650).any()  # ink


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (20, 20), (256, 256)])
def test_small_pictures_and_long_names(size):
    mask = np.ones(size, bool)
    found = instance((0, 0, *size), "an extraordinarily long name", mask=mask)
    image = np.zeros((*size, 3), np.uint8)
    assert draw_instances(image, [found] * 3, {}).shape == image.shape


def test_empty_masks_and_boxes():
    empty = instance((60, 50, 160, 150), mask=np.zeros((100, 100), bool))
    line = instance((60, 50, 60, 150), mask=np.zeros((1, 1), bool))
    drawn = draw_instances(WHITE, [empty, line], {1: "#FF0000"})
    assert drawn[110, 100].tolist() == [255, 255, 255]


def test_nothing_to_draw():
    assert np.array_equal(draw_instances(WHITE, [], {}), WHITE)


def test_draw_takes_the_picture_sent_or_another(tmp_path):
    found = (instance((60, 50, 160, 150)),)
    result = Result(found, (200, 300), source=WHITE)
    drawn = result.draw()
    path = tmp_path / "white.png"
    cv2.imwrite(str(path), WHITE)
    assert np.array_equal(result.draw(path), drawn)
    assert np.array_equal(result.draw(path.read_bytes()), drawn)
    with pytest.raises(ImageError, match=r"expected .* \[200, 300\] .* got \[10, 10\]"):
        result.draw(np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(ImageError, match="pass it as argument"):
        Result(found, (200, 300)).draw()
