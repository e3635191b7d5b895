"""What a reader believes of a model's own words."""

import json

import pytest

from serving.contract import ModelClass, ModelInfo, ModelInfoError
from serving.model_info import MAX_INFO_BYTES
from tests.fake_server import model_info

CONTENT = json.loads(model_info().to_json())


def changed(key, value):
    """Returns the text with a value elsewhere; `key` may be a path."""
    content = json.loads(json.dumps(CONTENT))
    *parents, last = key.split(".")
    part = content
    for parent in parents:
        part = part[int(parent)] if isinstance(part, list) else part[parent]
    part[last] = value
    return json.dumps(content)


def test_round_trip():
    info = model_info(classes_assumed=True)
    assert ModelInfo.from_json(info.to_json()) == info
    assert ModelInfo.from_json(model_info().to_json().encode()) == model_info()
    extended = changed("something", {"new": [1]})
    assert ModelInfo.from_json(extended) == model_info()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", 5, "name: expected a text of at most 1024 bytes, got 5"),
        ("name", "x" * 2000, "name: expected a text of at most 1024 bytes, got 'xxx"),
        ("name", "a\x1b[2J", "name: expected a text without control characters"),
        ("classes", {}, "classes: expected a list, got dict of 0"),
        ("classes", [5], r"classes\[0\]: expected an object, got 5"),
        (
            "classes.1.id",
            5,
            "expected class ids 0, 1, 2, ... in order, got 5 at place 1",
        ),
        ("classes.1.id", True, "in order, got true at place 1"),
        (
            "classes.1.color",
            "red",
            r"classes\[1\]\.color: expected \"#RRGGBB\", got 'r",
        ),
        ("classes.1.color", "#F00", "expected \"#RRGGBB\", got '#F00'"),
        ("classes.1.color", [255, 0, 0], 'expected "#RRGGBB", got list of 3'),
        ("classes.1.title", "t" * 600, "title: expected a text of at most 512 bytes"),
        ("classes.1.title", "ü" * 300, "title: expected a text of at most 512 bytes"),
        ("classes.1.title", "a\u202eb", "title: expected a text without control"),
        ("classes.1.title", "\ud800", "title: expected a text without control"),
        ("classes.1.title", "a\nb", "title: expected a text without control"),
        ("input", None, "input: expected an object, got null"),
        ("input.max_image_pixels", 0, r"input\.max_image_pixels: expected a whole"),
        ("input.max_dim", 10**30, "expected a whole number 0..1,048,576, got 1000"),
        ("input.max_dim", 10**100, "got a huge number"),
        ("mask_size", 10**6, "mask_size: expected a whole number 1..1,024"),
        ("mask_size", 28.0, "mask_size: expected a whole number"),
        ("max_detections", 10**9, "max_detections: expected a whole number 1..65,536"),
        ("max_detections", True, "max_detections: expected a whole number"),
        (
            "score_threshold",
            float("inf"),
            "score_threshold: expected a number, got inf",
        ),
        ("score_threshold", 10**310, "score_threshold: expected a number"),
        ("iou_threshold", "0.5", "iou_threshold: expected a number, got '0.5'"),
        ("checkpoint", [["a", "b"]], "checkpoint: expected an object of at most 100"),
        (
            "versions",
            {str(i): "" for i in range(101)},
            "an object of at most 100 texts",
        ),
        ("versions", {"a": 1}, r"versions\.a: expected a text"),
        ("versions", {"a\x1b": "1"}, "versions: expected names without control"),
        ("classes_assumed", "yes", "classes_assumed: expected true or false"),
        ("contract_version", [1], "expected contract version 1, got list of 1"),
    ],
)
def test_values_out_of_bounds(key, value, message):
    with pytest.raises(ModelInfoError, match=message) as caught:
        ModelInfo.from_json(changed(key, value))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("key", [*CONTENT, "input.min_dim", "classes.0.title"])
def test_missing_keys(key):
    if key == "classes_assumed":
        return
    content = json.loads(json.dumps(CONTENT))
    *parents, last = key.split(".")
    part = content
    for parent in parents:
        part = part[int(parent)] if isinstance(part, list) else part[parent]
    del part[last]
    with pytest.raises(ModelInfoError, match=rf"key '.*{last}' is missing"):
        ModelInfo.from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "the whole: expected an object, got list of 0"),
        ("null", "the whole: expected an object, got null"),
        (b'{"a\xff', "not readable: expected UTF-8 text, got .* at position 3"),
        ("9" * 5000, "not readable: a number has thousands of digits"),
        ("", "is not readable"),
    ],
)
def test_texts_that_are_none(text, message):
    with pytest.raises(ModelInfoError, match=message):
        ModelInfo.from_json(text)


def test_long_texts():
    for text, message in (
        ("[" * 200_000, "nested too deeply"),
        ('{"a":' * 200_000, "nested too deeply"),
        ("1" * 5000, "is not readable"),
        (" " * (MAX_INFO_BYTES + 1), "at most 4,194,304 bytes, got 4,194,305"),
    ):
        with pytest.raises(ModelInfoError, match=message):
            ModelInfo.from_json(text)


def test_many_classes():
    classes = tuple(ModelClass(i, f"class {i}", "#0aF3b9") for i in range(10_000))
    text = model_info(classes=classes).to_json()
    assert len(text) < MAX_INFO_BYTES
    assert ModelInfo.from_json(text).classes == classes
