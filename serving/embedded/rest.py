"""TensorFlow Serving's REST API: paths, bodies and answers, without the HTTP."""

from __future__ import annotations

import inspect
import json
import re
import threading
from contextlib import ExitStack
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import json_format

from serving.embedded.describe import SIGNATURE_DEF_FIELD, model_metadata, model_status
from serving.embedded.errors import (
    ServingError,
    SignatureNotFoundError,
    invalid_argument,
)
from serving.embedded.gate import Gate, PendingCall
from serving.embedded.manager import ModelManager
from serving.embedded.predict import Predictor
from serving.embedded.rest_inputs import parse_body, read_inputs
from serving.embedded.rest_json import no_collection
from serving.embedded.rest_outputs import write_outputs
from serving.protos import (
    GetModelMetadataRequest,
    GetModelStatusRequest,
    ModelSpec,
    SignatureDefMap,
)
from serving.protos.tensors import Array

_MODEL = r"/v1/models/(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_CALL = re.compile(_MODEL + _VERSION + r":(?P<verb>predict|classify|regress)", re.I)
_LOOK = re.compile(_MODEL + _VERSION + r"(?P<metadata>/metadata)?", re.I)
_MAX_VERSION = 2**63 - 1
_MAX_VERSION_DIGITS = 19
# Renamed between protobuf 4 and 5.
_PRINT_DEFAULTS: dict[str, Any] = {
    name: True
    for name in (
        "always_print_fields_with_no_presence",
        "including_default_value_fields",
    )
    if name in inspect.signature(json_format.MessageToDict).parameters
}


class RestService:
    """The API's calls: from a path and a body to the content of an answer."""

    def __init__(
        self, manager: ModelManager, gate: Gate, *, max_images: int, timeout_s: float
    ) -> None:
        """Prepares.

        Args:
            manager: the model's versions.
            gate: shared by everything that runs the model.
            max_images: most images of a request.
            timeout_s: bound of every Predict call.
        """
        self._manager = manager
        self._gate = gate
        self._predictor = Predictor(manager, gate)
        self._max_images = max_images
        self._timeout_s = timeout_s
        # What a body unpacks to is far larger than the body, and making it keeps the
        # interpreter busy: one at a time bounds both.
        self._reading = threading.Lock()

    def start_call(self) -> PendingCall:
        """Returns the deadline of a request that begins now."""
        return PendingCall(self._timeout_s)

    def cancel(self, call: PendingCall) -> None:
        """Tells that nobody waits for `call` any more."""
        self._gate.cancel(call)

    def answer(self, method: str, path: str, body: bytes, call: PendingCall) -> bytes:
        """Returns the JSON of an answer.

        Raises:
            ServingError: whatever the request is refused for.
        """
        if method == "POST" and (match := _CALL.fullmatch(path)):
            if match["verb"].lower() != "predict":
                raise ServingError(
                    grpc.StatusCode.UNIMPLEMENTED,
                    f"{match['verb']} is not supported; use predict",
                )
            return self._predict(_model_spec(match), body, call)
        if method == "GET" and (match := _LOOK.fullmatch(path)):
            look = self._metadata if match["metadata"] else self._status
            return look(_model_spec(match))
        raise invalid_argument(f"Malformed request: {method} {path}")

    def _predict(self, spec: Any, body: bytes, call: PendingCall) -> bytes:
        with self._gate.admission(), ExitStack() as turn:
            self._wait_to_read(call)
            turn.callback(self._reading.release)
            turn.enter_context(no_collection())
            content = parse_body(body)
            rows = "instances" in content
            spec.signature_name = content.get("signature_name", "")

            def arrays(signature: Any) -> dict[str, Array]:
                read = read_inputs(content, signature, max_rows=self._max_images)
                content.clear()  # from here on only arrays are kept
                turn.close()
                return read

            try:
                prediction = self._predictor.run(spec, arrays, (), call)
            except SignatureNotFoundError as err:
                raise invalid_argument(
                    f'Serving signature name: "{err.signature_name}" not found in '
                    "signature def"
                ) from err
            return write_outputs(prediction.outputs, rows=rows)

    def _wait_to_read(self, call: PendingCall) -> None:
        left = call.remaining_s()
        if not self._reading.acquire(timeout=-1 if left is None else left):
            call.remaining_s()  # raises

    def _status(self, spec: Any) -> bytes:
        response = model_status(self._manager, GetModelStatusRequest(model_spec=spec))
        return json.dumps(_to_dict(response), indent=1).encode()

    def _metadata(self, spec: Any) -> bytes:
        response = model_metadata(
            self._manager,
            GetModelMetadataRequest(
                model_spec=spec, metadata_field=[SIGNATURE_DEF_FIELD]
            ),
        )
        signatures = SignatureDefMap()
        response.metadata[SIGNATURE_DEF_FIELD].Unpack(signatures)
        content = {
            "model_spec": _to_dict(response.model_spec),
            "metadata": {SIGNATURE_DEF_FIELD: _to_dict(signatures)},
        }
        return json.dumps(content, indent=1).encode()


def _to_dict(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, **_PRINT_DEFAULTS
    )


def _model_spec(match: re.Match[str]) -> Any:
    spec = ModelSpec(name=unquote(match["name"]))
    if match["version"]:
        # Counted first: Python refuses to read some thousand digits.
        digits = match["version"].lstrip("0") or "0"
        if len(digits) > _MAX_VERSION_DIGITS or int(digits) > _MAX_VERSION:
            raise invalid_argument(
                f"Failed to convert version: {match['version']} to numeric."
            )
        spec.version.value = int(digits)
    if match["label"]:
        spec.version_label = unquote(match["label"])
    return spec
