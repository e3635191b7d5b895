"""A gRPC server that answers whatever bytes lie in a folder.

`python -m tests.stress.hostile.evil_server FOLDER` prints its port, and ends when its
standard input does. `answer` is what Predict returns, `info` the JSON of `model_info`,
`status`, where it is there, a code and a text to refuse with.
"""

from __future__ import annotations

import json
import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from serving import contract
from serving.protos import PredictRequest, PredictResponse
from serving.protos.tensors import to_tensor_proto

_UNLIMITED = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if not details.method.endswith("/Predict"):
            return None
        return grpc.unary_unary_rpc_method_handler(
            self._predict, request_deserializer=PredictRequest.FromString
        )

    def _predict(self, request: Any, context: grpc.ServicerContext) -> bytes:
        if request.model_spec.signature_name == contract.MODEL_INFO:
            return info_answer((self._folder / "info").read_bytes())
        status = self._folder / "status"
        if status.exists():
            code, text = json.loads(status.read_text("utf-8"))
            context.abort(grpc.StatusCode[code], text)
        return (self._folder / "answer").read_bytes()


def info_answer(text: bytes) -> bytes:
    """Returns the serialised answer of `model_info`."""
    response = PredictResponse()
    response.model_spec.version.value = 1
    tensor = to_tensor_proto([text])
    response.outputs[contract.MODEL_INFO_JSON.name].CopyFrom(tensor)
    return response.SerializeToString()


def main(argv: list[str]) -> int:
    """Serves until the standard input ends."""
    server = grpc.server(
        futures.ThreadPoolExecutor(8),
        handlers=[_Handlers(Path(argv[0]))],
        options=_UNLIMITED,
    )
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)  # noqa: T201
    server.start()
    sys.stdin.read()
    server.stop(None).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
