from __future__ import annotations

from formats.files.left_out import LeftOut, counted, named


def test_objects_are_counted_by_reason_and_image():
    left_out = LeftOut()
    assert not left_out
    left_out.add("object", "without a pixel", "a.png", 2)
    left_out.add("object", "without a pixel", "a.png")
    left_out.add("object", "outside the image", "a.png")
    for name in ("b.png", "c.png", "d.png", "e.png"):
        left_out.add("object", "without a pixel", name)
    assert left_out.lines() == [
        "7 objects without a pixel in 5 images: a.png, b.png, c.png and 2 more",
        "1 object outside the image in 1 image: a.png",
    ]
    assert left_out.to_json()[0] == {
        "what": "object",
        "reason": "without a pixel",
        "count": 7,
        "files": 5,
        "first": ["a.png", "b.png", "c.png"],
    }


def test_files_are_counted_once():
    left_out = LeftOut()
    left_out.add("file", "that no reader knows", "a.txt")
    assert left_out.lines() == ["1 file that no reader knows: a.txt"]


def test_counts_and_names_for_people():
    assert counted(1, "image") == "1 image"
    assert counted(2980, "image") == "2,980 images"
    assert counted(2, "category") == "2 categories"
    assert named(["a"], 1) == "a"
    assert named(["a", "b"], 2982) == "a, b and 2,980 more"
