import io
import logging
import threading
import time

import grpc
import numpy as np
import pytest
from PIL import Image

import client as client_package
from client import (
    Client,
    ClientError,
    ConfigError,
    ConnectError,
    ContractError,
    DeadlineError,
    ImageError,
    InferenceConfig,
    ServerError,
)
from serving import contract
from tests.fake_server import disc, model_info

RGB = np.zeros((40, 80, 3), np.uint8)


def encoded(format="PNG", size=(80, 40), **options):
    stream = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(stream, format, **options)
    return stream.getvalue()


def test_package_is_the_one_beside_the_tests():
    from pathlib import Path

    root = Path(__file__).resolve().parents[3]
    assert Path(client_package.__file__).parent.parent == root


@pytest.mark.parametrize("packed", [True, False])
def test_instances(server, connect, packed):
    server.packed = packed
    result = connect().predict(RGB)
    cat, dog = result.instances
    assert (cat.class_name, cat.class_id, cat.score) == ("cat", 1, 0.9375)
    assert cat.box == (10.0, 10.0, 30.0, 40.0)
    assert cat.mask_origin == (10, 10)
    assert cat.mask_crop.dtype == bool
    assert np.array_equal(cat.mask_crop, disc(20, 30))
    assert cat.mask.shape == (40, 80)
    assert cat.mask.sum() == cat.mask_crop.sum()
    assert np.array_equal(cat.mask[10:30, 10:40], cat.mask_crop)
    assert dog.box == (20.0, 40.0, 40.0, 80.0)
    assert result.image_size == (40, 80)
    assert result.model_version == 3
    assert result.warnings == []


def test_sources(connect, tmp_path):
    path = tmp_path / "a picture.txt"
    path.write_bytes(encoded("JPEG"))
    connected = connect()
    for source in (path, str(path), path.read_bytes(), bytearray(encoded()), RGB):
        assert connected.predict(source).image_size == (40, 80)


def test_open_files_and_pil_images(connect):
    connected = connect()
    for source in (io.BytesIO(encoded("JPEG")), Image.new("RGB", (80, 40))):
        result = connected.predict(source)
        assert result.image_size == (40, 80)
        assert result.draw().shape == (40, 80, 3)  # an open file is read only once
    stream = io.BytesIO(encoded("JPEG"))
    [(given, result)] = connected.predict_many([stream])
    assert given is stream
    assert len(result) == 2


def test_plain_files_travel_as_they_are(server, connect):
    data = encoded("JPEG")
    connect().predict(data)
    request = server.requests[-1]
    assert request.model_spec.signature_name == contract.SERVING_DEFAULT
    assert list(request.inputs["image_bytes"].string_val) == [data]


def test_arrays_travel_as_pixels(server, connect):
    connect().predict(RGB)
    request = server.requests[-1]
    assert request.model_spec.signature_name == contract.IMAGE_TENSOR
    assert [d.size for d in request.inputs["images"].tensor_shape.dim] == [1, 40, 80, 3]


def test_large_messages(connect):
    assert connect().predict(np.zeros((1500, 2000, 3), np.uint8)).image_size == (
        1500,
        2000,
    )


def test_config(connect):
    config = {"mode": {"model_classes": {"save_classes": ["dog"], "add_suffix": "_x"}}}
    connected = connect(config=config)
    (dog,) = connected.predict(RGB).instances
    assert dog.class_name == "dog_x"
    assert [c.title for c in connected.output_meta().classes] == ["dog_x"]
    assert connect(config=InferenceConfig.load(config)).predict(RGB).instances == (dog,)


def test_warnings_are_told_and_logged_once(connect, caplog):
    config = {
        "model": {"min_confidence_threshold": 0.5},
        "mode": {"model_classes": {"save_classes": ["cat", "unicorn"]}},
    }
    with caplog.at_level(logging.WARNING, "client"):
        connected = connect(config=config)
        first, second = connected.predict(RGB), connected.predict(RGB)
    assert first.warnings == second.warnings
    assert first.warnings == [
        'the model has no class "unicorn" to save; its classes are "bg", "cat", "dog"',
        "min_confidence_threshold 0.5 has no effect: the model itself drops scores "
        "below 0.7",
    ]
    assert [r.getMessage() for r in caplog.records] == first.warnings


