import json
from pathlib import Path

import numpy as np
import pytest

from formats import AnnotationFileError, ProjectMeta
from formats.mask_crop import MaskCrop, clip_crop, tight_crop
from formats.supervisely.annotation_reader import read_annotation
from formats.supervisely.clip import Polygon
from formats.supervisely.drawing import draw_figure
from formats.supervisely.figures import read_figure
from tests.whole_mask import pasted

RASTER = Path(__file__).resolve().parents[4] / ".." / "shared" / "oracle" / "raster"
SIZE = (6, 8)


def image(text):
    return np.array([[c == "#" for c in row] for row in text.split()])


def paste(crops, size=SIZE):
    [crop] = crops
    assert crop.mask.any(axis=0)[[0, -1]].all()
    assert crop.mask.any(axis=1)[[0, -1]].all()
    return pasted(crop, size)


def draw_polygon(polygon, size):
    return draw_figure(polygon, "polygon", size)


def draw_points(shape, *points, size=SIZE):
    return draw_figure(Polygon(list(points), []), shape, size)


def test_polygon_with_a_hole():
    polygon = Polygon(
        [(1, 0), (6, 0), (6, 5), (1, 5)], [[(3, 2), (4, 2), (4, 3), (3, 3)]]
    )
    expected = image(".######. .######. .##..##. .##..##. .######. .######.")
    np.testing.assert_array_equal(paste(draw_polygon(polygon, SIZE)), expected)


def test_hole_that_eats_the_border():
    square = [(1, 1), (4, 1), (4, 4), (1, 4)]
    half = [(0, 0), (2, 0), (2, 5), (0, 5)]
    [crop] = draw_polygon(Polygon(square, [half]), SIZE)
    assert crop.box == (1, 3, 5, 5)
    assert draw_polygon(Polygon(square, [square]), SIZE) == []


def test_degenerate_polygons():
    assert draw_polygon(Polygon([(2, 3)], []), SIZE)[0].box == (3, 2, 4, 3)
    assert draw_polygon(Polygon([(2, 3), (4, 3)], []), SIZE)[0].box == (3, 2, 4, 5)


def test_rectangle():
    assert draw_points("rectangle", (5, 4), (2, 1))[0].box == (1, 2, 5, 6)
    assert draw_points("rectangle", (-3, -3), (99, 2))[0].box == (0, 0, 3, 8)
    assert draw_points("rectangle", (8, 0), (9, 1)) == []


def test_line_and_point():
    expected = image("........ .#...... ..#..... ...####. ........ ........")
    line = draw_points("line", (1, 1), (3, 3), (6, 3))
    np.testing.assert_array_equal(paste(line), expected)
    assert draw_points("point", (7, 5))[0].box == (5, 7, 6, 8)
    assert draw_points("point", (8, 5)) == []
    assert draw_points("point", (-1, 5)) == []


def test_memory_is_that_of_the_object():
    size = (1_000_000, 1_000_000)
    far = Polygon([(900_000, 900_000), (900_009, 900_000), (900_009, 900_004)], [])
    [crop] = draw_polygon(far, size)
    assert crop.mask.shape == (5, 10)
    assert crop.mask.base is None
    [line] = draw_points("line", (5, 5), (999_000, 5), size=size)
    assert line.mask.shape == (1, 998_996)


def test_clip_crop():
    crop = MaskCrop(-1, 6, image("##.# #..# ...#"))
    assert clip_crop(crop, (6, 9)).box == (0, 6, 1, 7)
    assert clip_crop(crop, (6, 10)).box == (0, 6, 2, 10)
    assert clip_crop(MaskCrop(9, 0, np.ones((2, 2), bool)), SIZE) is None
    assert clip_crop(MaskCrop(-2, 0, np.ones((2, 2), bool)), SIZE) is None
    inside = MaskCrop(1, 1, np.ones((2, 2), bool))
    assert clip_crop(inside, SIZE) is inside
    assert tight_crop(np.zeros((3, 3), bool)) is None


META = ProjectMeta.from_json(
    {
        "classes": [
            {"title": shape, "shape": shape}
            for shape in ("bitmap", "polygon", "rectangle", "line", "point", "any")
        ]
        + [{"title": "cube", "shape": "cuboid"}],
        "tags": [{"name": "seen", "value_type": "none"}],
    }
)


def figure(title, points=None, **extra):
    entry = {"classTitle": title, **extra}
    if points is not None:
        entry["points"] = {"exterior": points, "interior": []}
    return entry


def draw(entry, size=SIZE):
    content = {"size": {"height": size[0], "width": size[1]}, "tags": []}
    annotation = read_annotation(content | {"objects": [entry]}, META)
    return annotation.figures[0].draw(annotation.size)


def test_floats_round_half_to_even():
    crops = draw(figure("rectangle", [[0.5, 1.5], [2.5, 3.49]], bitmap=None))
    assert crops[0].box == (2, 0, 4, 3)


@pytest.mark.parametrize("key", ["geometryType", "shape"])
def test_any_follows_the_object(key):
    entry = figure("any", [[1, 1], [3, 3]], **{key: "rectangle"})
    assert draw(entry)[0].box == (1, 1, 4, 4)


