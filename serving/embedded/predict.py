"""The handling of a Predict request that gRPC and REST share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from serving.contract import SERVING_DEFAULT
from serving.embedded.errors import (
    ServingError,
    SignatureNotFoundError,
    invalid_argument,
)
from serving.embedded.gate import Gate, PendingCall
from serving.embedded.inputs import decode_inputs
from serving.embedded.manager import ModelManager
from serving.embedded.versions import LoadedModel
from serving.embedded.warmup import warmup_requests
from serving.protos import PredictRequest
from serving.protos.tensors import Array

_PREDICT_METHOD = "tensorflow/serving/predict"


@dataclass(frozen=True)
class SignatureAnswer:
    """What a model answered.

    Attributes:
        version: the version that ran.
        signature_name: the signature that ran.
        outputs: alias -> array.
    """

    version: int
    signature_name: str
    outputs: dict[str, Array]


class Predictor:
    """Runs requests on the served version, a bounded number at once."""

    def __init__(self, manager: ModelManager, gate: Gate) -> None:
        """`gate` is shared by everything that runs the model."""
        self._manager = manager
        self._gate = gate

    def run(
        self,
        model_spec: Any,
        read_inputs: Callable[[Any], dict[str, Array]],
        output_filter: Iterable[str],
        call: PendingCall,
    ) -> SignatureAnswer:
        """Answers one admitted request.

        Args:
            model_spec: ModelSpec; an empty signature name means `serving_default`.
            read_inputs: makes checked arrays for a SignatureDef out of the request.
            output_filter: aliases of the wanted outputs; empty for all.
            call: the request's deadline.

        Raises:
            ServingError: whatever the request or the model is refused for.
        """
        with self._manager.lease(model_spec) as servable:
            name = model_spec.signature_name or SERVING_DEFAULT
            signature = find_signature(servable.model, name)
            arrays = read_inputs(signature)
            aliases = select_outputs(signature, output_filter)
            with self._gate.slot(call):
                outputs = run_signature(
                    servable.model, signature, arrays, aliases, call
                )
            return SignatureAnswer(servable.version, name, outputs)


def predict_inputs(request: Any, max_images: int) -> Callable[[Any], dict[str, Array]]:
    """Returns the reader of a PredictRequest's inputs, for `Predictor.run`."""
    return lambda signature: decode_inputs(
        signature, request.inputs, max_rows=max_images
    )


def find_signature(model: LoadedModel, name: str) -> Any:
    """Returns a SignatureDef that Predict can run.

    Raises:
        ServingError: no such signature, or one that is no Predict signature.
    """
    signatures = model.signatures.signature_def
    if name not in signatures:
        raise SignatureNotFoundError(name)
    signature = signatures[name]
    if signature.method_name != _PREDICT_METHOD:
        raise ServingError(
            grpc.StatusCode.FAILED_PRECONDITION,
            "Expected prediction signature method_name to be one of "
            f"{{{_PREDICT_METHOD}}}. Was: {signature.method_name}",
        )
    return signature


def select_outputs(signature: Any, output_filter: Iterable[str]) -> list[str]:
    """Returns the output aliases to run.

    Raises:
        ServingError: INVALID_ARGUMENT, an alias that isn't there or is named twice.
    """
    wanted: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            known = ",".join(sorted(signature.outputs))
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected "
                f"to be in the set {{{known}}}."
            )
        if alias in wanted:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        wanted.append(alias)
    return wanted or sorted(signature.outputs)


def run_signature(
    model: LoadedModel,
    signature: Any,
    arrays: dict[str, Array],
    aliases: list[str],
    call: PendingCall,
) -> dict[str, Array]:
    """Runs checked arrays through a signature while somebody waits for the answer."""
    feeds = {signature.inputs[alias].name: array for alias, array in arrays.items()}
    fetches = [signature.outputs[alias].name for alias in aliases]
    values = model.run(feeds, fetches, call.remaining_s)
    return dict(zip(aliases, values, strict=True))


def warm_up(model: LoadedModel, version_path: Path) -> int:
    """Runs a version's warmup requests; returns how many there were.

    Raises:
        ServingError: the file is broken, or the model refused a request: such a version
            does not load, as in TensorFlow Serving.
    """
    requests = warmup_requests(version_path)
    for index, request in enumerate(requests):
        try:
            _warm_up_with(model, request)
        except ServingError as err:
            raise ServingError(
                err.code, f"warmup record {index} failed: {err.message}"
            ) from err
    return len(requests)


def _warm_up_with(model: LoadedModel, request: PredictRequest) -> None:
    name = request.model_spec.signature_name or SERVING_DEFAULT
    signature = find_signature(model, name)
    arrays = decode_inputs(signature, request.inputs)
    aliases = select_outputs(signature, request.output_filter)
    run_signature(model, signature, arrays, aliases, PendingCall(None))
