"""The inference modes against what Supervisely's SDK made of the same pictures."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from client import ConfigError, InferenceConfig
from client.answer import Detections
from client.image import load_picture
from client.result import Result
from client.selection import NameRule, Selection
from formats import AnnotationError, ProjectMeta
from serving.contract import ModelClass
from tests.fake_server import model_info

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared"
ORACLE = SHARED / "oracle"

needs_shared = pytest.mark.skipif(not ORACLE.is_dir(), reason="needs ../shared")


def load_module(name):
    spec = importlib.util.spec_from_file_location(name, ORACLE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cases():
    for path in sorted(ORACLE.glob("cases/*/case.json")):
        info = json.loads(path.read_text())
        # A Mask R-CNN returns no tags of whole pictures.
        if info["mode"] == "full_image" and not info.get("optional"):
            yield pytest.param(path.parent, info, id=info["id"])


def read(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


class FakePredictor:
    """The oracle's model: masks by colour, with the client's interface."""

    def __init__(self, classes):
        self.model = load_module("fake_model")
        self.ids = {c.title: c.id for c in classes}
        self.calls = []

    def detect(self, picture):
        pixels = picture.rgb()
        self.calls.append(pixels.shape)
        found = self.model.predict(pixels)
        corners = [self.model.bbox(f["mask"]) for f in found]
        boxes = np.array(
            [(t, left, b + 1, r + 1) for t, left, b, r in corners], np.int32
        ).reshape(-1, 4)
        masks = [
            f["mask"][top:bottom, left:right].astype(np.uint8) * 255
            for f, (top, left, bottom, right) in zip(found, boxes, strict=True)
        ]
        return Detections(
            boxes=boxes.astype(np.float32),
            mask_boxes=boxes,
            class_ids=np.array([self.ids[f["cls"]] for f in found], np.int32),
            class_names=tuple(f["cls"] for f in found),
            scores=np.array([f["conf"] for f in found], np.float32),
            mask_pngs=tuple(cv2.imencode(".png", m)[1].tobytes() for m in masks),
            image_size=pixels.shape[:2],
        )


def predict(folder):
    """Returns annotation and meta of a case, added to its input project."""
    mode = InferenceConfig.load(folder / "config.json").to_mode()
    entries = read(folder, "model_meta")["classes"]
    classes = [ModelClass(i, c["title"], c["color"]) for i, c in enumerate(entries)]
    given = ProjectMeta.from_json(read(folder, "in_meta"))
    meta = given.with_added(mode.selection.output_meta(classes))
    picture = load_picture(folder / "image.png")
    predictor = FakePredictor(classes)
    result = Result(
        mode.run(picture, predictor),
        picture.size,
        confidence_tag=mode.selection.tag_name,
    )
    assert predictor.calls == [(*picture.size, 3)]
    annotation = read(folder, "in_ann")
    annotation["objects"] += result.to_annotation()["objects"]
    assert result.to_annotation()["size"] == annotation["size"]
    return annotation, meta.to_json()


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize(("folder", "info"), list(cases()) or [(None, None)])
def test_as_the_sdk(folder, info):
    if info["expect"] == "error":
        with pytest.raises((ConfigError, AnnotationError)):
            predict(folder)
        return
    annotation, meta = predict(folder)
    compare = load_module("compare")
    expected = read(folder, "expected_meta")
    assert not compare.diff_meta(expected, meta)
    assert not compare.diff_ann(read(folder, "expected_ann"), annotation, expected)


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize(
    "case", ["err_10_unknown_mode", "err_04_roi_class_clash", "sw_01_instance_model"]
)
def test_other_modes_are_refused(case):
    with pytest.raises(ConfigError, match="full_image"):
        predict(ORACLE / "cases" / case)


def detections(scores, names):
    count = len(scores)
    return Detections(
        boxes=np.zeros((count, 4), np.float32),
        mask_boxes=np.zeros((count, 4), np.int32),
        class_ids=np.arange(1, count + 1, dtype=np.int32),
        class_names=tuple(names),
        scores=np.array(scores, np.float32),
        mask_pngs=(b"",) * count,
        image_size=(10, 10),
    )


def test_threshold_keeps_equal_scores():
    selection = Selection(min_score=0.7)
    found = selection.instances(detections([0.8, 0.7, 0.69], ["a", "b", "c"]))
    assert [i.class_name for i in found] == ["a", "b"]


def test_names_are_filtered_before_the_suffix():
    rule = NameRule(frozenset({"b", "c_x"}), "_x")
    found = Selection(classes=rule).instances(detections([0.9] * 3, ["a", "b", "c"]))
    assert [(i.class_name, i.class_id) for i in found] == [("b_x", 2)]


def test_meta_has_the_background_too():
    meta = Selection().output_meta(model_info().classes)
    assert [c.title for c in meta.classes] == ["bg", "cat", "dog"]
    assert {c.shape for c in meta.classes} == {"bitmap"}
    assert [(t.name, t.value_type) for t in meta.tags] == [("confidence", "any_number")]


def test_warnings():
    selection = Selection(
        classes=NameRule(frozenset({"cat", "x", "y"})),
        tags=NameRule(frozenset({"score"})),
        min_score=0.7,
    )
    assert selection.warnings(model_info()) == [
        'the model has no class "x", "y" to save; its classes are "bg", "cat", "dog"',
        'the model has no tag "score" to save; its one tag is "confidence"',
    ]
    assert selection.warnings(model_info(score_threshold=0.71))[-1].startswith(
        "min_confidence_threshold 0.7 has no effect: the model itself drops scores"
    )
    assert Selection().warnings(model_info()) == []
