"""Requests through the stubs that tensorflow-serving-api brings."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

UNLIMITED = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)
TIMEOUT_S = 60.0


class Stubs:
    """A channel to a server with every stub; closed by `close`."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=UNLIMITED)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(
            self.channel
        )
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, signature: str = "", **inputs: Any) -> Any:
        return self.prediction.Predict(request(signature, **inputs), timeout=TIMEOUT_S)

    def start(self, signature: str = "", **inputs: Any) -> Any:
        return self.prediction.Predict.future(
            request(signature, **inputs), timeout=TIMEOUT_S
        )

    def info(self) -> tuple[int, str]:
        """Returns the version that answered, and the mark of its model."""
        response = self.predict("model_info", request=[b""])
        text = response.outputs["model_info_json"].string_val[0]
        return response.model_spec.version.value, json.loads(text)["mark"]

    def states(self, name: str = "toy") -> dict[int, int]:
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = name
        response = self.model.GetModelStatus(status, timeout=TIMEOUT_S)
        return {s.version: s.state for s in response.model_version_status}

    def close(self) -> None:
        self.channel.close()


def request(signature: str = "", name: str = "toy", **inputs: Any) -> Any:
    """Returns a PredictRequest."""
    message = predict_pb2.PredictRequest()
    message.model_spec.name = name
    message.model_spec.signature_name = signature
    for alias, value in inputs.items():
        array = np.array(value) if not isinstance(value, np.ndarray) else value
        message.inputs[alias].CopyFrom(tf.make_tensor_proto(array))
    return message


def rest(port: int, path: str, body: Any = None) -> tuple[int, Any]:
    """Returns the status and the JSON content of an answer."""
    data = (
        body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    )
    call = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data)
    try:
        with urllib.request.urlopen(call, timeout=TIMEOUT_S) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as err:
        with err:
            return err.code, json.loads(err.read())
