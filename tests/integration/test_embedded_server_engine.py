"""A server runs what its engine loads, and needs TensorFlow for TensorFlow's only."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import grpc
import numpy as np

from serving.embedded import EmbeddedServer, ServerOptions
from serving.embedded.errors import ServingError
from serving.protos import (
    PREDICTION_SERVICE,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
)
from serving.protos.tensors import from_tensor_proto, to_tensor_proto

ROOT = Path(__file__).parents[2]
FLOAT = 1


class Doubler:
    """A model without TensorFlow: y = 2 x."""

    def __init__(self, path: Path, options: ServerOptions) -> None:
        self.path, self.options = path, options
        self.closed = threading.Event()
        self.signatures = SignatureDefMap()
        signature = self.signatures.signature_def["serving_default"]
        signature.method_name = "tensorflow/serving/predict"
        for alias, tensors in (("x", signature.inputs), ("y", signature.outputs)):
            tensors[alias].name = f"{alias}_of_engine:0"
            tensors[alias].dtype = FLOAT
            tensors[alias].tensor_shape.dim.add(size=-1)

    def run(self, feeds, fetches, remaining_s):
        assert remaining_s() > 0
        assert list(fetches) == ["y_of_engine:0"]
        return [2 * feeds["x_of_engine:0"]]

    def close(self) -> None:
        self.closed.set()


def served(base, engine):
    options = ServerOptions(
        model_base_path=base,
        host="127.0.0.1",
        port=0,
        rest_api_port=None,
        poll_wait_s=0.02,
    )
    return EmbeddedServer(options, engine), options


def predict(address, values):
    request = PredictRequest()
    request.model_spec.name = "mask_rcnn"
    request.inputs["x"].CopyFrom(to_tensor_proto(np.float32(values)))
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            f"/{PREDICTION_SERVICE}/Predict",
            request_serializer=PredictRequest.SerializeToString,
            response_deserializer=PredictResponse.FromString,
        )
        return call(request, timeout=60, wait_for_ready=True)


def test_any_model_is_served(tmp_path):
    (tmp_path / "7").mkdir()
    loaded = []

    def engine(path, options):
        loaded.append(Doubler(path, options))
        return loaded[-1]

    server, options = served(tmp_path, engine)
    server.start()
    try:
        assert server.manager.wait_available(timeout_s=60)
        response = predict(server.address, [1.5, -4])
        assert response.model_spec.version.value == 7
        assert from_tensor_proto(response.outputs["y"]).tolist() == [3, -8]
        (model,) = loaded
        assert model.path == tmp_path / "7"
        assert model.options is options
        assert not model.closed.is_set()
    finally:
        server.stop(drain_timeout_s=60)
    assert model.closed.wait(60)


def test_what_the_engine_refuses_is_the_status_of_the_version(tmp_path):
    (tmp_path / "7").mkdir()
    refused = threading.Event()

    def engine(path, options):
        refused.set()
        raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, "no such engine file")

    server, _ = served(tmp_path, engine)
    server.start()
    try:
        assert refused.wait(60)
        assert not server.manager.wait_available(timeout_s=0.2)
        (status,) = server.manager.statuses()
    finally:
        server.stop(drain_timeout_s=60)
    assert (status.version, status.code, status.message) == (
        7,
        grpc.StatusCode.FAILED_PRECONDITION,
        "no such engine file",
    )


def test_another_engine_needs_no_tensorflow(tmp_path):
    (tmp_path / "7").mkdir()
    code = f"""
import sys
from pathlib import Path
from tests.integration.test_embedded_server_engine import Doubler, predict, served
server, _ = served(Path({str(tmp_path)!r}), Doubler)
server.start()
assert server.manager.wait_available(timeout_s=60)
predict(server.address, [1])
server.stop(drain_timeout_s=60)
print("tensorflow" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "False\n"
