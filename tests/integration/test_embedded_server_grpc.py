"""The gRPC API, asked by clients that others wrote."""

from __future__ import annotations

import grpc
import numpy as np
import ovmsclient
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2

from serving import protos
from tests.integration.serving_clients import TIMEOUT_S, Stubs, request
from tests.integration.toy_serving import PNG, D, M, images


def _error(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details()


def _predict(stubs, message):
    return stubs.prediction.Predict(message, timeout=TIMEOUT_S)


def test_every_contract_signature_answers(stubs):
    encoded = stubs.predict(image_bytes=[PNG, PNG])
    assert encoded.model_spec.signature_name == "serving_default"
    assert encoded.model_spec.version.value == 1
    scores = tf.make_ndarray(encoded.outputs["detection_scores"])
    np.testing.assert_array_equal(scores, [[1.0, 0.0], [1.0, 0.0]])
    assert encoded.outputs["detection_masks_png_bytes"].string_val[0] == PNG
    raw = stubs.predict("image_tensor", images=images(1, 6, 7, 3))
    assert tf.make_ndarray(raw.outputs["image_size"]).tolist() == [[6, 7]]
    masks = stubs.predict("roi_masks", image_bytes=[PNG])
    assert tf.make_ndarray(masks.outputs["detection_masks"]).shape == (1, D, M, M)
    assert stubs.info() == (1, "one")


def test_numbers_come_as_typed_fields_by_default(stubs):
    boxes = stubs.predict(image_bytes=[PNG]).outputs["detection_boxes"]
    assert not boxes.tensor_content
    assert list(boxes.float_val) == [0, 0, 1, 1.5, 0, 0, 0, 0]


def test_output_filter(stubs):
    message = request("image_tensor", images=images(1, 2, 2, 3))
    message.output_filter.extend(["detection_scores", "num_detections"])
    assert sorted(_predict(stubs, message).outputs) == [
        "detection_scores",
        "num_detections",
    ]
    message.output_filter.append("nothing")
    code, text = _error(lambda: _predict(stubs, message))
    assert code == "INVALID_ARGUMENT"
    assert text.startswith(
        "output tensor alias not found in signature: nothing Outputs"
    )
    del message.output_filter[2]
    message.output_filter.append("num_detections")
    assert _error(lambda: _predict(stubs, message)) == (
        "INVALID_ARGUMENT",
        "duplicate output tensor alias: num_detections",
    )


def _versioned(version=None, label=None, name="toy", signature=""):
    message = request(signature, name=name, image_bytes=[PNG])
    if version is not None:
        message.model_spec.version.value = version
    if label is not None:
        message.model_spec.version_label = label
    return message


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            _versioned(name=""),
            "INVALID_ARGUMENT",
            "ModelSpec has no name specified.",
        ),
        (
            _versioned(name="other"),
            "NOT_FOUND",
            "Servable not found for request: Latest(other)",
        ),
        (
            _versioned(version=7),
            "NOT_FOUND",
            "Servable not found for request: Specific(toy, 7)",
        ),
        (
            _versioned(label="stable"),
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: stable",
        ),
        (
            _versioned(signature="nosuch"),
            "FAILED_PRECONDITION",
            'Serving signature key "nosuch" not found.',
        ),
        (
            _versioned(signature="__saved_model_init_op"),
            "FAILED_PRECONDITION",
            "Expected prediction signature method_name to be one of "
            "{tensorflow/serving/predict}. Was: ",
        ),
        (
            request(),
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({image_bytes}). "
            "Sent extra: {}. Missing but required: {image_bytes}.",
        ),
        (
            request(foo=[b"x"]),
            "INVALID_ARGUMENT",
            "Signature input alias: image_bytes(feed name: "
            "serving_default_image_bytes:0) not found in request and no default value "
            "provided. Inputs expected to be in the request {foo}, or default input "
            "alias set: ",
        ),
        (
            request("image_tensor", images=np.ones((1, 2, 2, 3), np.float32)),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be uint8 but float is provided",
        ),
        (
            request("image_tensor", images=images(2, 2, 3)),
            "INVALID_ARGUMENT",
            "Shape of tensor images [2,2,3] is not compatible with expected shape "
            "[?,?,?,3].",
        ),
        (
            request("image_tensor", images=images(1, 2, 2, 4)),
            "INVALID_ARGUMENT",
            "Shape of tensor images [1,2,2,4] is not compatible with expected shape "
            "[?,?,?,3].",
        ),
        (
            request("image_tensor", images=images(0, 2, 2, 3)),
            "INVALID_ARGUMENT",
            "Shape of tensor images [0,2,2,3] has a batch of 0; expected at least 1",
        ),
        (
            request("pair", a=np.ones((2, 2), np.float32), b=np.ones(3, np.int64)),
            "INVALID_ARGUMENT",
            "Batching Run() input tensors must have equal 0th-dimension size, got "
            "a [2,2], b [3]",
        ),
    ],
)
def test_wrong_requests_are_told_why(stubs, message, code, text):
    assert _error(lambda: _predict(stubs, message)) == (code, text)


def test_what_the_graph_refuses_has_its_text_without_pythons_prefix(stubs):
    code, text = _error(lambda: stubs.predict(image_bytes=[b"junk"]))
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("Unknown image file format.")