def test_annotation(connect):
    annotation = connect(config={}).predict(RGB).to_annotation()
    assert annotation["size"] == {"height": 40, "width": 80}
    assert [o["classTitle"] for o in annotation["objects"]] == [
        "cat_maskrcnn",
        "dog_maskrcnn",
    ]
    assert annotation["objects"][0]["tags"] == [
        {"name": "confidence_maskrcnn", "value": 0.9375}
    ]


def test_empty_mask_is_left_out_and_told(server, connect):
    def empty_masks(outputs):
        from tests.fake_server import png

        outputs["detection_masks_png_bytes"][0, 0] = png(np.zeros((20, 30), bool))
        return outputs

    server.change = empty_masks
    result = connect().predict(RGB)
    assert [o["classTitle"] for o in result.to_annotation()["objects"]] == ["dog"]
    result.to_annotation()
    assert result.warnings == [
        "cat with score 0.9375 is not in the annotation: its mask is empty"
    ]


def test_no_server():
    started = time.monotonic()
    with pytest.raises(ConnectError, match=r"localhost:1: no server answered within"):
        Client("localhost:1", connect_timeout_s=0.3)
    assert time.monotonic() - started < 5


def test_config_problems_come_before_any_connection():
    with pytest.raises(ConfigError) as caught:
        Client("localhost:1", config={"model": {"gpu_device": -1}, "mdoe": {}})
    assert caught.value.problems == (
        "config: model.gpu_device: expected >= 0, got -1",
        'config: mdoe: unknown key; did you mean "mode"?',
    )


@pytest.mark.parametrize(
    ("kwargs", "details"),
    [
        ({"model_name": "other"}, "Latest(other)"),
        ({"version": 7}, "Specific(mask_rcnn, 7)"),
    ],
)
def test_unknown_model_and_version(connect, kwargs, details):
    with pytest.raises(ServerError, match="NOT_FOUND") as caught:
        connect(**kwargs)
    assert caught.value.code is grpc.StatusCode.NOT_FOUND
    assert caught.value.details == f"Servable not found for request: {details}"
    assert "check the model's name and version" in str(caught.value)


def test_version_is_asked_for(server, connect):
    server.versions = [2, 3]
    assert connect(version=2).predict(RGB).model_version == 2
    assert {r.model_spec.version.value for r in server.requests} == {2}


def test_model_without_model_info(server, connect):
    server.signatures = {"serving_default", "roi"}
    message = r"expected the signature model_info, .* offers roi, serving_default"
    with pytest.raises(ContractError, match=message):
        connect()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            model_info(contract_version=2).to_json(),
            "expected contract version 1, got 2",
        ),
        ("{}", "is missing"),
        ("nonsense", "not readable"),
    ],
)
def test_model_info_of_another_kind(server, connect, text, message):
    server.info_text = text
    with pytest.raises(ContractError, match=message):
        connect()


def test_model_without_image_tensor(server, connect):
    connected = connect()
    server.signatures.remove(contract.IMAGE_TENSOR)
    with pytest.raises(ServerError, match='key "image_tensor" not found'):
        connected.predict(RGB)


@pytest.mark.parametrize("name", ["UNAVAILABLE", "CANCELLED"])
def test_unavailable_is_retried(server, connect, name):
    connected = connect()
    server.failures.extend([grpc.StatusCode[name]] * 3)
    assert len(connected.predict(RGB).instances) == 2


def test_unavailable_for_too_long(server, connect):
    connected = connect()
    server.failures.extend([grpc.StatusCode.UNAVAILABLE] * 9)
    with pytest.raises(ConnectError, match="unavailable after 5 attempts: as told"):
        connected.predict(RGB)
    assert len(server.failures) == 4


def test_retries_end_with_the_deadline(server, connect):
    connected = connect(
        retry=client_package.RetryPolicy(retries=99, first_delay_s=0.2), timeout_s=0.5
    )
    server.failures.extend([grpc.StatusCode.UNAVAILABLE] * 99)
    started = time.monotonic()
    with pytest.raises(ConnectError):
        connected.predict(RGB)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED]
)
def test_other_errors_are_not_retried(server, connect, code):
    connected = connect()
    server.failures.append(code)
    with pytest.raises(ServerError, match=code.name) as caught:
        connected.predict(RGB)
    assert caught.value.code is code
    assert isinstance(caught.value.__cause__, grpc.RpcError)
    assert connected.predict(RGB).instances