def test_class_decides_where_it_names_a_shape():
    entry = figure("rectangle", [[1, 1], [3, 3]], geometryType="line")
    assert draw(entry)[0].mask.all()


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (figure("rectangle", [[1, 1]]), "rectangle: expected 2 points, got 1"),
        (figure("line", [[1, 1]]), "line: expected at least 2 points, got 1"),
        (figure("polygon", []), "polygon: expected at least 1 points, got 0"),
        (figure("point", [[1, 1], [2, 2]]), "point: expected 1 points, got 2"),
        (figure("polygon", [[1]]), "points: expected"),
        (figure("polygon", [["a", 1]]), "points: expected"),
        (figure("polygon", [[1e300, 1]]), "points: expected"),
        (figure("polygon", [[float("inf"), 1]]), "points: expected"),
        (figure("polygon"), "points: expected"),
        (figure("bitmap", [], bitmap=None), "bitmap: expected"),
        (figure("cube", [[1, 1]]), 'class "cube": expected a shape .* got cuboid'),
        (figure("any", [[1, 1]]), 'class "any": expected a shape .* got nothing'),
        (figure("Polygon", [[1, 1]]), "unknown class 'Polygon'"),
        ("polygon", "expected an object, got 'polygon'"),
    ],
)
def test_bad_objects(entry, text):
    with pytest.raises(AnnotationFileError, match=text):
        draw(entry)


def test_every_problem_is_listed():
    content = {
        "size": {"height": 4, "width": 4},
        "tags": ["seen", {"name": "unseen", "value": 1}],
        "objects": [
            figure("nobody", []),
            figure("point", [[1, 1]], tags=[{"name": "lost"}, "seen"]),
            3,
        ],
    }
    with pytest.raises(AnnotationFileError) as caught:
        read_annotation(content, META)
    problems = caught.value.problems
    assert len(problems) == 4
    assert problems[0].startswith("tags: unknown tag 'unseen'")
    assert problems[1].startswith("objects[0]: unknown class 'nobody'")
    assert problems[2].startswith("objects[1].tags: unknown tag 'lost'")
    assert problems[3].startswith("objects[2]: expected an object")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "expected"),
        ([], "expected"),
        ({"size": {"height": 4}}, "expected"),
        ({"size": {"height": 4, "width": 0}}, "size: expected pixels"),
        ({"size": {"height": 4, "width": 4.5}}, "size: expected pixels"),
        ({"size": {"height": 4, "width": 4}}, "tags: expected a list"),
    ],
)
def test_bad_annotations(content, text):
    with pytest.raises(AnnotationFileError, match=text):
        read_annotation(content, META)


@pytest.mark.shared
@pytest.mark.skipif(not RASTER.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize("name", ["ann_{}.json", "ann_{}_clipped.json"])
@pytest.mark.parametrize("case", range(6))
def test_equals_the_oracle(case, name):
    meta = ProjectMeta.from_json(json.loads((RASTER / "meta.json").read_text()))
    content = json.loads((RASTER / name.format(case)).read_text())
    annotation = read_annotation(content, meta)
    with np.load(RASTER / f"masks_{case}.npz") as stored:
        count, height, width = stored["shape"]
        expected = np.unpackbits(stored["masks"], axis=-1)[..., :width] > 0
    assert annotation.size == (height, width)
    crops = [c for f in annotation.figures for c in f.draw(annotation.size)]
    assert len(crops) == count
    got = np.stack([pasted(crop, annotation.size) for crop in crops])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    "points",
    [
        [[10**400, 0], [1, 1]],
        [[float("inf"), 0], [1, 1]],
        [[float("nan"), 0], [1, 1]],
        [[1e9, 0], [1, 1]],
        [[0, 10**4000], [1, 1]],
    ],
)
def test_numbers_that_are_no_pixels_are_refused(points):
    content = {"classTitle": "a", "points": {"exterior": points}}
    figure = read_figure(content, {"a": "polygon"})
    with pytest.raises(
        AnnotationFileError, match=r"points: expected .* 1,000,000 pixels"
    ):
        figure.draw(SIZE)


@pytest.mark.parametrize("shape", ["polygon", "rectangle", "line"])
def test_objects_larger_than_any_image_are_refused(shape):
    content = {"classTitle": "a", "points": {"exterior": [[0, 0], [99_999, 99_999]]}}
    with pytest.raises(
        AnnotationFileError, match="got one on 100,000 x 100,000; check"
    ):
        read_figure(content, {"a": shape}).draw((100_000, 100_000))


def test_coordinates_like_fractions_are_seen():
    def figure(*points, shape="polygon"):
        content = {"classTitle": "a", "points": {"exterior": [*points]}}
        return read_figure(content, {"a": shape})

    assert figure((0.1, 0.2), (0.9, 0.2), (1, 1)).has_fractions()
    assert not figure((0, 0), (1, 0), (1, 1)).has_fractions()
    assert not figure((0.1, 0.2), (0.9, 0.2), (1.5, 1)).has_fractions()
    assert not figure((0.1, 0.2), (0.9, -0.2)).has_fractions()
    assert not figure((0.5, 0.5), shape="point").has_fractions()
    bitmap = {"classTitle": "a", "bitmap": {}}
    assert not read_figure(bitmap, {"a": "bitmap"}).has_fractions()
