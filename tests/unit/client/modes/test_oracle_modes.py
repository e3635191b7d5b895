"""The inference modes against what Supervisely's SDK made of the same images."""

import hashlib
import json

import pytest

from client import ClientError, InferenceConfig
from client.annotations import given_annotation, read_meta
from client.image import load_image
from client.result import Result
from tests.mode_run import run_mode
from tests.oracle import (
    EXCEPTIONS,
    FakePredictor,
    case_folders,
    load_module,
    needs_shared,
    read,
)

pytestmark = [pytest.mark.shared, needs_shared]


def predict(folder):
    """Returns annotation and meta of a case, and the predictor that was asked."""
    info = read(folder, "case")
    mode = InferenceConfig.load(folder / "config.json").to_mode()
    meta = read_meta(folder / "in_meta.json")
    merged = mode.output_meta(meta, read_meta(folder / "model_meta.json"))
    given = given_annotation(folder / "in_ann.json", meta, merged)
    image = load_image(folder / "image.png")
    predictor = FakePredictor(info["model"])
    outcome = run_mode(mode, image, predictor, given.objects)
    result = Result(
        outcome.entries,
        image.size,
        confidence_tag=mode.selection.tag_name,
        meta=merged,
        given=given.content,
        tags=outcome.tags,
    )
    return result, predictor


@pytest.mark.parametrize("folder", case_folders(), ids=lambda path: path.name)
def test_as_the_sdk(folder):
    info = read(folder, "case")
    if folder.name in EXCEPTIONS:
        EXCEPTIONS[folder.name](folder, predict)
        return
    if info["expect"] == "error":
        with pytest.raises(ClientError):
            predict(folder)
        return
    result, predictor = predict(folder)
    compare = load_module("compare")
    expected = read(folder, "expected_meta")
    random_colors = info["random_color_classes"]
    assert not compare.diff_meta(expected, result.to_meta(), random_colors)
    annotation = read(folder, "expected_ann")
    assert not compare.diff_ann(annotation, result.to_annotation(), expected)
    check_calls(folder, predictor)


def check_calls(folder, predictor):
    """The model saw the same pixels, in the same order."""
    expected = read(folder, "model_outputs")
    assert [list(crop.shape[:2]) for crop in predictor.seen] == [
        call["crop_shape"] for call in expected
    ]
    for pixels, call in zip(predictor.seen, expected, strict=True):
        assert hashlib.sha1(pixels.tobytes()).hexdigest() == call["crop_sha1"]


def test_json_round_trip():
    folder = case_folders()[0]
    result, _ = predict(folder)
    assert json.loads(json.dumps(result.to_annotation()))["objects"]