def test_graph_nodes_are_left_out_of_the_text(server, connect, monkeypatch):
    def fail(data, context):
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "bad PNG\n\t [[{{node map}}]]")

    connected = connect()
    monkeypatch.setattr(server, "_sizes", fail)
    with pytest.raises(ServerError) as caught:
        connected.predict(RGB)
    assert str(caught.value).endswith("INVALID_ARGUMENT: bad PNG")
    assert "node map" in caught.value.details


def test_deadline(server, connect):
    connected = connect()
    server.delay_s = 0.5
    with pytest.raises(DeadlineError, match=r"no answer within 0\.1 s"):
        connected.predict(RGB, timeout_s=0.1)
    server.delay_s = 0.0
    assert connected.predict(RGB, timeout_s=None).instances


def test_server_restarts(server, connect):
    from tests.fake_server import FakeServer

    connected = connect(
        retry=client_package.RetryPolicy(retries=50, first_delay_s=0.1, max_delay_s=0.1)
    )
    server.stop()
    later = []
    timer = threading.Timer(0.3, lambda: later.append(FakeServer(server.port)))
    timer.start()
    try:
        assert connected.predict(RGB).instances
    finally:
        timer.join()
        later[0].stop()


def test_closed_client(connect):
    connected = connect()
    connected.close()
    with pytest.raises(ConnectError, match="closed"):
        connected.predict(RGB)


def test_rollover_brings_the_new_names(server, connect):
    connected = connect(config={"mode": {"model_classes": {"save_classes": ["cat"]}}})
    assert connected.predict(RGB).warnings == []
    classes = [
        contract.ModelClass(i, title, "#123456")
        for i, title in enumerate(("bg", "fox", "dog"))
    ]
    server.infos[4] = model_info(classes=tuple(classes))
    server.versions = [4]
    result = connected.predict(RGB)
    assert result.model_version == connected.model_version == 4
    assert 'no class "cat"' in result.warnings[0]
    assert connected.info().classes[1].title == "fox"
    calls = len(server.requests)
    connected.predict(RGB)
    assert len(server.requests) == calls + 1


def test_rollover_to_a_version_that_is_gone_again(server, connect):
    connected = connect()

    def roll_on(outputs):
        server.versions = [5]
        return outputs

    server.versions = [4]
    server.change = roll_on
    assert connected.predict(RGB).model_version == 4
    assert connected.model_version == 3


def set_to(name, value):
    def change(outputs):
        outputs[name] = value
        return outputs

    return change


def edit(name, index, value):
    def change(outputs):
        outputs[name][index] = value
        return outputs

    return change


def without(name):
    return lambda outputs: {k: v for k, v in outputs.items() if k != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("detection_scores"), "expected the output detection_scores, got"),
        (
            set_to("num_detections", np.array([2], np.int64)),
            "num_detections: expected int32, got int64",
        ),
        (
            set_to("detection_boxes", np.zeros((1, 4, 5), np.float32)),
            r"expected shape \[1, 4?D?, 4\], got \[1, 4, 5\]",
        ),
        (
            set_to("detection_scores", np.zeros((1, 3), np.float32)),
            r"detection_scores: expected shape \[1, 4\], got \[1, 3\]",
        ),
        (set_to("num_detections", np.array([5], np.int32)), r"expected 0\.\.4, got 5"),
        (edit("image_size", (0, 0), 41), r"expected \[40, 80\] .* got \[41, 80\]"),
        (edit("detection_boxes", (0, 0, 0), np.nan), "NaN"),
        (edit("detection_boxes", (0, 0, 2), 1e30), "boxes: expected"),
        (edit("detection_boxes", (0, 0, 0), -3), "boxes: expected"),
        (edit("detection_boxes", (0, 0, 0), 35), "boxes: expected"),
        (edit("detection_scores", (0, 0), 1.5), r"expected 0\.\.1"),
        (edit("detection_classes", (0, 0), 0), "class ids: expected >= 1"),
        (edit("detection_class_names", (0, 0), b"\xff"), "expected UTF-8"),
        (edit("detection_masks_png_bytes", (0, 0), b""), "expected a PNG"),
        (
            edit("detection_boxes", (0, 0, 0), 11),
            "mask: expected 30 x 19 pixels, .* got 30 x 20",
        ),
    ],
)
def test_answers_that_break_the_contract(server, connect, change, message):
    connected = connect()
    server.change = change
    with pytest.raises(ContractError, match=message):
        connected.predict(RGB)
    server.change = lambda outputs: outputs
    assert connected.predict(RGB).instances


