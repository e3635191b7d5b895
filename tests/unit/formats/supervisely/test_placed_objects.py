"""Annotations as Supervisely has them once it has read them."""

import json

import numpy as np
import pytest

from formats import AnnotationFileError, ProjectMeta, bitmap_object, read_bitmap
from formats.mask_crop import MaskCrop
from formats.supervisely.placed_objects import place_annotation
from tests.oracle import ORACLE, load_module, needs_shared

META = ProjectMeta.from_json(
    {
        "classes": [
            {"title": shape, "shape": shape}
            for shape in ("bitmap", "polygon", "rectangle", "line", "point", "any")
        ],
        "tags": [{"name": "good", "value_type": "none"}],
    }
)


def annotation(*objects, tags=(), **extra):
    size = {"height": 20, "width": 30}
    return {"size": size, "tags": list(tags), "objects": list(objects)} | extra


def figure(title, *points, **extra):
    exterior = [list(point) for point in points]
    entry = {"classTitle": title, "tags": [], "points": {"exterior": exterior}}
    entry["points"]["interior"] = []
    return entry | extra


def bitmap(y, x, height, width):
    crop = MaskCrop(y, x, np.ones((height, width), bool))
    return bitmap_object("bitmap", crop)


def place(*objects, **extra):
    return place_annotation(annotation(*objects, **extra), META)


@pytest.mark.parametrize(
    ("entry", "box"),
    [
        (figure("rectangle", (9, 7), (3, 2)), (2, 3, 8, 10)),
        (figure("polygon", (3, 2), (9, 2), (5, 11)), (2, 3, 12, 10)),
        (figure("line", (0, 0), (29, 19)), (0, 0, 20, 30)),
        (figure("point", (4, 5)), (5, 4, 6, 5)),
        (figure("any", (4, 5), shape="point"), (5, 4, 6, 5)),
        (figure("any", (4, 5), shape="cuboid"), None),
        (bitmap(4, 6, 3, 2), (4, 6, 7, 8)),
    ],
)
def test_what_lies_inside_is_as_it_was(entry, box):
    placed = place(entry, description="d", imageId=3)
    assert placed.objects[0].content is entry
    assert [o.box for o in placed.objects] == [box]
    assert placed.content["imageId"] == 3
    assert "objects" not in placed.content
    assert (placed.size, placed.outside) == ((20, 30), 0)


def test_what_lies_outside_is_left_out():
    placed = place(
        figure("rectangle", (30, 0), (40, 5)),
        figure("point", (-1, 0)),
        figure("polygon", (30, 0), (40, 0), (40, 9)),
        bitmap(-3, 0, 3, 2),
    )
    assert (placed.objects, placed.outside) == ((), 4)


def test_what_sticks_out_is_cut():
    mask = bitmap(18, -3, 5, 40) | {"id": 4}
    line = figure("line", (2, 25), (2, 10), (4, 10), (4, 25))
    placed = place(mask, line, figure("rectangle", (-4, 18), (3, 50), id=7))
    found, crossed, corner = placed.objects
    y, x, pixels = read_bitmap(found.content["bitmap"])
    assert (pixels.shape, pixels.all(), (y, x)) == ((2, 30), True, (18, 0))
    assert found.content["id"] == 4
    assert crossed.content["points"]["exterior"] == [[2, 19], [2, 10], [4, 10], [4, 19]]
    assert corner.content["points"] == {"exterior": [[0, 18], [3, 19]], "interior": []}
    assert corner.content["id"] == 7


def test_problems_are_told_together():
    empty = bitmap(0, 0, 1, 1)
    empty["bitmap"] = {"origin": [0, 0], "data": ""}
    with pytest.raises(AnnotationFileError) as caught:
        place(
            figure("dog", (0, 0), (1, 1)),
            figure("rectangle", (0, 0)),
            figure("point", (0, 0), tags=["bad", {"name": "good"}]),
            empty,
            "nothing",
            tags=[{"name": "worse"}],
        )
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "tags",
        "objects[0]",
        "objects[1]",
        "objects[2].tags",
        "objects[3]",
        "objects[4]",
    ]
    with pytest.raises(AnnotationFileError, match="expected a list, got null"):
        place_annotation({"size": {"height": 2, "width": 2}, "tags": []}, META)


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("number", range(6))
def test_as_the_sdk(number):
    folder = ORACLE / "raster"
    meta = json.loads((folder / "meta.json").read_text())
    raw, expected = (
        json.loads((folder / f"ann_{number}{suffix}.json").read_text())
        for suffix in ("", "_clipped")
    )
    placed = place_annotation(raw, ProjectMeta.from_json(meta))
    found = placed.content | {"objects": [dict(o.content) for o in placed.objects]}
    compare = load_module("compare")
    assert not compare.diff_ann(rings(expected), rings(found), meta)


def rings(content):
    """Every ring starts at its least point and turns the same way."""
    for entry in content["objects"]:
        if entry["classTitle"] == "poly":
            points = entry["points"]
            points["exterior"] = ring(points["exterior"])
            points["interior"] = [ring(hole) for hole in points["interior"]]
    return content


def ring(points):
    points = points[:-1] if points[0] == points[-1] else points
    start = points.index(min(points))
    turned = points[start:] + points[:start]
    return min(turned, turned[:1] + turned[:0:-1])
