"""One model on a server: its signatures as Python calls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError

from client.errors import ContractError, ServerError
from client.image import LoadedImage
from client.transport.answer import ServedDetections, read_detections, read_outputs
from client.transport.answer_size import answer_limit
from client.transport.channel import (
    GET_MODEL_METADATA,
    PREDICT,
    Channel,
    TooLargeError,
)
from client.transport.connections import SMALL_ANSWER_BYTES
from client.transport.loading import Loading, model_spec
from client.transport.retry import Budget
from serving import contract
from serving.plain_text import shortened
from serving.protos import (
    GetModelMetadataRequest,
    PredictRequest,
    SignatureDefMap,
)
from serving.protos.tensors import to_tensor_proto

logger = logging.getLogger(__name__)

MAX_VERSION = 2**63 - 1
"""The wire has 64 bits for it."""
MOST_SIGNATURES = 10
"""Signatures that a message lists."""
MOST_VERSIONS = 32
"""Versions of which the description is kept."""
UNKNOWN_OUTPUT = "output tensor alias not found"
"""TensorFlow Serving's words for an output that the version does not have."""


class RemoteModel:
    """A model behind a channel; safe to use from several threads.

    The version that answers may change while connected; what is known of each is kept.
    """

    def __init__(self, channel: Channel, name: str, version: int | None) -> None:
        """Asks nothing yet.

        Raises:
            ValueError: no server can have such a version.
        """
        if version is not None and not 0 <= version <= MAX_VERSION:
            raise ValueError(
                f"version: expected None or 0..{MAX_VERSION}, got {version}"
            )
        self._channel = channel
        self._name = name
        self._version = version
        self._loading = Loading(channel, name, version)
        self._lock = threading.Lock()
        self._infos: dict[int | None, contract.ModelInfo] = {}
        self._latest: int | None = None

    @property
    def version(self) -> int | None:
        """The version that answered last, None if the server never told."""
        return self._latest

    def info(self, version: int | None) -> contract.ModelInfo:
        """Returns what is known of a version, else of the one that answered last.

        `fetch_info` has to come first.
        """
        return self._infos.get(version, self._infos[self._latest])

    def fetch_info(
        self, timeout_s: float | None, wait_s: float | None = None
    ) -> contract.ModelInfo:
        """Asks the server what the model is.

        Args:
            timeout_s: seconds for an answer; None for no limit.
            wait_s: seconds for a version that is loading; `timeout_s` if not given.

        Raises:
            ClientError: no answer, or a model that does not tell.
        """
        return self._loading.ask(
            lambda: self._fetch_info(self._version, Budget(timeout_s)),
            Budget(timeout_s if wait_s is None else wait_s),
        )

    def detect(
        self, images: Sequence[LoadedImage], timeout_s: float | None
    ) -> list[ServedDetections]:
        """Sends images in one request.

        Args:
            images: either all encoded, or all pixels and of one size.
            timeout_s: seconds; None for no limit.

        Returns:
            One entry an image, in their order.

        Raises:
            ClientError: no answer, or one that does not keep the contract.
        """
        encoded = [p.encoded for p in images if p.encoded is not None]
        if encoded:
            signature = contract.SERVING_DEFAULT
            inputs = {contract.IMAGE_BYTES.name: to_tensor_proto(encoded)}
        else:
            signature = contract.IMAGE_TENSOR
            pixels = np.stack([image.rgb() for image in images])
            inputs = {contract.IMAGES.name: to_tensor_proto(pixels)}
        budget = Budget(timeout_s)
        sizes = [image.size for image in images]
        names = ", ".join(dict.fromkeys(image.name for image in images))
        response = self._loading.ask(
            lambda: self._ask_for(signature, inputs, sizes, budget, names), budget
        )
        version = self._version_of(response)
        if version is not None and version not in self._infos:
            self._fetch_new_info(version, budget)
        try:
            detections = read_detections(
                response.outputs,
                contract.SIGNATURES[signature],
                sizes,
                version,
                self._infos.get(version),
            )
        except ContractError as err:
            raise ContractError(f"{self._channel.address}: {names}: {err}") from err
        if version in self._infos:
            self._latest = version
        return detections

    def _ask_for(
        self,
        signature: str,
        inputs: dict[str, Any],
        sizes: Sequence[tuple[int, int]],
        budget: Budget,
        names: str,
    ) -> Any:
        """Asks for the contract's outputs; once more where the contract has changed."""
        limit = answer_limit(self.info(self._version), sizes)

        def ask() -> Any:
            return self._predict(
                self._version, signature, inputs, budget, names, max_bytes=limit
            )

        try:
            return ask()
        except ServerError as err:
            if UNKNOWN_OUTPUT not in err.details:
                raise
            self._fetch_info(self._version, budget)
        except TooLargeError:
            info = self._fetch_info(self._version, budget)
            if answer_limit(info, sizes) <= limit:
                raise
            limit = answer_limit(info, sizes)
        try:
            return ask()
        except ServerError as err:
            if UNKNOWN_OUTPUT not in err.details:
                raise
            raise ContractError(
                f"{err}; expected the outputs that the contract gives {signature}"
            ) from err

    def _fetch_new_info(self, version: int | None, budget: Budget) -> None:
        """Gets to know a version that has just appeared."""
        try:
            info = self._fetch_info(version, budget)
        except ServerError as err:
            if err.code is not grpc.StatusCode.NOT_FOUND:
                raise
            # Replaced again meanwhile; the answer itself carries what matters.
            logger.info("model %s: version %s is gone again", self._name, version)
            return
        logger.info("model %s: version %s of %s", self._name, version, info.created)

    def _fetch_info(self, version: int | None, budget: Budget) -> contract.ModelInfo:
        signature = contract.MODEL_INFO
        inputs = {contract.REQUEST.name: to_tensor_proto([b""])}
        try:
            response = self._predict(version, signature, inputs, budget, "its info")
        except ServerError as err:
            if err.code is not grpc.StatusCode.FAILED_PRECONDITION:
                raise
            raise ContractError(
                f"{self._channel.address}: {self._describe(version)}: expected the "
                f"signature {signature}, got a model that offers "
                f"{self._offered(version, budget)}; export it with this project"
            ) from err
        outputs = read_outputs(response.outputs, contract.SIGNATURES[signature])
        try:
            info = contract.ModelInfo.from_json(
                outputs[contract.MODEL_INFO_JSON.name][0]
            )
        except contract.ModelInfoError as err:
            raise ContractError(f"{self._describe(version)}: {err}") from err
        with self._lock:
            self._latest = self._version_of(response)
            self._infos.pop(self._latest, None)
            self._infos[self._latest] = info
            if len(self._infos) > MOST_VERSIONS:
                del self._infos[next(iter(self._infos))]
        return info

    def _offered(self, version: int | None, budget: Budget) -> str:
        """Returns the model's own signatures, for a message."""
        request = GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.CopyFrom(self._spec(version))
        what = f"{self._describe(version)}, its signatures"
        response = self._channel.call(GET_MODEL_METADATA, request, budget, what=what)
        signatures = SignatureDefMap()
        try:
            response.metadata["signature_def"].Unpack(signatures)
        except DecodeError:
            return "signatures that are not readable"
        names = sorted(signatures.signature_def)
        told = ", ".join(shortened(name)[1:-1] for name in names[:MOST_SIGNATURES])
        more = len(names) - MOST_SIGNATURES
        return (f"{told} and {more:,} more" if more > 0 else told) or "no signature"

    def _predict(
        self,
        version: int | None,
        signature: str,
        inputs: dict[str, Any],
        budget: Budget,
        subject: str,
        *,
        max_bytes: int = SMALL_ANSWER_BYTES,
    ) -> Any:
        request = PredictRequest(model_spec=self._spec(version, signature))
        for name, tensor in inputs.items():
            request.inputs[name].CopyFrom(tensor)
        request.output_filter.extend(
            tensor.name for tensor in contract.SIGNATURES[signature].outputs
        )
        what = f"{self._describe(version)}, {signature}, {subject}"
        return self._channel.call(
            PREDICT, request, budget, what=what, max_bytes=max_bytes
        )

    def _spec(self, version: int | None, signature: str = "") -> Any:
        return model_spec(self._name, version, signature)

    def _describe(self, version: int | None) -> str:
        return f"model {self._name}" + ("" if version is None else f":{version}")

    def _version_of(self, response: Any) -> int | None:
        """Returns the version that answered, None if it does not tell."""
        spec = response.model_spec
        if not spec.HasField("version"):
            return None
        version = int(spec.version.value)
        if version < 0:
            raise ContractError(
                f"{self._channel.address}: {self._describe(self._version)}: expected a "
                f"version of at least 0, got {version}"
            )
        return version
