"""Requests of a client: parts of images, annotations that are there already."""

import io
import json
import time

import grpc
import numpy as np
import pytest
from PIL import Image

from client import (
    AnnotationError,
    ConnectError,
    ContractError,
    DeadlineError,
    ImageError,
    ModeError,
    ServerError,
    call,
)
from client.call import plan_batches
from client.image import load_image
from client.rect import Rect
from serving import contract
from tests.fake_server import model_info

RGB = np.zeros((40, 80, 3), np.uint8)


def encoded(size):
    stream = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(stream, "PNG")
    return stream.getvalue()


WINDOWS = {
    "model": {},
    "mode": {
        "name": "sliding_window_det",
        "window": {"width": 20, "height": 20},
        "min_overlap": {"x": 5, "y": 5},
    },
}


def shapes(server, since):
    return [
        [d.size for d in request.inputs["images"].tensor_shape.dim[:3]]
        for request in server.requests[since:]
    ]


def test_crops_of_one_size_share_requests(server, connect):
    connected = connect(config=WINDOWS, batch_size=6)
    since = len(server.requests)
    result = connected.predict(RGB)
    assert sorted(shapes(server, since)) == [[3, 20, 20]] + [[6, 20, 20]] * 2
    assert len(result.instances) == 2 * 15
    assert result.instances[0].image_size == (40, 80)
    assert result.instances[-1].box == (30.0, 70.0, 40.0, 80.0)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_results_do_not_depend_on_batches(server, connect, batch_size):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 80, 3), np.uint8)

    def annotation(**kwargs):
        return connect(config=WINDOWS, **kwargs).predict(pixels).to_annotation()

    server.delay_s = 0.01
    expected = annotation(batch_size=3, requests_in_flight=1)
    assert annotation(batch_size=batch_size, requests_in_flight=5) == expected


def test_requests_of_a_call_run_together(server, connect):
    server.delay_s = 0.05
    connect(config=WINDOWS, batch_size=1, requests_in_flight=3).predict(RGB)
    assert server.most_busy == 3


def test_requests_have_a_bound_in_bytes(monkeypatch):
    crops = [Rect(0, 0, 10, 10)] * 3 + [Rect(0, 0, 20, 10)] * 2 + [Rect(5, 0, 15, 10)]
    assert list(plan_batches(crops, 8)) == [[0, 1, 2, 5], [3, 4]]
    assert list(plan_batches(crops, 3)) == [[0, 1, 2], [5], [3, 4]]
    monkeypatch.setattr(call, "MAX_REQUEST_BYTES", 600)
    assert list(plan_batches(crops, 8)) == [[0, 1], [2, 5], [3], [4]]
    monkeypatch.setattr(call, "MAX_REQUEST_BYTES", 1)
    assert len(list(plan_batches(crops, 8))) == 6


