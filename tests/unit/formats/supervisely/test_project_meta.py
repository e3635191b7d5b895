import pytest

from formats import AnnotationFileError, ClassMeta, ProjectMeta, TagMeta

META = ProjectMeta(
    (ClassMeta("cat", "bitmap", "#FF0000"), ClassMeta("Кот", "polygon", "#00FF00")),
    (
        TagMeta("confidence", "any_number", "#7F7F7F"),
        TagMeta("side", "oneof_string", "#000000", ("left", "right")),
    ),
)


def test_round_trip():
    assert ProjectMeta.from_json(META.to_json()) == META


def test_json():
    assert META.to_json()["classes"][0] == {
        "title": "cat",
        "shape": "bitmap",
        "color": "#FF0000",
    }
    assert "values" not in META.to_json()["tags"][0]


@pytest.mark.parametrize("content", [None, {}, {"classes": [{}]}, {"classes": ["a"]}])
def test_unreadable(content):
    with pytest.raises(AnnotationFileError, match="meta: expected"):
        ProjectMeta.from_json(content)


def meta_with(**entry):
    classes = [{"title": "cat", "shape": "bitmap"} | entry]
    return ProjectMeta.from_json({"classes": classes, "tags": []})


@pytest.mark.parametrize(
    ("color", "read"),
    [
        ("#00ff7F", "#00ff7F"),
        ("#F0a", "#FF00aa"),
        ("F00", "#FF0000"),
        ("#FF000080", "#FF0000"),
        ("#F008", "#FF0000"),
        (" Red ", "#FF0000"),
        ("rebeccapurple", "#663399"),
        ([255, 0, 0], "#FF0000"),
        ([1.0, 2, 3, 128], "#010203"),
    ],
)
def test_colors_are_read_in_all_forms(color, read):
    [found] = meta_with(color=color).classes
    assert found.color == read
    tag = {"name": "side", "value_type": "none", "color": color}
    meta = ProjectMeta.from_json({"classes": [], "tags": [tag]})
    assert meta.tags[0].color == read


@pytest.mark.parametrize("entry", [{}, {"color": None}, {"color": ""}])
def test_classes_without_a_color_get_different_ones(entry):
    classes = [{"title": str(i), "shape": "bitmap"} | entry for i in range(9)]
    meta = ProjectMeta.from_json({"classes": classes})
    assert len({c.color for c in meta.classes}) == 9


@pytest.mark.parametrize(
    "color",
    [
        *("reddish", "#12", "#GG0000", 7, {}),
        *([1, 2], [1, 2, 300], [0.5, 0, 0], [-1, 0, 0]),
        *(["1", "2", "3"], [True, 0, 0], [1e300, 0, 0], [float("inf"), 0, 0]),
    ],
)
def test_what_is_no_color_is_refused(color):
    with pytest.raises(AnnotationFileError) as caught:
        meta_with(color=color)
    assert str(caught.value).startswith(
        'meta: class "cat": color: expected "#RRGGBB", "#RGB", a CSS name or [red, '
        "green, blue] of 0..255, got "
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([], "got []"),
        ({}, "classes is missing"),
        ({"classes": 5}, "classes: expected a list, got 5"),
        ({"classes": [None]}, "classes[0]: expected an object, got null"),
        ({"classes": [{"title": "a"}]}, "classes[0]: shape is missing"),
        ({"classes": [{"title": 5}]}, "classes[0]: title: expected text, got 5"),
        ({"classes": [{"title": ""}]}, 'classes[0]: title: expected text, got ""'),
        ({"classes": [{"title": "\ud800"}]}, r'title: expected text, got "\ud800"'),
        ({"classes": [], "tags": "ab"}, 'tags: expected a list, got "ab"'),
        ({"classes": [], "tags_images": [3]}, "tags_images[0]: expected an object"),
        ({"classes": [], "tags": [{"name": "a"}]}, "tags[0]: value_type is missing"),
    ],
)
def test_what_is_wrong_is_named(content, text):
    with pytest.raises(AnnotationFileError) as caught:
        ProjectMeta.from_json(content)
    assert str(caught.value).startswith('meta: expected {"classes"')
    assert text in str(caught.value)


def test_many_doubled_titles_are_cut():
    classes = [{"title": str(i % 2000), "shape": "bitmap"} for i in range(4000)]
    with pytest.raises(
        AnnotationFileError, match=r"class twice: 0, 1, .*, and 1,980 more"
    ):
        ProjectMeta.from_json({"classes": classes})
