"""The oracle in ../shared: its cases, its model, and where this project differs."""

import functools
import importlib.util
import io
import json
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
from PIL import Image

from client import ClientError
from client.transport.answer import ServedDetections
from serving.contract import ModelClass
from serving.protos.tensors import from_tensor_proto
from tests.fake_server import FakeServer, model_info

ROOT = Path(__file__).resolve().parents[1]
ORACLE = ROOT / ".." / "shared" / "oracle"
CLASSES = ("apple", "leaf", "sky")

needs_shared = pytest.mark.skipif(not ORACLE.is_dir(), reason="needs ../shared")


@functools.cache
def load_module(name):
    """Imports one of the oracle's scripts."""
    spec = importlib.util.spec_from_file_location(name, ORACLE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case_folders():
    return sorted(path.parent for path in ORACLE.glob("cases/*/case.json"))


def read(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


class FakePredictor:
    """The oracle's model with the client's interface; `seen` has its images.

    `settings` are those of a case: `variant` (masks, rectangles, or by class), whether
    it gives scores, from which on, and whether it tags the image.
    """

    def __init__(self, settings):
        self.settings = settings
        self.model = load_module("fake_model")
        self.model.components = components
        self.seen = []

    def detect_crops(self, image, crops):
        pixels = image.rgb()
        return [self._detect(pixels[c.top : c.bottom, c.left : c.right]) for c in crops]

    def _detect(self, pixels):
        self.seen.append(np.ascontiguousarray(pixels))
        least = self.settings["min_confidence_threshold"]
        found = [f for f in self.model.predict(pixels) if f["conf"] >= least]
        boxes = np.array(
            [np.add(self.model.bbox(f["mask"]), (0, 0, 1, 1)) for f in found], np.int32
        ).reshape(-1, 4)
        scores = [f["conf"] for f in found]
        if not self.settings["emits_confidence"]:
            scores = [np.nan] * len(found)
        tags = (("n_found", len(found)),) if self.settings["image_tag_n_found"] else ()
        return ServedDetections(
            boxes=boxes.astype(np.float32),
            mask_boxes=boxes,
            class_ids=np.array([CLASSES.index(f["cls"]) + 1 for f in found], np.int32),
            class_names=tuple(f["cls"] for f in found),
            scores=np.array(scores, np.float32),
            mask_pngs=tuple(map(self._png, found, boxes)),
            image_size=pixels.shape[:2],
            image_tags=tags,
        )

    def _png(self, found, box):
        variant = self.settings["variant"]
        if variant == "rect" or (variant == "mixed" and found["cls"] == "sky"):
            return None
        top, left, bottom, right = box
        mask = found["mask"][top:bottom, left:right].astype(np.uint8) * 255
        return cv2.imencode(".png", mask)[1].tobytes()


class OracleServer(FakeServer):
    """The oracle's model behind gRPC: what it finds depends on the pixels."""

    ROWS = 40

    def __init__(self, settings):
        colors = ("#222222", "#FF0000", "#00FF00", "#0000FF")
        classes = tuple(
            ModelClass(i, title, color)
            for i, (title, color) in enumerate(
                zip(("bg", *CLASSES), colors, strict=True)
            )
        )
        super().__init__()
        self.infos[3] = model_info(
            classes=classes, score_threshold=0.0, max_detections=self.ROWS
        )
        self.predictor = FakePredictor(settings | {"min_confidence_threshold": 0.0})

    def _outputs(self, request, context, version):
        if "images" in request.inputs:
            images = from_tensor_proto(request.inputs["images"])
        else:
            encoded = from_tensor_proto(request.inputs["image_bytes"])
            images = [np.array(self._open(data, context)) for data in encoded]
        found = [self.predictor._detect(image) for image in images]
        outputs = {
            alias: np.stack([self._padded(detections, name) for detections in found])
            for name, alias in FIELDS.items()
        }
        counts = [len(d.scores) for d in found]
        outputs["num_detections"] = np.array(counts, np.int32)
        outputs["image_size"] = np.array([d.image_size for d in found], np.int32)
        return outputs

    def _open(self, data, context):
        try:
            return Image.open(io.BytesIO(data)).convert("RGB")
        except OSError as err:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"cannot decode: {err}")

    def _padded(self, found, name):
        values = getattr(found, name)
        if isinstance(values, tuple):
            as_bytes = [v.encode() if isinstance(v, str) else v for v in values]
            values = np.array([*as_bytes, b""], object)[:-1]
        fill = np.full((self.ROWS, *values.shape[1:]), b"", object)
        if values.dtype != object:
            fill = np.zeros((self.ROWS, *values.shape[1:]), values.dtype)
        fill[: len(values)] = values
        return fill


FIELDS = {
    "boxes": "detection_boxes",
    "class_ids": "detection_classes",
    "class_names": "detection_class_names",
    "scores": "detection_scores",
    "mask_pngs": "detection_masks_png_bytes",
}


def components(mask):
    """What the oracle's own slow function returns: components by their first pixels."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    firsts = {label: np.argmax(labels == label) for label in range(1, count)}
    return [labels == label for label in sorted(firsts, key=firsts.get)]


def negative_bound(folder, predict):
    """A roi that begins left of or above the image is an error."""
    with pytest.raises(ClientError, match="expected 0"):
        predict(folder)


def masks_kept(folder, predict):
    """Windows keep masks; rectangles, and all else, stay as the SDK has them."""
    result, _ = predict(folder)
    compare = load_module("compare")
    expected, meta = read(folder, "expected_ann"), read(folder, "expected_meta")
    found = result.to_annotation()
    predicted = {i.class_name for i in result.instances if i.mask_png is not None}
    assert predicted
    masks = [o for o in found["objects"] if o["classTitle"] in predicted]
    found["objects"] = [o for o in found["objects"] if o not in masks]
    assert not compare.diff_ann(expected, found, meta)
    colors = read(folder, "case")["random_color_classes"]
    assert not compare.diff_meta(meta, result.to_meta(), colors)
    assert canonical(masks, meta) == canonical(naive_nms(folder), meta)


def masks_instead_of_an_error(folder, predict):
    """`sliding_window` does what `sliding_window_det` does."""
    result, _ = predict(folder)
    calls = read(folder, "model_outputs")
    regions = [e for e in result.to_annotation()["objects"] if "points" in e]
    assert len(regions) == len(calls)
    assert len(result.instances) == sum(len(call["labels"]) for call in calls) > 0


def naive_nms(folder):
    """Masks of all windows that the written rules keep, one by one."""
    mode = read(folder, "effective_mode")
    labels = []
    for call in read(folder, "model_outputs"):
        for label in call["labels"]:
            if "bitmap" in label:
                x, y = label["bitmap"]["origin"]
                crop = call["crop"]
                label["bitmap"]["origin"] = [x + crop["left"], y + crop["top"]]
                labels.append(label)
    kept = []
    for title in dict.fromkeys(label["classTitle"] for label in labels):
        group = [label for label in labels if label["classTitle"] == title]
        group.sort(key=lambda label: label["tags"][0]["value"])
        for index, label in enumerate(group):
            ious = [box_iou(label, other) for other in group[index + 1 :]]
            if all(iou <= mode["nms_after"]["iou_threshold"] for iou in ious):
                kept.append(label)
    for label in kept:
        label["classTitle"] += mode["model_classes"]["add_suffix"]
        label["tags"][0]["name"] += mode["model_tags"]["add_suffix"]
    return kept


def box_iou(one, two):
    (x1, y1, (h1, w1), _), (x2, y2, (h2, w2), _) = (
        load_module("compare").decode_bitmap(label["bitmap"]) for label in (one, two)
    )
    width = max(0, min(x1 + w1, x2 + w2) - max(x1, x2))
    height = max(0, min(y1 + h1, y2 + h2) - max(y1, y2))
    common = width * height
    return common / (h1 * w1 + h2 * w2 - common)


def canonical(objects, meta):
    content = {"size": {"height": 1, "width": 1}, "objects": objects}
    return load_module("compare").canon_ann(content, meta)["objects"]


EXCEPTIONS = {
    "roi_09_negative": negative_bound,
    "swdet_04_bitmap_dropped": masks_kept,
    "swdet_05_mixed": masks_kept,
    "sw_01_instance_model": masks_instead_of_an_error,
}
"""Where results differ from the SDK's on purpose, and what they are instead.

The list is in docs/inference-config.md too.
"""
