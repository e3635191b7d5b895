"""What an exported model answers, as an evaluation takes it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from client import ClientError, ImageError, Instance, Result
from formats.coco.masks import draw_segmentation
from serving.protos import SignatureDefMap
from tests.unit.training.evaluation_cases import info
from training.detectors import saved_model
from training.detectors.detector import DetectorImage
from training.detectors.exported import ExportedDetector
from training.detectors.model import DetectionLimits
from training.detectors.sources import ModelFolder, open_model
from training.errors import DatasetError, TrainingError

IMAGE = DetectorImage("a.png", (6, 8), lambda: None, lambda: b"")


def instance():
    """The left column of a box of two rows and three columns."""
    mask = np.array([[255, 0, 0], [255, 0, 0]], np.uint8)
    png = cv2.imencode(".png", mask)[1].tobytes()
    return Instance("cat", 1, 0.75, (1.2, 3.0, 3.0, 6.0), (1, 3, 3, 6), png, (6, 8))


def detector(answer, version=3):
    def predict(image):
        assert image is IMAGE
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ExportedDetector(predict, version)


def test_rows_are_those_of_the_answer():
    found = detector(Result((instance(),), (6, 8), 3))(IMAGE)
    np.testing.assert_array_equal(found.boxes, np.float32([[1.2, 3, 3, 6]]))
    assert (found.class_ids.tolist(), found.scores.tolist()) == ([1], [0.75])
    (runs,) = found.masks
    assert runs["size"] == [6, 8]
    drawn = draw_segmentation(runs | {"counts": runs["counts"].decode()}, (6, 8))
    assert (drawn.box, drawn.mask.tolist()) == ((1, 3, 3, 4), [[True], [True]])


def test_images_without_instances():
    found = detector(Result((), (6, 8), 3))(IMAGE)
    assert [len(rows) for rows in found] == [0, 0, 0, 0]
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (Result((), (8, 6), 3), DatasetError, "saw 6 x 8 pixels, .* is for 8 x 6"),
        (Result((), (6, 8), 4), TrainingError, "version 4 .* were version 3's; name"),
        (ImageError("no picture"), DatasetError, "no picture"),
        (ClientError("no answer"), TrainingError, "no answer"),
    ],
)
def test_answers_that_do_not_count(answer, kind, told):
    with pytest.raises(kind, match=rf"^a\.png: .*{told}") as caught:
        detector(answer)(IMAGE)
    assert type(caught.value) is kind


def test_a_model_without_the_outputs_of_the_contract(tmp_path, monkeypatch):
    closed = []

    class Other:
        """A loaded model with one output of one signature."""

        def __init__(self, path, *, max_batch_size):
            assert (path, max_batch_size) == (tmp_path, 1)
            self.signatures = SignatureDefMap()
            signature = self.signatures.signature_def["serving_default"]
            signature.outputs["num_detections"].name = "n:0"

        def close(self):
            closed.append(self)

    monkeypatch.setattr(saved_model, "SessionModel", Other)
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "model.json").write_text(info().to_json())
    with pytest.raises(
        TrainingError,
        match=r"signature serving_default: expected the outputs num_detections, "
        r"detection_boxes, .*, missing are detection_boxes, .*; export it with",
    ):
        open_model(ModelFolder(tmp_path), DetectionLimits(0.7))
    assert len(closed) == 1