def test_refused_requests_are_sent_one_by_one(server, connect):
    connected = connect(config=WINDOWS, batch_size=5, requests_in_flight=1)
    since = len(server.requests)
    server.failures.append(grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert len(connected.predict(RGB).instances) == 30
    sent = [shape[0] for shape in shapes(server, since)]
    assert sent == [5, 1, 1, 1, 1, 1, 5, 5]


def test_a_bad_part_fails_the_image(server, connect):
    connected = connect(config=WINDOWS, requests_in_flight=1)
    server.failures.extend([grpc.StatusCode.INVALID_ARGUMENT] * 2)
    with pytest.raises(ServerError, match="INVALID_ARGUMENT"):
        connected.predict(RGB)
    assert connected.predict(RGB).instances


def test_encoded_images_in_one_request(server, connect):
    model = connect()._model
    images = [load_image(encoded((10 + i, 20))) for i in range(3)]
    found = model.detect(images, 5.0)
    assert [d.image_size for d in found] == [(20, 10), (20, 11), (20, 12)]
    bad = load_image(encoded((80, 40))[:60])
    with pytest.raises(ServerError, match="INVALID_ARGUMENT"):
        model.detect([*images, bad], 5.0)


def test_deadline_covers_all_parts(server, connect):
    connected = connect(config=WINDOWS, batch_size=1, requests_in_flight=1)
    server.delay_s = 0.1
    started = time.monotonic()
    with pytest.raises(DeadlineError):
        connected.predict(RGB, timeout_s=0.35)
    assert time.monotonic() - started < 1.0


def test_parts_seen_by_two_versions_are_sent_again(server, connect):
    connected = connect(config=WINDOWS, batch_size=1, requests_in_flight=1)
    calls = []

    def roll_on(outputs):
        calls.append(1)
        if len(calls) == 3:
            server.versions = [4]
        return outputs

    server.change = roll_on
    assert connected.predict(RGB).model_version == 4
    assert len(calls) == 2 * 15

    def take_turns(outputs):
        server.versions = [server.versions[0] + 1]
        return outputs

    server.change = take_turns
    with pytest.raises(ContractError, match="answers of one version of the model"):
        connected.predict(RGB)


def test_large_images_go_in_parts(server, connect):
    server.infos[3] = model_info(input=contract.ModelInput(64, 64, "square", 3000))
    assert connect(config=WINDOWS).predict(RGB).instances
    large = {"model": {}, "mode": WINDOWS["mode"] | {"window": {"width": 80}}}
    large["mode"]["window"]["height"] = 40
    with pytest.raises(ImageError, match="at most 3,000 pixels, got a part of 80 x 40"):
        connect(config=large).predict(RGB)


def test_closed_client_of_parts(connect):
    connected = connect(config=WINDOWS)
    connected.close()
    with pytest.raises(ConnectError, match="closed"):
        connected.predict(RGB)


ANNOTATION = {
    "description": "d",
    "size": {"height": 40, "width": 80},
    "tags": [{"name": "train"}],
    "objects": [
        {
            "classTitle": "box",
            "tags": [],
            "points": {"exterior": [[10, 5], [29, 34]], "interior": []},
        },
    ],
    "imageId": 12,
}
META = {
    "classes": [{"title": "box", "shape": "rectangle", "color": "#010203"}],
    "tags": [{"name": "train", "value_type": "none", "color": "#010203"}],
}


def test_existing_annotations_are_kept(connect, tmp_path):
    files = {"annotation": ANNOTATION, "meta": META}
    for name, content in files.items():
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps(content))
    config = {"model": {}, "mode": {"name": "bboxes", "save": True}}
    connected = connect(config=config)
    for given in (files, {"annotation": ANNOTATION, "meta": META}):
        result = connected.predict(RGB, **given)
        made = result.to_annotation()
        titles = [entry["classTitle"] for entry in made["objects"]]
        assert titles == ["cat", "dog", "box_input_bbox", "box"]
        assert made["objects"][-1] == ANNOTATION["objects"][0]
        assert made["objects"][2]["points"]["exterior"] == [[10, 5], [29, 34]]
        assert (made["imageId"], made["tags"]) == (12, ANNOTATION["tags"])
        titles = [entry["title"] for entry in result.to_meta()["classes"]]
        assert titles == ["box", "bg", "cat", "dog", "box_input_bbox"]
    meta = connected.output_meta(META)
    assert meta.to_json() == result.to_meta()
    assert connected.predict(RGB, meta=META, annotation=ANNOTATION).meta == meta


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs the objects of an annotation"),
        ({"annotation": ANNOTATION}, "expected the meta of its project"),
        ({"annotation": "no.json", "meta": META}, "no.json: No such file"),
        ({"annotation": ANNOTATION, "meta": {}}, "meta.json: meta: expected"),
        (
            {
                "annotation": ANNOTATION | {"size": {"height": 9, "width": 9}},
                "meta": META,
            },
            "an annotation of 80 x 40 pixels as the picture has, got one of 9 x 9",
        ),
        (
            {"annotation": ANNOTATION, "meta": META | {"classes": []}},
            r"annotation: objects\[0\]: unknown class 'box'",
        ),
        (
            {"meta": {"classes": [{"title": "cat", "shape": "line"}]}},
            'class "cat" would be there twice: a class of the project and the model',
        ),
    ],
)
def test_annotations_that_do_not_go_with_it(server, connect, given, message):
    connected = connect(config={"model": {}, "mode": {"name": "bboxes"}})
    since = len(server.requests)
    with pytest.raises((AnnotationError, ModeError), match=message):
        connected.predict(RGB, **given)
    assert len(server.requests) == since


def test_objects_outside_are_told(connect):
    away = json.loads(json.dumps(ANNOTATION))
    away["objects"][0]["points"]["exterior"] = [[90, 5], [99, 9]]
    result = connect().predict(RGB, annotation=away, meta=META)
    assert result.warnings == ["1 objects of the annotation lie outside of the picture"]


def test_info_tells_the_version(server, connect):
    info = connect().info()
    assert (info.version, info.classes[1].title) == (3, "cat")
    assert info == model_info()
    assert model_info() == info
    assert info != model_info(name="other")
    text = str(info)
    for part in ("mask_rcnn, version 3", "bg, cat, dog", "max_dim 64", "from 0.7 on"):
        assert part in text


@pytest.mark.parametrize("name", ["batch_size", "requests_in_flight"])
def test_bounds_below_one(connect, name):
    with pytest.raises(ValueError, match="expected >= 1, got 0"):
        connect(**{name: 0})