def test_what_the_graph_refuses_may_quote_bytes_that_are_no_text(stubs, tmp_path):
    file = tmp_path / "file"
    file.touch()
    below = bytes(file) + b"/\xff"
    code, text = _error(lambda: stubs.predict("touch", path=[below]))
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("the graph refused the request with a text that is no UTF-8")
    assert "\\xff" in text


def test_long_texts_are_cut(stubs):
    code, text = _error(lambda: stubs.predict("s" * 3000, image_bytes=[PNG]))
    assert code == "FAILED_PRECONDITION"
    assert text.endswith("s...TRUNCATED")
    assert len(text) == 1024 + len("...TRUNCATED")


def test_tensors_that_do_not_parse(stubs):
    message = request("image_tensor", images=images(1, 2, 2, 3))
    message.inputs["images"].tensor_content = b"short"
    code, text = _error(lambda: _predict(stubs, message))
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("tensor parsing error: images")


@pytest.mark.parametrize(
    "shape", [(1, 2**20, 2**20, 3), (2**40, 0, 2**40, 3), (2**62, 2**62, 2**62, 3)]
)
def test_absurd_shapes_allocate_nothing(stubs, shape):
    message = request("image_tensor")
    tensor = message.inputs["images"]
    tensor.dtype = tf.uint8.as_datatype_enum
    for size in shape:
        tensor.tensor_shape.dim.add().size = size
    tensor.int_val.append(1)
    code, text = _error(lambda: _predict(stubs, message))
    assert code == "RESOURCE_EXHAUSTED"
    assert text.startswith("tensor images: shape [")


def test_one_value_fills_a_tensor_of_sane_size(stubs):
    message = request("image_tensor")
    tensor = message.inputs["images"]
    tensor.dtype = tf.uint8.as_datatype_enum
    for size in (1, 64, 64, 3):
        tensor.tensor_shape.dim.add().size = size
    tensor.int_val.append(255)
    outputs = _predict(stubs, message).outputs
    assert outputs["detection_scores"].float_val[0] == 1.0


def test_requests_larger_than_grpcs_default_limit(stubs):
    side = 2048  # 12.6 MB of pixels, where gRPC reads 4 MiB unless told otherwise
    response = stubs.predict("image_tensor", images=images(1, side, side, 3))
    assert tf.make_ndarray(response.outputs["image_size"]).tolist() == [[side, side]]


def test_metadata(stubs):
    message = get_model_metadata_pb2.GetModelMetadataRequest()
    message.model_spec.name = "toy"
    assert _error(lambda: stubs.prediction.GetModelMetadata(message)) == (
        "INVALID_ARGUMENT",
        "GetModelMetadataRequest must specify at least one metadata_field",
    )
    message.metadata_field.append("signature_def")
    response = stubs.prediction.GetModelMetadata(message, timeout=TIMEOUT_S)
    assert response.model_spec.version.value == 1
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    sizes = signatures.signature_def["image_tensor"].inputs["images"].tensor_shape.dim
    assert [size.size for size in sizes] == [-1, -1, -1, 3]
    message.metadata_field.append("other")
    assert _error(lambda: stubs.prediction.GetModelMetadata(message)) == (
        "INVALID_ARGUMENT",
        "Metadata field other is not supported",
    )


def test_status(stubs):
    assert stubs.states() == {1: 30}
    assert _error(lambda: stubs.states("other")) == (
        "NOT_FOUND",
        "Could not find any versions of model other",
    )


@pytest.mark.parametrize(
    ("service", "status"),
    [("", 1), ("PredictionService", 1), ("tensorflow.serving.PredictionService", 1)],
)
def test_health(stubs, service, status):
    assert _health(stubs, service) == status


def test_health_of_an_unknown_service(stubs):
    assert _error(lambda: _health(stubs, "other")) == (
        "NOT_FOUND",
        "unknown service other",
    )


def _health(stubs, service):
    check = stubs.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=protos.HealthCheckRequest.SerializeToString,
        response_deserializer=protos.HealthCheckResponse.FromString,
    )
    return check(protos.HealthCheckRequest(service=service), timeout=TIMEOUT_S).status


def test_methods_that_are_not_there(stubs):
    classify = stubs.channel.unary_unary(
        "/tensorflow.serving.PredictionService/Classify"
    )
    assert _error(lambda: classify(b"", timeout=TIMEOUT_S))[0] == "UNIMPLEMENTED"


def test_garbage_as_a_message_is_refused_and_the_server_lives(stubs):
    predict = stubs.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    assert _error(lambda: predict(b"\xff" * 100, timeout=TIMEOUT_S))[0] == "INTERNAL"
    assert stubs.info() == (1, "one")


def test_packed_answers_when_asked_for(serve, toy):
    server = serve(toy, packed_outputs=True)
    stubs = Stubs(server.port)
    scores = stubs.predict(image_bytes=[PNG]).outputs["detection_scores"]
    stubs.close()
    assert len(scores.tensor_content) == 4 * D
    assert not scores.float_val


def test_ovmsclient_over_grpc(server):
    client = ovmsclient.make_grpc_client(f"127.0.0.1:{server.port}")
    assert client.get_model_status("toy")[1]["state"] == "AVAILABLE"
    metadata = client.get_model_metadata("toy")
    assert metadata["inputs"] == {"image_bytes": {"shape": [-1], "dtype": "DT_STRING"}}
    outputs = client.predict({"image_bytes": [PNG]}, "toy", timeout=TIMEOUT_S)
    assert outputs["detection_scores"].tolist() == [[1.0, 0.0]]
