"""Checkpoint to SavedModel to embedded server to client, nothing replaced."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import ovmsclient
import pytest

from client import Client, ConfigError, ImageError, ServerError
from formats.supervisely.bitmap import read_bitmap
from serving.contract import MODEL_INFO_ASSET, ModelInfo, pixel_boxes

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "examples" / "nuclei" / "nuc_136000dc18fa.png"


@pytest.fixture(scope="module")
def server(saved_model_dir):
    from serving.embedded.server import EmbeddedServer, ServerOptions

    server = EmbeddedServer(
        ServerOptions(
            model_base_path=saved_model_dir.parent,
            host="127.0.0.1",
            port=0,
            rest_api_port=0,
        )
    )
    server.start()
    assert server.manager.wait_available(timeout_s=120)
    yield server
    server.stop()


@pytest.fixture
def connect(server):
    clients = []

    def make(**options):
        clients.append(Client(server.address, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def _rows(result):
    return [
        (i.class_id, round(i.score, 4), *np.round(i.box, 2)) for i in result.instances
    ]


def test_client_returns_what_the_session_answers(server, connect, saved_model_dir):
    from serving.embedded.session import SessionModel

    model = SessionModel(saved_model_dir, max_batch_size=8)
    signature = model.signatures.signature_def["serving_default"]
    aliases = sorted(signature.outputs)
    values = model.run(
        {signature.inputs["image_bytes"].name: np.array([IMAGE.read_bytes()], object)},
        [signature.outputs[alias].name for alias in aliases],
        lambda: None,
    )
    model.close()
    direct = {alias: value[0] for alias, value in zip(aliases, values, strict=True)}

    result = connect().predict(IMAGE)

    count = int(direct["num_detections"])
    assert count > 3
    assert len(result.instances) == count
    assert tuple(result.image_size) == tuple(direct["image_size"])
    for row, instance in enumerate(result.instances):
        box = direct["detection_boxes"][row]
        np.testing.assert_allclose(instance.box, box)
        assert instance.score == pytest.approx(direct["detection_scores"][row])
        assert instance.class_id == direct["detection_classes"][row]
        assert instance.class_name.encode() == direct["detection_class_names"][row]
        png = np.frombuffer(direct["detection_masks_png_bytes"][row], np.uint8)
        crop = cv2.imdecode(png, cv2.IMREAD_UNCHANGED) > 0
        np.testing.assert_array_equal(instance.mask_crop, crop)
        top, left, bottom, right = pixel_boxes(box)
        assert instance.mask_origin == (top, left)
        assert instance.mask.shape == tuple(result.image_size)
        np.testing.assert_array_equal(instance.mask[top:bottom, left:right], crop)
        assert instance.mask.sum() == crop.sum()


def test_path_bytes_and_pixels_are_one_image(connect):
    client = connect()
    pixels = cv2.cvtColor(cv2.imread(str(IMAGE)), cv2.COLOR_BGR2RGB)
    expected = _rows(client.predict(IMAGE))
    assert _rows(client.predict(IMAGE.read_bytes())) == expected
    assert _rows(client.predict(pixels)) == expected


def test_a_turned_image_is_seen_as_people_see_it(connect, tmp_path):
    from PIL import Image

    upright = Image.open(IMAGE).convert("RGB")
    turned = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, exif=exif)
    client = connect()
    result = client.predict(turned)
    assert tuple(result.image_size) == (upright.height, upright.width)
    assert _rows(result) == _rows(client.predict(np.asarray(upright)))


def test_info_is_the_asset_of_the_version(connect, saved_model_dir):
    asset = (saved_model_dir / "assets.extra" / MODEL_INFO_ASSET).read_text("utf-8")
    client = connect()
    assert client.info() == ModelInfo.from_json(asset)
    assert client.model_version == 1


def test_inference_config_is_applied(connect):
    names = [c.title for c in connect().info().classes]
    config = {
        "model": {"min_confidence_threshold": 0.9, "confidence_tag_name": "p"},
        "mode": {
            "name": "full_image",
            "model_classes": {"save_classes": [names[1], "ghost"], "add_suffix": "_nn"},
        },
    }
    everything = connect().predict(IMAGE)
    result = connect(config=config).predict(IMAGE)
    kept = [i for i in everything.instances if i.class_id == 1 and i.score >= 0.9]
    assert kept
    assert [i.score for i in result.instances] == [i.score for i in kept]
    assert {i.class_name for i in result.instances} == {f"{names[1]}_nn"}
    assert any("ghost" in warning for warning in result.warnings)
    annotation = json.loads(json.dumps(result.to_annotation()))
    for instance, drawn in zip(result.instances, annotation["objects"], strict=True):
        mask = np.zeros(result.image_size, bool)
        read_bitmap(drawn["bitmap"]).draw_on(mask, (0, 0))
        np.testing.assert_array_equal(mask, instance.mask)
        assert drawn["tags"][0]["value"] == round(instance.score, 4)


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (b"", ImageError),
        (b"no picture", ImageError),
        (IMAGE.read_bytes()[:2000], ServerError),
        (np.zeros((5, 5), np.uint8), ImageError),
        (np.zeros((5, 5, 3), np.float32), ImageError),
    ],
)
def test_bad_images_are_refused_and_the_next_is_answered(connect, image, error):
    client = connect()
    with pytest.raises(error):
        client.predict(image)
    assert client.predict(IMAGE).instances


def test_unknown_names_are_told(server, connect):
    with pytest.raises(ServerError, match="nobody"):
        connect(model_name="nobody")
    with pytest.raises(ServerError, match="7"):
        connect(version=7)
    with pytest.raises(ConfigError, match="gpu_device"):
        connect(config={"model": {"gpu_device": -1}})


def test_an_independent_client_gets_the_same_rows(server, connect):
    expected = connect().predict(IMAGE)
    other = ovmsclient.make_grpc_client(server.address)
    answer = other.predict({"image_bytes": [IMAGE.read_bytes()]}, "mask_rcnn")
    count = int(answer["num_detections"][0])
    assert count == len(expected.instances)
    np.testing.assert_allclose(
        answer["detection_boxes"][0, :count], [i.box for i in expected.instances]
    )


def test_program_goes_on_after_a_bad_image(saved_model_dir, tmp_path):
    images = tmp_path / "pictures"
    images.mkdir()
    (images / "good.png").write_bytes(IMAGE.read_bytes())
    (images / "cut.png").write_bytes(IMAGE.read_bytes()[:2000])
    out = tmp_path / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "client", str(images), "--draw"),
            *("--model", str(saved_model_dir.parent), "--output", str(out)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["done"], len(summary["failed"])) == (1, 1)
    assert "cut.png" in json.dumps(summary["failed"])
    annotation = json.loads((out / "ann" / "good.png.json").read_text("utf-8"))
    meta = json.loads((out / "meta.json").read_text("utf-8"))
    titles = {c["title"] for c in meta["classes"]}
    assert {o["classTitle"] for o in annotation["objects"]} <= titles
    overlay = cv2.imread(str(out / "overlay" / "good.png"))
    image = cv2.imread(str(IMAGE))
    height, width = image.shape[:2]
    scale = 1024 // max(height, width)
    assert overlay.shape == (scale * height, scale * width, 3)
    large = cv2.resize(image, (0, 0), fx=scale, fy=scale)
    assert (overlay != large).any()


@pytest.mark.parametrize("options", [{"batch_size": 1}, {"batch_size": 5}])
def test_parts_do_not_depend_on_batches(connect, options):
    """But for the float noise of a batch of another size."""
    mode = {
        "name": "sliding_window_det",
        "window": {"width": 150, "height": 130},
        "min_overlap": {"x": 40, "y": 40},
    }
    config = {"model": {}, "mode": mode}
    one, other = (
        connect(config=config, **kwargs).predict(IMAGE)
        for kwargs in ({"batch_size": 8, "requests_in_flight": 1}, options)
    )
    assert len(one.instances) == len(other.instances) > 20
    for first, second in zip(one.instances, other.instances, strict=True):
        assert first.class_name == second.class_name
        assert first.score == pytest.approx(second.score, abs=1e-4)
        assert first.box == pytest.approx(second.box, abs=0.01)
        assert first.mask_box == second.mask_box
        assert (first.mask_crop != second.mask_crop).mean() < 0.01


def test_parts_are_what_cut_images_are(connect):
    pixels = cv2.cvtColor(cv2.imread(str(IMAGE)), cv2.COLOR_BGR2RGB)
    bounds = {"left": "40px", "top": "30px", "right": "20px", "bottom": "50px"}
    config = {"model": {}, "mode": {"name": "roi", "bounds": bounds}}
    found = connect(config=config).predict(IMAGE)
    cut = connect().predict(np.ascontiguousarray(pixels[30:-50, 40:-20]))
    assert len(found.instances) == len(cut.instances) > 3
    for whole, part in zip(found.instances, cut.instances, strict=True):
        assert np.array_equal(whole.mask[30:-50, 40:-20], part.mask)
        assert not whole.mask[:30].any()
        assert whole.score == part.score
