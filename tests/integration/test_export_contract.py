"""The exported model, reloaded as a server loads it, against the serving contract."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from serving import contract
from tests.images import Frame, encode, gif, gif_indices, gif_palette, image

MAX_DETECTIONS = 100
SCORE_NOISE = 1e-4
"""Batches of another size run other convolution kernels."""
ROWS = ("detection_boxes", "detection_classes", "detection_class_names")
ROWS += ("detection_scores",)
FLAT = encode(np.zeros((50, 50, 3), np.uint8), "PNG")
"""Of all images this one has fewer detections than there may be."""
WIRE = {"string": "DT_STRING", "uint8": "DT_UINT8"}
WIRE |= {"int32": "DT_INT32", "float32": "DT_FLOAT"}


@pytest.fixture(scope="module")
def answers(loaded_model):
    """serving_default's answers to a textured and to a flat image, by name."""
    images = {"textured": encode(image(200, 300), "PNG"), "flat": FLAT}
    return {
        name: loaded_model(contract.SERVING_DEFAULT, [data])
        for name, data in images.items()
    }


def rows_of(answer, index=0):
    """The rows that count of one image, sorted so that near ties do not matter."""
    count = int(answer["num_detections"][index])
    order = np.lexsort(np.round(answer["detection_boxes"][index][:count], 2).T)
    return {name: answer[name][index][:count][order] for name in ROWS}


def assert_same(got, expected, index=0):
    assert got["image_size"][index].tolist() == expected["image_size"][0].tolist()
    a, b = rows_of(got, index), rows_of(expected)
    assert len(a["detection_scores"]) == len(b["detection_scores"])
    np.testing.assert_allclose(
        np.sort(a["detection_scores"]), np.sort(b["detection_scores"]), atol=SCORE_NOISE
    )
    np.testing.assert_array_equal(a["detection_classes"], b["detection_classes"])
    np.testing.assert_allclose(a["detection_boxes"], b["detection_boxes"], atol=0.1)


def test_signatures_are_the_contracts(saved_model_dir):
    from tensorflow.core.framework.types_pb2 import DataType
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((saved_model_dir / "saved_model.pb").read_bytes())
    assert [list(m.meta_info_def.tags) for m in saved.meta_graphs] == [["serve"]]
    defined = dict(saved.meta_graphs[0].signature_def)
    defined.pop("__saved_model_init_op", None)
    assert set(defined) == set(contract.SIGNATURES)

    def form(tensors):
        return {
            alias: (
                DataType.Name(info.dtype),
                tuple(None if d.size == -1 else d.size for d in info.tensor_shape.dim),
            )
            for alias, info in tensors.items()
        }

    sizes = {"D": MAX_DETECTIONS, "M": 28}
    for name, signature in contract.SIGNATURES.items():
        found = defined[name]
        assert found.method_name == "tensorflow/serving/predict"
        for tensors, expected in (
            (found.inputs, signature.inputs),
            (found.outputs, signature.outputs),
        ):
            got = form(tensors)
            assert set(got) == {tensor.name for tensor in expected}
            for tensor in expected:
                dtype, shape = got[tensor.name]
                assert dtype == WIRE[tensor.dtype], tensor.name
                assert shape[0] is None, f"{tensor.name}: the batch is not open"
                fixed = tuple(
                    n if isinstance(n, int) else sizes.get(n) for n in tensor.shape
                )
                # Row counts may be told or left open, but never told wrong.
                assert len(shape) == len(fixed)
                assert all(s in (None, f) for s, f in zip(shape, fixed, strict=True))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("signature", list(contract.SIGNATURES))
def test_outputs_have_the_contracts_form(loaded_model, signature, batch):
    value = {
        contract.IMAGE_TENSOR: np.stack([image(64, 80)] * batch),
        contract.MODEL_INFO: [b""] * batch,
    }.get(signature, [FLAT] * batch)
    got = loaded_model(signature, value)
    sizes = {"B": batch, "D": MAX_DETECTIONS, "M": 28}
    outputs = contract.SIGNATURES[signature].outputs
    assert set(got) == {tensor.name for tensor in outputs}
    for tensor in outputs:
        expected = tuple(n if isinstance(n, int) else sizes[n] for n in tensor.shape)
        assert got[tensor.name].shape == expected
        dtype = "object" if tensor.dtype == "string" else tensor.dtype
        assert got[tensor.name].dtype == dtype


