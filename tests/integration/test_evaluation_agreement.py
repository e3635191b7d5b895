"""A checkpoint, its SavedModel and a server of that have the same figures."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from export.pipeline import save
from export.settings import Options, resolve_settings
from formats.coco.masks import draw_segmentation
from formats.images.image import decode_image
from models.checkpoint import inspect_checkpoint, read_arrays
from models.folding import fold_batch_norm
from models.mask_rcnn import MaskRCNN
from serving.contract import ModelInfo, ModelInput
from tests.images import encode
from tests.whole_mask import pasted
from training.cli.evaluate import run
from training.datasets.data_formats import labelled_data
from training.detectors.detector import DetectorImage
from training.detectors.model import DetectionLimits
from training.detectors.sources import ModelFolder, ModelServer, Weights, open_model
from training.errors import DatasetError, TrainingError
from training.evaluation import files as evaluation_files
from training.evaluation.evaluate import evaluate

NUCLEI = Path(__file__).parents[2] / "examples" / "nuclei"
CHECKPOINT = NUCLEI / "checkpoint"
TITLES = ("nucleus_fluo", "nucleus_stained")
MODEL_THRESHOLD, MODEL_DETECTIONS = 0.05, 100
LIMITS = DetectionLimits(MODEL_THRESHOLD)
NAME = "nuclei"
MAX_DIFFERENCE = 0.002
"""Of a figure: batch normalisation is folded in the export, which is float noise."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The base path of the checkpoint, exported as version 3."""
    weights = CHECKPOINT / "model_weights" / "model.h5"
    limits = {"score_threshold": MODEL_THRESHOLD, "max_detections": MODEL_DETECTIONS}
    checkpoint = inspect_checkpoint(weights)
    settings = resolve_settings(Options(weights=weights, overrides=limits), checkpoint)
    config = settings.config
    arrays = fold_batch_norm(read_arrays(checkpoint))
    info = ModelInfo(
        name=NAME,
        classes=settings.classes,
        backbone=config.architecture.backbone,
        input=ModelInput(
            config.min_dim, config.max_dim, config.resize_mode, max_image_pixels=10**6
        ),
        mask_size=config.mask_size,
        iou_threshold=config.iou_threshold,
        precision="float32",
        checkpoint={"file": weights.name},
        created="2026-01-01T00:00:00+00:00",
        versions={},
        **limits,
    )
    base = tmp_path_factory.mktemp("exported") / NAME
    save(MaskRCNN.from_arrays(config, arrays), info, base / "3")
    return base


