import pytest

from formats import AnnotationError, ClassMeta, ProjectMeta, TagMeta

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


def test_adds_new_names():
    added = ProjectMeta((ClassMeta("dog", "bitmap", "#0000FF"),))
    assert [c.title for c in META.with_added(added).classes] == ["cat", "Кот", "dog"]


def test_refuses_names_that_are_there():
    with pytest.raises(AnnotationError, match=r"class names .* already: cat; .*suffix"):
        META.with_added(ProjectMeta((ClassMeta("cat", "bitmap", "#FF0000"),)))
    with pytest.raises(AnnotationError, match=r"tag names .* already: confidence"):
        META.with_added(ProjectMeta(tags=META.tags[:1]))


@pytest.mark.parametrize("content", [None, {}, {"classes": [{}]}, {"classes": ["a"]}])
def test_unreadable(content):
    with pytest.raises(AnnotationError, match="meta: expected"):
        ProjectMeta.from_json(content)