def test_rows_that_do_not_count_are_zero_or_empty(loaded_model, answers):
    for answer in (answers["flat"], loaded_model(contract.ROI_MASKS, [FLAT])):
        count = int(answer["num_detections"][0])
        assert 0 < count < MAX_DETECTIONS, "the case needs both kinds of rows"
        for name, rows in answer.items():
            if name in ("num_detections", "image_size"):
                continue
            rest = rows[0][count:]
            blank = b"" if rest.dtype == object else 0
            assert (rest == blank).all(), name
            first = rows[0][:count].reshape(count, -1)
            assert (first != blank).any(axis=1).all(), name


@pytest.mark.parametrize("name", ["textured", "flat"])
def test_rows_that_count_make_sense(answers, name):
    answer = answers[name]
    count = int(answer["num_detections"][0])
    scores = answer["detection_scores"][0][:count]
    assert (np.diff(scores) <= 0).all()
    assert ((scores >= 0.7) & (scores <= 1)).all()
    classes = answer["detection_classes"][0][:count]
    assert set(classes) <= {1, 2}
    titles = {1: b"class_1", 2: b"class_2"}
    expected = [titles[int(i)] for i in classes]
    assert answer["detection_class_names"][0][:count].tolist() == expected
    boxes = answer["detection_boxes"][0][:count]
    height, width = answer["image_size"][0]
    assert (boxes >= 0).all()
    assert (boxes <= [height, width, height, width]).all()
    assert (
        contract.pixel_boxes(boxes)[:, 2:] > contract.pixel_boxes(boxes)[:, :2]
    ).all()
    assert (boxes != np.round(boxes)).any(), "boxes are not to be rounded"


def test_sizes_are_of_the_original(answers):
    assert answers["textured"]["image_size"].tolist() == [[200, 300]]
    assert answers["flat"]["image_size"].tolist() == [[50, 50]]


def masks_of(answer, index=0):
    count = int(answer["num_detections"][index])
    for row in range(count):
        data = answer["detection_masks_png_bytes"][index][row]
        yield row, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("name", ["textured", "flat"])
def test_a_png_has_the_size_of_its_rounded_box(answers, name):
    corners = contract.pixel_boxes(answers[name]["detection_boxes"][0])
    seen = set()
    for row, mask in masks_of(answers[name]):
        y1, x1, y2, x2 = corners[row]
        assert mask.shape == (y2 - y1, x2 - x1)
        assert mask.dtype == np.uint8
        seen |= set(np.unique(mask).tolist())
    assert seen == {0, 255}


def test_roi_masks_drawn_by_the_caller_are_the_pngs(loaded_model, answers):
    from models.masks import to_box

    probs = loaded_model(contract.ROI_MASKS, [encode(image(200, 300), "PNG")])
    assert_same(probs, answers["textured"])
    np.testing.assert_array_equal(
        probs["detection_boxes"], answers["textured"]["detection_boxes"]
    )
    corners = contract.pixel_boxes(probs["detection_boxes"][0])
    assert probs["detection_masks"].min() >= 0
    assert probs["detection_masks"].max() <= 1
    for row, mask in masks_of(answers["textured"]):
        size = corners[row, 2:] - corners[row, :2]
        drawn = to_box(probs["detection_masks"][0][row], size).numpy()
        np.testing.assert_array_equal(drawn, mask > 0)


def test_pixels_give_what_their_png_gives(loaded_model, answers):
    got = loaded_model(contract.IMAGE_TENSOR, image(200, 300)[None])
    assert_same(got, answers["textured"])
    for (_, a), (_, b) in zip(
        masks_of(got), masks_of(answers["textured"]), strict=True
    ):
        assert a.shape == b.shape
    assert got["image_size"].tolist() == [[200, 300]]


def test_a_mixed_batch_is_answered_as_its_images_one_by_one(loaded_model):
    batch = [
        encode(image(200, 300), "JPEG"),
        encode(image(77, 31, seed=5)[:, :, 0], "PNG"),
        gif([Frame(gif_indices(120, 90))], gif_palette()),
    ]
    together = loaded_model(contract.SERVING_DEFAULT, batch)
    assert together["image_size"].tolist() == [[200, 300], [77, 31], [120, 90]]
    for index, one in enumerate(batch):
        alone = loaded_model(contract.SERVING_DEFAULT, [one])
        assert int(alone["num_detections"][0]) > 0
        assert_same(together, alone, index)


def test_a_batch_of_pixels_is_answered_as_its_images_one_by_one(loaded_model):
    images = np.stack([image(64, 96, seed=s) for s in (1, 2, 3)])
    together = loaded_model(contract.IMAGE_TENSOR, images)
    for index in range(3):
        alone = loaded_model(contract.IMAGE_TENSOR, images[index : index + 1])
        assert_same(together, alone, index)


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 5000), (5000, 1), (2, 3), (257, 255)]
)
def test_extreme_sizes_are_answered(loaded_model, height, width):
    pixels = np.resize(image(), (height, width, 3))
    answer = loaded_model(contract.SERVING_DEFAULT, [encode(pixels, "PNG")])
    assert answer["image_size"].tolist() == [[height, width]]
    count = int(answer["num_detections"][0])
    corners = contract.pixel_boxes(answer["detection_boxes"][0][:count])
    assert (corners[:, 2:] > corners[:, :2]).all()
    for row, mask in masks_of(answer):
        assert mask.shape == tuple(corners[row, 2:] - corners[row, :2])