@pytest.fixture(scope="module")
def server(model):
    from serving.embedded.options import ServerOptions
    from serving.embedded.server import EmbeddedServer

    server = EmbeddedServer(
        ServerOptions(
            model_base_path=model,
            model_name=NAME,
            host="127.0.0.1",
            port=0,
            rest_api_port=0,
        )
    )
    server.start()
    assert server.manager.wait_available(timeout_s=120)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Small, larger than the canvas, on its side, and in a form the graph refuses."""
    folder = tmp_path_factory.mktemp("images")
    first, second = (
        decode_image(path.read_bytes(), path.name)
        for path in sorted(NUCLEI.glob("*.png"))[:2]
    )
    small = first[:200, :150]
    turned = Image.Exif()
    turned[0x0112] = 6
    (folder / "small.png").write_bytes(encode(small, "png"))
    (folder / "turned.jpg").write_bytes(
        encode(np.rot90(second).copy(), "jpeg", exif=turned, quality=95)
    )
    large = cv2.resize(first, (700, 500), interpolation=cv2.INTER_CUBIC)
    (folder / "large.png").write_bytes(encode(large, "png"))
    (folder / "other.webp").write_bytes(encode(first, "webp", lossless=True))
    return folder


def write_coco(path, images, annotations):
    entries = []
    for number, image in enumerate(sorted(images.iterdir())):
        height, width = decode_image(image.read_bytes(), image.name).shape[:2]
        size = {"height": height, "width": width}
        entries.append({"id": 50 + number, "file_name": image.name, **size})
    content = {
        "images": entries,
        "annotations": [{"id": i, **a} for i, a in enumerate(annotations)],
        "categories": [{"id": 7, "name": TITLES[1]}, {"id": 3, "name": TITLES[0]}],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def coco(images, tmp_path_factory):
    """Truths made of what the network finds: some left out, some cut short."""
    folder = tmp_path_factory.mktemp("coco")
    square = [[5, 5, 15, 5, 15, 15, 5, 15]]
    dummy = {"image_id": 50, "category_id": 3, "segmentation": square}
    first = write_coco(folder / "first.json", images, [dummy])
    evaluate(
        Weights(CHECKPOINT),
        labelled_data(coco=first, images=images),
        output=folder / "first",
        limits=LIMITS,
    )
    found = json.loads((folder / "first" / "results.json").read_text())
    assert {entry["image_id"] for entry in found} == {50, 51, 52, 53}
    annotations = []
    for number, entry in enumerate(found):
        size = tuple(entry["segmentation"]["size"])
        crop = draw_segmentation(entry["segmentation"], size)
        if number % 3 == 0 or crop is None:
            continue
        mask = pasted(crop, size)
        mask[: crop.y1 + number % 4 * crop.mask.shape[0] // 10] = False
        flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
        turns = np.flatnonzero(np.diff(flat))
        counts = np.diff(turns, prepend=0, append=mask.size).tolist()
        annotations.append(
            {
                "image_id": entry["image_id"],
                "category_id": entry["category_id"],
                "segmentation": {"size": list(size), "counts": counts},
                "iscrowd": int(number % 7 == 0),
            }
        )
    return write_coco(folder / "truth.json", images, annotations)


def figures(evaluation):
    return [
        value
        for kind in (evaluation.mask, evaluation.box)
        for value in (
            *(getattr(kind, f.name) for f in dataclasses.fields(kind)[:-1]),
            *(x for c in kind.classes.values() for x in (c.ap, c.ap50)),
        )
    ]


def test_three_ways_agree(model, server, coco, images, tmp_path):
    data = labelled_data(coco=coco, images=images)
    done = []
    local = evaluate(
        Weights(CHECKPOINT),
        data,
        tell=lambda *now: done.append(now),
        output=tmp_path / "local",
        limits=LIMITS,
    )
    assert done[-1] == (4, 4)
    saved = evaluate(ModelFolder(model), data, output=tmp_path / "saved", limits=LIMITS)
    served = evaluate(
        ModelServer(server.address, NAME),
        data,
        output=tmp_path / "served",
        limits=LIMITS,
    )
    assert 0.2 < local.mask.ap < 0.95
    assert 0.2 < local.box.ap < 0.95
    assert local.mask.ap != local.box.ap
    for other in (saved, served):
        assert figures(other) == pytest.approx(figures(local), abs=MAX_DIFFERENCE)
        assert (other.images, other.objects, other.crowds) == (
            local.images,
            local.objects,
            local.crowds,
        )
    kinds = {"local": "checkpoint", "saved": "saved_model", "served": "server"}
    for name, kind in kinds.items():
        written = json.loads((tmp_path / name / "evaluation.json").read_text())
        assert written["network"]["kind"] == kind
        assert written["data"]["coco"] == str(coco)
        assert [p["image_id"] for p in written["per_picture"]] == [50, 51, 52, 53]
    assert written["network"]["version"] == 3
    assert written["network"]["checkpoint"]["file"] == "model.h5"


def test_limits_that_a_model_cannot_keep(model, server, coco, images):
    data = labelled_data(coco=coco, images=images)
    for source in (ModelFolder(model / "3"), ModelServer(server.address, NAME)):
        with pytest.raises(TrainingError, match=r"below score 0.05, .* from 0.01 on"):
            evaluate(source, data, limits=DetectionLimits(0.01))
        with pytest.raises(TrainingError, match=r"at most 100 .* asked for are 101"):
            evaluate(source, data, limits=DetectionLimits(0.8, 101))


def test_the_call_of_before(model, coco, images, tmp_path):
    data = labelled_data(coco=coco, images=images)
    described = evaluate(ModelFolder(model, 3), data, limits=DetectionLimits(0.5, 20))
    with pytest.warns(DeprecationWarning, match=r"call evaluate\(Weights\(\.\.\.\), l"):
        by_keywords = evaluate(
            model=model,
            model_version=3,
            coco=coco,
            images=images,
            score_threshold=0.5,
            max_detections=20,
            output=tmp_path / "out",
        )
    assert by_keywords == described
    assert (tmp_path / "out" / evaluation_files.FIGURES_NAME).is_file()


def test_program(server, coco, images, tmp_path, capsys):
    output = tmp_path / "deep" / "out"
    data = ["--coco", str(coco), "--images", str(images), "--output", str(output)]
    limits = ["--score-threshold", "0.6", "--max-detections", "20"]
    network = ["--server", server.address, "--model-name", NAME]
    assert run([*network, *data, *limits], "evaluate") == 0
    text = capsys.readouterr().out
    assert "AP medium" in text
    assert "score >= 0.6, at most 20 of a picture" in text
    assert TITLES[1] in text
    files = {path.name for path in output.iterdir()}
    assert {"evaluation.json", "results.json", "precision_recall.png"} <= files
    assert cv2.imread(str(output / "precision_recall.png")) is not None
    written = json.loads((output / evaluation_files.FIGURES_NAME).read_text())
    assert (written["score_threshold"], written["max_detections"]) == (0.6, 20)


def test_images_that_a_model_refuses(model, images):
    evaluated = open_model(ModelFolder(model, 3), DetectionLimits(0.5))
    data = bytearray((images / "small.png").read_bytes())
    whole = DetectorImage("small.png", (200, 150), lambda: None, lambda: bytes(data))
    assert len(evaluated.detector(whole).scores)
    with pytest.raises(DatasetError, match=r"saw 150 x 200 pixels, .* is for 200 x 1"):
        evaluated.detector(whole._replace(size=(150, 200)))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(DatasetError, match=r"small\.png: the model refuses it: "):
        evaluated.detector(whole)
    data[:] = b"text"
    with pytest.raises(DatasetError, match="expected JPEG"):
        evaluated.detector(whole)


def test_servers_that_cannot_be_asked(server, coco, images):
    data = labelled_data(coco=coco, images=images)
    with pytest.raises(TrainingError, match=r"127\.0\.0\.1:1"):
        evaluate(ModelServer("127.0.0.1:1"), data)
    with pytest.raises(TrainingError, match="other"):
        evaluate(ModelServer(server.address, "other"), data)
