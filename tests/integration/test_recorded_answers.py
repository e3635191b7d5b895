"""The embedded server answers what a real tensorflow_model_server answered."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import grpc
import pytest

from serving.protos import DATA_TYPE_NAMES, PredictRequest, PredictResponse

RECORDED = Path(__file__).parents[2].parent / "shared" / "tfserving"
CASES_FILE = RECORDED / "predict_cases.json"
TIMEOUT_S = 120.0

_SHAPE = "Shape of tensor "
_PARSING = "tensor parsing error: "
_METHOD = "Expected prediction signature method_name to be one of "
DIFFERENT_ON_PURPOSE = {
    # Refused before the graph runs; the text names the input, not the graph's node.
    "rank 0 string": ("INVALID_ARGUMENT", f"{_SHAPE}image_bytes [] is not"),
    "rank 2 string": ("INVALID_ARGUMENT", f"{_SHAPE}image_bytes [1,1] is not"),
    "image_tensor rank 0": ("INVALID_ARGUMENT", f"{_SHAPE}images [] is not"),
    "image_tensor rank 1": ("INVALID_ARGUMENT", f"{_SHAPE}images [5] is not"),
    "image_tensor rank 3": ("INVALID_ARGUMENT", f"{_SHAPE}images [256,256,3] is not"),
    "image_tensor rank 5": ("INVALID_ARGUMENT", f"{_SHAPE}images [1,1,256,256,3] is"),
    "image_tensor 1 channel": ("INVALID_ARGUMENT", f"{_SHAPE}images [1,50,50,1] is"),
    "image_tensor 4 channels": ("INVALID_ARGUMENT", f"{_SHAPE}images [1,50,50,4] is"),
    "roi rank 0": ("INVALID_ARGUMENT", f"{_SHAPE}image_bytes [] is not"),
    "info rank 0": ("INVALID_ARGUMENT", f"{_SHAPE}request [] is not"),
    "info rank 2": ("INVALID_ARGUMENT", f"{_SHAPE}request [1,2] is not"),
    "batch 0 string": ("INVALID_ARGUMENT", f"{_SHAPE}image_bytes [0] has a batch of"),
    "image_tensor batch 0": ("INVALID_ARGUMENT", f"{_SHAPE}images [0,50,50,3] has a"),
    "roi batch 0": ("INVALID_ARGUMENT", f"{_SHAPE}image_bytes [0] has a batch of 0"),
    "info batch 0": ("INVALID_ARGUMENT", f"{_SHAPE}request [0] has a batch of 0"),
    # An unknown rank is no scalar.
    "unknown rank proto": ("INVALID_ARGUMENT", f"{_PARSING}image_bytes"),
    # Values are neither repeated nor dropped to fill a shape.
    "string shape 2, 1 value": ("INVALID_ARGUMENT", f"{_PARSING}image_bytes (tensor"),
    "string shape 1, 2 values": ("INVALID_ARGUMENT", f"{_PARSING}image_bytes (tensor"),
    "string shape 1, no value": ("INVALID_ARGUMENT", f"{_PARSING}image_bytes (tensor"),
    "image_tensor 2 values": ("INVALID_ARGUMENT", f"{_PARSING}images (tensor"),
    # The text says what is wrong.
    "string tensor_content": ("INVALID_ARGUMENT", f"{_PARSING}image_bytes (tensor"),
    "image_tensor short content": ("INVALID_ARGUMENT", f"{_PARSING}images (tensor"),
    "dtype invalid 0": ("INVALID_ARGUMENT", "Expects arg[0] to be string but invalid"),
    "dtype 999": ("INVALID_ARGUMENT", "Expects arg[0] to be string but unknown dtype"),
    # Nothing is made of a claim that its message cannot fill.
    "string shape 2^40": ("RESOURCE_EXHAUSTED", "tensor image_bytes: shape [109951162"),
    "image_tensor absurd 2^20": ("RESOURCE_EXHAUSTED", "tensor images: shape [1,10485"),
    "image_tensor overflow": ("RESOURCE_EXHAUSTED", "tensor images: shape [4611686018"),
    "image_tensor 1x1x200000000": ("RESOURCE_EXHAUSTED", "tensor images: shape [1,1,2"),
    # Only signatures that are for Predict are run.
    "init op signature": ("FAILED_PRECONDITION", _METHOD),
    "init op signature, no input": ("FAILED_PRECONDITION", _METHOD),
}
"""Case -> code and how the text begins here, also in docs/serving.md."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.skipif(not CASES_FILE.exists(), reason="needs ../shared"),
]


@pytest.fixture(scope="module")
def predict(tmp_path_factory):
    """Sends the bytes of a request to the model that the answers were recorded with."""
    from export.__main__ import main
    from serving.embedded.options import ServerOptions
    from serving.embedded.server import EmbeddedServer

    root = Path(__file__).parents[2]
    weights = root / "examples/nuclei/checkpoint/model_weights/model.h5"
    output = tmp_path_factory.mktemp("nuclei") / "mask_rcnn"
    assert main(["--weights", str(weights), "--output", str(output)]) == 0
    server = EmbeddedServer(
        ServerOptions(output, host="127.0.0.1", port=0, rest_api_port=None)
    )
    server.start()
    assert server.manager.wait_available(timeout_s=300)
    with grpc.insecure_channel(
        f"127.0.0.1:{server.port}", options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        method = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        yield lambda content: method(content, timeout=TIMEOUT_S)
    server.stop(60)


def _cases():
    return json.loads(CASES_FILE.read_text()) if CASES_FILE.exists() else []


def _comparable(message):
    """A text up to TensorFlow's trace, without names that differ in every export."""
    return re.sub(r"\{\{[^}]*\}\}", "{{}}", message.partition("\n\t [[")[0])


def _answer(predict, content):
    try:
        return "OK", predict(content)
    except grpc.RpcError as err:
        return err.code().name, err.details()


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["case"])
def test_a_recorded_request(predict, case):
    content = zlib.decompress(base64.b64decode(case["request_zlib_b64"]))
    assert PredictRequest.FromString(content) is not None
    expected = case["answer"]
    code, answer = _answer(predict, content)
    if case["case"] in DIFFERENT_ON_PURPOSE:
        wanted, text = DIFFERENT_ON_PURPOSE[case["case"]]
        assert code == wanted
        assert answer.startswith(text)
        assert (code, _comparable(answer)) != (
            expected["code"],
            _comparable(expected.get("message", "")),
        ), "no difference any more: take it out of the list"
        return
    assert code == expected["code"], answer
    if code != "OK":
        assert _comparable(answer) == _comparable(expected["message"])
        return
    response = PredictResponse.FromString(answer)
    got = {alias: _form(tensor) for alias, tensor in response.outputs.items()}
    assert got == expected["outputs"]
    spec = response.model_spec
    assert expected["model_spec"] == {
        "name": spec.name,
        "version": spec.version.value,
        "signature_name": spec.signature_name,
    }


def _form(tensor):
    """How a tensor travels: its type, shape, and the fields that hold its values."""
    fields = {field.name for field, _ in tensor.ListFields()}
    return {
        "dtype": DATA_TYPE_NAMES[tensor.dtype],
        "shape": [dim.size for dim in tensor.tensor_shape.dim],
        "field": sorted(fields - {"dtype", "tensor_shape", "version_number"}),
    }