def test_damaged_mask_is_told_when_decoded(server, connect):
    def cut(outputs):
        masks = outputs["detection_masks_png_bytes"]
        masks[0, 0] = masks[0, 0][:40]
        return outputs

    server.change = cut
    result = connect().predict(RGB)
    with pytest.raises(ContractError, match="damaged"):
        _ = result.instances[0].mask


def test_box_without_a_pixel(server, connect):
    server.change = edit("detection_boxes", (0, 0), [10.0, 10.0, 10.2, 40.0])
    instance = connect().predict(RGB).instances[0]
    assert instance.mask_crop.shape == (0, 30)
    assert not instance.mask.any()


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"no picture at all",
        encoded("JPEG")[:100],
        RGB.astype(np.float32),
        RGB[0],
        RGB[..., :1],
        17,
        "/no/such/file.jpg",
        "bad\0path",
    ],
)
def test_bad_images(connect, bad):
    connected = connect()
    with pytest.raises(ClientError):
        connected.predict(bad)
    assert connected.predict(RGB).instances


def test_cut_image_is_refused_by_the_server(connect):
    with pytest.raises(
        ServerError, match=r"serving_default, picture: INVALID_ARGUMENT"
    ):
        connect().predict(encoded("PNG")[:60])


def test_image_larger_than_the_model_takes(server, connect):
    server.infos[3] = model_info(input=contract.ModelInput(64, 64, "square", 3000))
    with pytest.raises(
        ImageError, match=r"at most 3,000 pixels, got 3,200 \(80 x 40\)"
    ):
        connect().predict(RGB)


def test_predict_many_keeps_order_and_errors(server, connect):
    images = [encoded(size=(10 + i, 20)) for i in range(9)]
    images[4] = b""
    server.delay_s = 0.02
    answers = list(connect().predict_many(iter(images), in_flight=3))
    assert [image for image, _ in answers] == images
    assert isinstance(answers[4][1], ImageError)
    sizes = [r.image_size for _, r in answers if not isinstance(r, ClientError)]
    assert sizes == [(20, 10 + i) for i in range(9) if i != 4]
    assert 2 <= server.most_busy <= 3


def test_predict_many_reads_only_what_it_needs(connect):
    taken = []

    def images():
        for _ in range(20):
            taken.append(1)
            yield RGB

    answers = connect().predict_many(images(), in_flight=4)
    for _ in range(3):
        next(answers)
    assert len(taken) <= 3 + 4
    answers.close()
    with pytest.raises(ValueError, match="expected >= 1, got 0"):
        next(connect().predict_many([], in_flight=0))


def test_threads_share_a_client(connect):
    connected = connect()
    counts = []

    def work():
        for _ in range(5):
            counts.append(len(connected.predict(RGB).instances))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [2] * 30


def test_channel_options_reach_the_channel(connect):
    options = [("grpc.max_send_message_length", 1000)]
    connected = connect(channel_options=options)
    with pytest.raises(ServerError, match="RESOURCE_EXHAUSTED"):
        connected.predict(RGB)


def test_lazy_names():
    assert client_package.InferenceConfig is InferenceConfig
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = client_package.nothing


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf")])
def test_times_that_are_none(server, connect, seconds):
    told = f"timeout_s: expected a finite number of seconds above 0, got {seconds}"
    for name in ("timeout_s", "connect_timeout_s"):
        with pytest.raises(ValueError, match=told):
            connect(**{name: seconds})
    connected = connect()
    requests = len(server.requests)
    for call in (
        lambda: connected.predict(RGB, timeout_s=seconds),
        lambda: list(connected.predict_many([RGB], timeout_s=seconds)),
        lambda: connected.info(timeout_s=seconds),
    ):
        with pytest.raises(ValueError, match=told):
            call()
    assert len(server.requests) == requests


@pytest.mark.parametrize("version", [-1, 2**63, 10**20])
def test_versions_that_no_server_has(connect, version):
    with pytest.raises(ValueError, match=f"version: expected None or 0.* {version}"):
        connect(version=version)


@pytest.mark.parametrize("version", [0, 2**63 - 1])
def test_first_and_last_version(server, connect, version):
    server.versions = [version, 5]
    connected = connect(version=version, timeout_s=None)
    assert connected.predict(RGB).model_version == version