def test_a_large_photo_is_answered(loaded_model):
    pixels = np.tile(image(500, 750), (8, 8, 1))
    answer = loaded_model(contract.SERVING_DEFAULT, [encode(pixels, "JPEG")])
    assert answer["image_size"].tolist() == [[4000, 6000]]
    count = int(answer["num_detections"][0])
    assert count > 0
    corners = contract.pixel_boxes(answer["detection_boxes"][0][:count])
    assert corners.max() > 1024, "boxes are in pixels of the original"
    for row, mask in masks_of(answer):
        assert mask.shape == tuple(corners[row, 2:] - corners[row, :2])


def test_what_the_model_says_of_itself(saved_model_dir, small_checkpoint, loaded_model):
    from models.checkpoint import sha256

    answer = loaded_model(contract.MODEL_INFO, [b"", b"anything"])["model_info_json"]
    asset = saved_model_dir / "assets.extra" / contract.MODEL_INFO_ASSET
    first, second = (json.loads(text) for text in answer)
    assert first == second == json.loads(asset.read_bytes())
    info = contract.ModelInfo.from_json(answer[0])
    assert info.name == "small"
    assert [c.title for c in info.classes] == ["bg", "class_1", "class_2"]
    assert info.classes_assumed
    assert first["classes_assumed"] is True
    assert info.backbone == "small"
    assert info.input == contract.ModelInput(256, 256, "square", 100_000_000)
    assert (info.mask_size, info.max_detections) == (28, MAX_DETECTIONS)
    assert (info.score_threshold, info.iou_threshold) == (0.7, 0.3)
    assert info.precision == "float32"
    assert info.checkpoint == {"file": "small.h5", "sha256": sha256(small_checkpoint)}
    assert set(info.versions) == {"tensorflow", "keras", "maskrcnn_serving"}


@pytest.fixture
def blind_module(small_checkpoint):
    """A network that sees background everywhere, behind the signatures."""
    from export.module import ServingModule
    from models.architecture import preset
    from models.checkpoint import load_network
    from models.config import ModelConfig

    def make(resize_mode):
        architecture = preset("small", num_classes=3)
        config = ModelConfig(
            architecture=architecture, resize_mode=resize_mode, min_dim=128, max_dim=128
        )
        network, _ = load_network(small_checkpoint, config)
        logits = network.layers["mrcnn_class_logits"]
        kernel, bias = logits.get_weights()
        logits.set_weights([kernel, bias + np.array([1e6, 0, 0], np.float32)])
        info = contract.ModelInfo(
            name="blind",
            classes=tuple(contract.ModelClass(i, f"c{i}", "#000000") for i in range(3)),
            backbone="small",
            input=contract.ModelInput(128, 128, resize_mode, 10**8),
            mask_size=28,
            score_threshold=0.7,
            iou_threshold=0.3,
            max_detections=MAX_DETECTIONS,
            precision="float32",
            checkpoint={},
            created="",
            versions={},
        )
        return ServingModule(network, info)

    return make


@pytest.mark.slow
def test_a_line_of_pixels_makes_no_endless_canvas(blind_module):
    import tensorflow as tf

    module = blind_module("pad64")
    line = np.zeros((1, 2000, 3), np.uint8)
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        module.serving_default([encode(line, "PNG")])
    message = caught.value.message
    assert "canvas: expected a picture of 1 to 16777216 pixels" in message
    assert "got height x width 128 x 256000" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("resize_mode", "signature"),
    [("square", contract.ROI_MASKS), ("pad64", contract.SERVING_DEFAULT)],
)
def test_no_detections_are_zeros(blind_module, resize_mode, signature):
    module = blind_module(resize_mode)
    outputs = getattr(module, signature)([encode(image(), "PNG"), FLAT])
    got = {alias: tensor.numpy() for alias, tensor in outputs.items()}
    assert got.pop("image_size").tolist() == [[61, 83], [50, 50]]
    assert got.pop("num_detections").tolist() == [0, 0]
    for name, rows in got.items():
        blank = b"" if rows.dtype == object else 0
        assert rows.shape[:2] == (2, MAX_DETECTIONS)
        assert (rows == blank).all(), name
