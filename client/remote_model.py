"""One model on a server: its signatures as Python calls."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np

from client.answer import Detections, read_detections, read_outputs
from client.channel import GET_MODEL_METADATA, PREDICT, Channel
from client.errors import ContractError, ServerError
from client.image import Picture
from serving import contract
from serving.protos import (
    GetModelMetadataRequest,
    ModelSpec,
    PredictRequest,
    SignatureDefMap,
)
from serving.protos.tensors import to_tensor_proto

logger = logging.getLogger(__name__)

MAX_VERSION = 2**63 - 1
"""The wire has 64 bits for it."""


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

    def fetch_info(self, timeout_s: float | None) -> contract.ModelInfo:
        """Asks the server what the model is.

        Raises:
            ClientError: no answer, or a model that does not tell.
        """
        return self._fetch_info(self._version, timeout_s)

    def detect(
        self, pictures: Sequence[Picture], timeout_s: float | None
    ) -> list[Detections]:
        """Sends pictures in one request.

        Args:
            pictures: either all encoded, or all pixels and of one size.
            timeout_s: seconds; None for no limit.

        Returns:
            One entry a picture, in their order.

        Raises:
            ClientError: no answer, or one that does not keep the contract.
        """
        encoded = [p.encoded for p in pictures if p.encoded is not None]
        if encoded:
            signature = contract.SERVING_DEFAULT
            inputs = {contract.IMAGE_BYTES.name: to_tensor_proto(encoded)}
        else:
            signature = contract.IMAGE_TENSOR
            pixels = np.stack([picture.rgb() for picture in pictures])
            inputs = {contract.IMAGES.name: to_tensor_proto(pixels)}
        names = dict.fromkeys(picture.name for picture in pictures)
        response = self._predict(
            self._version, signature, inputs, timeout_s, ", ".join(names)
        )
        version = _version(response)
        sizes = [picture.size for picture in pictures]
        detections = read_detections(
            response.outputs, contract.SIGNATURES[signature], sizes, version
        )
        if version is not None and version not in self._infos:
            self._fetch_new_info(version, timeout_s)
        if version in self._infos:
            self._latest = version
        return detections

    def _fetch_new_info(self, version: int | None, timeout_s: float | None) -> None:
        """Gets to know a version that has just appeared."""
        try:
            info = self._fetch_info(version, timeout_s)
        except ServerError as err:
            if err.code is not grpc.StatusCode.NOT_FOUND:
                raise
            # Replaced again meanwhile; the answer itself carries what matters.
            logger.info("model %s: version %s is gone again", self._name, version)
            return
        logger.info("model %s: version %s of %s", self._name, version, info.created)

    def _fetch_info(
        self, version: int | None, timeout_s: float | None
    ) -> contract.ModelInfo:
        signature = contract.MODEL_INFO
        inputs = {contract.REQUEST.name: to_tensor_proto([b""])}
        try:
            response = self._predict(version, signature, inputs, timeout_s, "its info")
        except ServerError as err:
            if err.code is not grpc.StatusCode.FAILED_PRECONDITION:
                raise
            raise ContractError(
                f"{self._channel.address}: {self._describe(version)}: expected the "
                f"signature {signature}, got a model that offers "
                f"{self._offered(version, timeout_s)}; export it with this project"
            ) from err
        outputs = read_outputs(response.outputs, contract.SIGNATURES[signature])
        try:
            info = contract.ModelInfo.from_json(
                outputs[contract.MODEL_INFO_JSON.name][0]
            )
        except contract.ContractError as err:
            raise ContractError(f"{self._describe(version)}: {err}") from err
        with self._lock:
            self._latest = _version(response)
            self._infos[self._latest] = info
        return info

    def _offered(self, version: int | None, timeout_s: float | None) -> str:
        """Returns the model's own signatures, for a message."""
        request = GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.CopyFrom(self._spec(version))
        response = self._channel.call(
            GET_MODEL_METADATA,
            request,
            timeout_s=timeout_s,
            what=f"{self._describe(version)}, its signatures",
        )
        signatures = SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        return ", ".join(sorted(signatures.signature_def)) or "no signature"

    def _predict(
        self,
        version: int | None,
        signature: str,
        inputs: dict[str, Any],
        timeout_s: float | None,
        subject: str,
    ) -> Any:
        request = PredictRequest(model_spec=self._spec(version, signature))
        for name, tensor in inputs.items():
            request.inputs[name].CopyFrom(tensor)
        what = f"{self._describe(version)}, {signature}, {subject}"
        return self._channel.call(PREDICT, request, timeout_s=timeout_s, what=what)

    def _spec(self, version: int | None, signature: str = "") -> Any:
        spec = ModelSpec(name=self._name, signature_name=signature)
        if version is not None:
            spec.version.value = version
        return spec

    def _describe(self, version: int | None) -> str:
        return f"model {self._name}" + ("" if version is None else f":{version}")


def _version(response: Any) -> int | None:
    spec = response.model_spec
    return spec.version.value if spec.HasField("version") else None


__all__ = ["MAX_VERSION", "RemoteModel"]
