"""TensorFlow Serving's REST API: paths, bodies and answers, without the HTTP."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf import json_format

from serving.describe import SIGNATURE_DEF_FIELD, model_metadata, model_status
from serving.errors import ServingError, SignatureNotFoundError, invalid_argument
from serving.gate import Call, Gate
from serving.manager import ModelManager
from serving.predict import Predictor
from serving.protos import (
    GetModelMetadataRequest,
    GetModelStatusRequest,
    ModelSpec,
    SignatureDefMap,
)
from serving.rest_inputs import parse_body, read_inputs
from serving.rest_outputs import write_outputs

_MODEL = r"/v1/models/(?P<name>[^/:]+)"
_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_CALL = re.compile(_MODEL + _VERSION + r":(?P<verb>predict|classify|regress)", re.I)
_LOOK = re.compile(_MODEL + _VERSION + r"(?P<metadata>/metadata)?", re.I)
_MAX_VERSION = 2**63 - 1
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

    def __init__(self, manager: ModelManager, gate: Gate, *, timeout_s: float) -> None:
        """`timeout_s` bounds every Predict call."""
        self._manager = manager
        self._gate = gate
        self._predictor = Predictor(manager, gate)
        self._timeout_s = timeout_s

    def answer(self, method: str, path: str, body: bytes) -> bytes:
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
            return self._predict(_model_spec(match), body)
        if method == "GET" and (match := _LOOK.fullmatch(path)):
            look = self._metadata if match["metadata"] else self._status
            return look(_model_spec(match))
        raise invalid_argument(f"Malformed request: {method} {path}")

    def _predict(self, spec: Any, body: bytes) -> bytes:
        call = Call(self._timeout_s)
        with self._gate.admission():
            content = parse_body(body)
            spec.signature_name = content.get("signature_name", "")
            try:
                prediction = self._predictor.run(
                    spec, lambda signature: read_inputs(content, signature), (), call
                )
            except SignatureNotFoundError as err:
                raise invalid_argument(
                    f'Serving signature name: "{err.signature_name}" not found in '
                    "signature def"
                ) from err
            rows = "instances" in content
            # NaN and Infinity are written bare, as TensorFlow Serving writes them.
            return json.dumps(write_outputs(prediction.outputs, rows=rows)).encode()

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
        if int(match["version"]) > _MAX_VERSION:
            raise invalid_argument(
                f"Failed to convert version: {match['version']} to numeric."
            )
        spec.version.value = int(match["version"])
    if match["label"]:
        spec.version_label = unquote(match["label"])
    return spec
