import itertools
import json

import cv2
import numpy as np
import pytest

from client import ImageError, Region
from client.drawing import draw_instances
from client.result import Instance, Result
from client.runs.overlay_output import overlay_name
from formats import ProjectMeta
from formats.supervisely.meta import ClassMeta
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
def test_small_images_and_long_names(size):
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


def test_draw_takes_the_image_sent_or_another(tmp_path):
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


def test_result_as_arrays():
    found = (instance((60, 50, 160, 150)), instance((1, 2, 3, 4), "dog", 2, 0.25))
    result = Result((*found, {"classTitle": "was there"}), (200, 300))
    assert len(result) == 2
    assert [one.class_name for one in result] == ["cat", "dog"]
    assert result.boxes.tolist() == [[60, 50, 160, 150], [1, 2, 3, 4]]
    assert result.boxes.dtype == result.scores.dtype == np.float32
    assert result.scores.tolist() == pytest.approx([0.9, 0.25])
    assert result.class_names.tolist() == ["cat", "dog"]


def test_a_result_without_instances_is_one():
    result = Result((), (200, 300))
    assert len(result) == 0
    assert result
    assert result.boxes.shape == (0, 4)
    assert result.scores.shape == result.class_names.shape == (0,)
    assert result.class_names[:0].tolist() == []


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "a.jpeg", "a.webp"])
def test_drawings_are_saved(tmp_path, name):
    result = Result((instance((60, 50, 160, 150)),), (200, 300), source=WHITE)
    result.save(tmp_path / name)
    saved = cv2.imread(str(tmp_path / name))[..., ::-1].astype(int)
    drawn = result.draw(scale=None)
    assert saved.shape == drawn.shape == (600, 900, 3)
    assert abs(saved - drawn).mean() < 3
    result.save(tmp_path / name, scale=1, labels=False)
    assert cv2.imread(str(tmp_path / name)).shape == (200, 300, 3)


def test_annotations_are_saved(tmp_path):
    result = Result((instance((60, 50, 160, 150)),), (200, 300))
    result.save(tmp_path / "new" / "a.json")
    saved = json.loads((tmp_path / "new" / "a.json").read_text())
    assert saved == result.to_annotation()


def test_other_names_are_not_saved(tmp_path):
    result = Result((), (200, 300), source=WHITE)
    for name in ("a.gif", "a"):
        with pytest.raises(ValueError, match=r"expected a name that ends in \.json"):
            result.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
    wide = Result((), (1, 20_000), source=np.zeros((1, 20_000, 3), np.uint8))
    with pytest.raises(ImageError, match=r"\.webp"):
        wide.save(tmp_path / "a.webp")


@pytest.mark.parametrize("scale", [0, -1, 1.5, "2"])
def test_scales_are_whole_numbers(scale):
    with pytest.raises(ValueError, match="scale: expected a whole number above 0"):
        Result((), (200, 300), source=WHITE).draw(scale=scale)


def test_drawings_have_a_largest_side():
    result = Result((), (200, 300), source=WHITE)
    with pytest.raises(ValueError, match=r"at most 109 for .* \[200, 300\] .* got 110"):
        result.draw(scale=110)


def test_colors_by_instance():
    found = [instance((10, 10, 60, 60)), instance((10, 110, 60, 160))]
    result = Result(tuple(found), (200, 300), colors={1: "#FF0000"}, source=WHITE)
    by_class, by_instance = (
        result.draw(color_by=by)[[30, 30], [30, 130]].tolist()
        for by in ("class", "instance")
    )
    assert by_class[0] == by_class[1] == [255, 148, 148]
    assert by_instance[0] != by_instance[1]
    with pytest.raises(ValueError, match='expected "class" or "instance"'):
        result.draw(color_by="score")


def test_regions_are_drawn_in_the_color_of_their_class():
    region = Region("window", (20, 30, 120, 230))
    meta = ProjectMeta((ClassMeta("window", "rectangle", "#0000FF"),))
    result = Result((region,), (200, 300), source=WHITE, meta=meta)
    drawn = result.draw(labels=False)
    row = (drawn[20, 30:230] == (0, 0, 255)).all(1)
    assert 0.3 < row.mean() < 0.8
    assert (drawn[30:110, 40:220] == 255).all()
    assert (result.draw() != drawn).any()  # its label


def test_only_the_first_region_of_a_class_has_a_label():
    regions = [Region("window", (y, 20, y + 40, 280)) for y in (20, 80, 140)]
    both, first = (
        Result(tuple(part), (200, 300), source=WHITE) for part in (regions, regions[:1])
    )
    changed = [(r.draw() != r.draw(labels=False)).any(2) for r in (both, first)]
    assert np.array_equal(*changed)


def test_scores_that_are_missing_are_not_written():
    scores = [
        instance((60, 50, 160, 150), score=score) for score in (float("nan"), 0.5)
    ]
    widths = []
    for found in scores:
        result = Result((found,), (200, 300), source=WHITE)
        changed = (result.draw() != result.draw(labels=False)).any(2)
        widths.append(changed.any(0).sum())
    assert 0 < widths[0] < widths[1]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("x.png", "x.png"),
        ("a/b.c/x.PNG", "a/b.c/x.PNG"),
        ("x.y.png", "x.y.png"),
        ("x.jpg", "x.jpg.png"),
        ("x.jpg.png", "x.jpg.png.png"),
        ("x.png.png", "x.png.png.png"),
        ("x", "x.overlay.png"),
        ("x.y", "x.y.overlay.png"),
        ("x.overlay.png", "x.overlay.png.png"),
        (".png", ".png.overlay.png"),
    ],
)
def test_names_of_overlays(label, name):
    assert overlay_name(label) == name


def test_no_two_overlays_share_a_name():
    parts = ["", ".png", ".jpg", ".overlay", ".y", ".PNG"]
    labels = ["x" + "".join(ends) for ends in itertools.product(parts, repeat=4)]
    names = {overlay_name(label) for label in set(labels)}
    assert len(names) == len(set(labels))
    assert all(name.lower().endswith(".png") for name in names)
