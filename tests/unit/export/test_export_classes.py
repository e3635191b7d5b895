"""Names and colours of classes: given, mapped, assumed."""

from __future__ import annotations

import itertools
import re

import pytest

from export.classes import assumed_classes, mapped_classes, named_classes
from export.errors import ExportError
from formats.drawing.palette import distinct_color


def titles(classes):
    assert [c.id for c in classes] == list(range(len(classes)))
    return [c.title for c in classes]


def test_81_classes_are_cocos_in_matterports_order():
    names = titles(assumed_classes(81))
    assert len(names) == len(set(names)) == 81
    assert names[:4] == ["bg", "person", "bicycle", "car"]
    # Ids of Matterport's own list, hand-copied at both ends of every gap of COCO's ids.
    ids = {"stop sign": 12, "parking meter": 13, "backpack": 25, "handbag": 27}
    ids |= {"bottle": 40, "potted plant": 59, "toilet": 62, "tv": 63, "book": 74}
    ids |= {"zebra": 23, "teddy bear": 78, "toothbrush": 80}
    assert {name: names.index(name) for name in ids} == ids


@pytest.mark.parametrize("count", [2, 3, 80, 82])
def test_other_numbers_of_classes_are_numbered(count):
    expected = ["bg", *(f"class_{i}" for i in range(1, count))]
    assert titles(assumed_classes(count)) == expected


def test_names_with_and_without_the_background():
    assert titles(named_classes(["cat", "dog"], 3)) == ["bg", "cat", "dog"]
    assert titles(named_classes(["BG", "cat", "dog"], 3)) == ["BG", "cat", "dog"]


@pytest.mark.parametrize("count", [1, 4])
def test_a_wrong_number_of_names(count):
    with pytest.raises(ExportError) as caught:
        named_classes([f"n{i}" for i in range(count)], 3)
    assert str(caught.value) == (
        "classes: the network has 3 with the background, expected 2 or 3 names, "
        f"got {count}"
    )


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["cat", "cat"], "cat twice"),
        (["b", "a", "b", "a"], "a, b twice"),
        (["cat", ""], "an empty name"),
        (["cat", " "], "an empty name"),
        (["bg"], "bg twice"),
    ],
)
def test_names_that_do_not_tell_classes_apart(names, told):
    with pytest.raises(ExportError, match=f"expected every name once, got {told}"):
        named_classes(names, len(names) + 1)


def test_a_mapping_gives_titles_their_ids_whatever_its_order():
    classes = mapped_classes({"dog": 2, "cat": 1, "background": 0}, {}, 3)
    assert titles(classes) == ["background", "cat", "dog"]


def test_gaps_in_a_mapping_are_numbered():
    assert titles(mapped_classes({"cat": 1, "dog": 3}, {}, 4)) == [
        "bg",
        "cat",
        "class_2",
        "dog",
    ]


def test_colours_of_the_project_are_kept_and_the_rest_made():
    classes = mapped_classes(
        {"bg": 0, "cat": 1, "dog": 2}, {"cat": "#010203", "bg": "#FFFFFF"}, 3
    )
    assert [c.color for c in classes] == ["#FFFFFF", "#010203", distinct_color(2)]


def test_made_colours_differ_from_one_another():
    made = [distinct_color(i) for i in range(1, 81)]
    assert len(set(made)) == 80
    assert all(re.fullmatch("#[0-9A-F]{6}", text) for text in made)
    for near, other in itertools.pairwise(made):
        channels = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (near, other)]
        assert sum(abs(a - b) for a, b in zip(*channels, strict=True)) > 100


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (
            {"cat": 1, "dog": 2, "cow": 3},
            r"the weights have 3 classes \(ids 0 to 2\), got id 3 for 'cow'",
        ),
        ({"cat": -1, "dog": 2}, r"the weights have .+, got id -1 for 'cat'"),
        ({"cat": 1}, r"the weights have 3 classes \(ids 0 to 2\), got no id above 1"),
        ({"bg": 0, "cat": 1}, r"the weights have 3 .+, got no id above 1"),
        ({}, r"the weights have 3 classes \(ids 0 to 2\), got no id above 0"),
        ({"cat": 1, "dog": 1, "cow": 2}, r"id 1 belongs to both 'cat' and 'dog'"),
    ],
    ids=["too many", "negative", "too few", "one less", "none", "one id twice"],
)
def test_mappings_of_another_network(ids, told):
    with pytest.raises(ExportError, match=f"class_title_to_idx: {told}"):
        mapped_classes(ids, {}, 3)
