"""The gRPC channel: deadlines, retries, limits, and errors in our own terms."""

from __future__ import annotations

import enum
import itertools
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from client.errors import ConnectError, DeadlineError, ServerError
from serving.protos import (
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictResponse,
)

PREDICT = f"/{PREDICTION_SERVICE}/Predict"
GET_MODEL_METADATA = f"/{PREDICTION_SERVICE}/GetModelMetadata"
GET_MODEL_STATUS = f"/{MODEL_SERVICE}/GetModelStatus"

_RESPONSES = {
    PREDICT: PredictResponse,
    GET_MODEL_METADATA: GetModelMetadataResponse,
    GET_MODEL_STATUS: GetModelStatusResponse,
}
_OPTIONS: dict[str, Any] = {
    # A 12-megapixel picture is 36 MB of pixels; gRPC's own limit is 4 MiB.
    "grpc.max_send_message_length": -1,
    "grpc.max_receive_message_length": -1,
    "grpc.enable_retries": 0,  # ours know the deadline and tell about themselves
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.service_config": '{"loadBalancingConfig": [{"round_robin": {}}]}',
}
# A server that stops cancels what it has not answered; we cancel nothing ourselves.
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_HINTS = {
    grpc.StatusCode.NOT_FOUND: "check the model's name and version",
    grpc.StatusCode.FAILED_PRECONDITION: "is this a model of this project's export?",
    grpc.StatusCode.UNIMPLEMENTED: "is this the gRPC port of TensorFlow Serving?",
}


class Unset(enum.Enum):
    """The value of an argument that was not given, where None means something."""

    UNSET = 0


UNSET = Unset.UNSET
Timeout = float | None | Unset
"""Seconds; None waits for ever, UNSET is the client's default."""


def check_timeout(timeout_s: float | None, name: str = "timeout_s") -> float | None:
    """Returns the seconds.

    Raises:
        ValueError: they are no positive, finite number.
    """
    if timeout_s is not None and not 0 < timeout_s < math.inf:
        raise ValueError(
            f"{name}: expected a finite number of seconds above 0, got {timeout_s}"
        )
    return timeout_s


@dataclass(frozen=True)
class RetryPolicy:
    """How calls are repeated while a server is unavailable, within their deadline.

    Attributes:
        retries: how often after the first attempt.
        first_delay_s: seconds before the first retry; each further one waits twice as
            long. Up to half of a delay is left out at random.
        max_delay_s: the longest delay, seconds.
    """

    retries: int = 5
    first_delay_s: float = 0.1
    max_delay_s: float = 2.0

    def delay_s(self, attempt: int) -> float:
        """Returns the seconds to wait after a failed attempt, counted from 0."""
        longest = min(self.first_delay_s * 2.0**attempt, self.max_delay_s)
        return longest * random.uniform(0.5, 1.0)


class Channel:
    """One channel to a server; safe to use from several threads."""

    def __init__(
        self,
        address: str,
        *,
        retry: RetryPolicy,
        options: Sequence[tuple[str, Any]] = (),
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.address = address
        self._retry = retry
        merged = list((_OPTIONS | dict(options)).items())
        self._channel = (
            grpc.insecure_channel(address, options=merged)
            if credentials is None
            else grpc.secure_channel(address, credentials, options=merged)
        )
        self._methods = {
            method: self._channel.unary_unary(
                method,
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=response.FromString,
            )
            for method, response in _RESPONSES.items()
        }

    def wait_ready(self, timeout_s: float) -> None:
        """Waits until a server answers, whatever it says.

        Raises:
            ConnectError: none did in time.
        """
        ask = self._methods[GET_MODEL_STATUS]
        try:
            ask(GetModelStatusRequest(), timeout=timeout_s, wait_for_ready=True)
        except grpc.RpcError as err:
            if err.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise ConnectError(
                    f"{self.address}: no server answered within {timeout_s:g} s: "
                    f"{self._reason()}; is it running, and is this its gRPC port?"
                ) from err

    def _reason(self) -> str:
        """Returns gRPC's own words on why there is no connection."""
        try:
            self._methods[GET_MODEL_STATUS](GetModelStatusRequest(), timeout=0.5)
        except grpc.RpcError as err:
            return str(err.details())
        return "it answers by now"

    def call(
        self, method: str, request: Any, *, timeout_s: float | None, what: str
    ) -> Any:
        """Calls a method, again and again while the server is unavailable.

        Args:
            method: one of the paths above.
            request: its message.
            timeout_s: seconds for all attempts together; None for no limit.
            what: what was asked for, for messages.

        Raises:
            ConnectError: the server stayed unavailable, or the channel is closed.
            DeadlineError: no answer in time.
            ServerError: any other error that the server or gRPC tells.
        """
        end = None if timeout_s is None else time.monotonic() + timeout_s
        for attempt in itertools.count():
            left = None if end is None else max(0.0, end - time.monotonic())
            try:
                return self._methods[method](request, timeout=left)
            except grpc.RpcError as err:
                delay = self._retry.delay_s(attempt)
                if (
                    err.code() not in _GONE
                    or attempt >= self._retry.retries
                    or (end is not None and time.monotonic() + delay >= end)
                ):
                    raise self._error(err, what, timeout_s, attempt + 1) from err
                time.sleep(delay)
            except ValueError as err:  # gRPC's word for a closed channel
                raise ConnectError(f"{self.address}: {what}: {err}") from err
        raise AssertionError  # the loop has no end; mypy does not know

    def _error(
        self, err: Any, what: str, timeout_s: float | None, attempts: int
    ) -> Exception:
        code, details = err.code(), err.details() or ""
        where = f"{self.address}: {what}"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineError(
                f"{where}: no answer within {timeout_s or 0:.3g} s; allow more time "
                "(timeout_s), or send less at once"
            )
        if code in _GONE:
            return ConnectError(
                f"{where}: the server is unavailable after {attempts} attempts: "
                f"{details}"
            )
        hint = f"; {_HINTS[code]}" if code in _HINTS else ""
        # TensorFlow adds the node of its graph, on lines of their own.
        told = details.partition("\n\t [[")[0]
        return ServerError(f"{where}: {code.name}: {told}{hint}", code, details)

    def close(self) -> None:
        """Ends the connection; calls under way fail."""
        self._channel.close()


__all__ = [
    "GET_MODEL_METADATA",
    "GET_MODEL_STATUS",
    "PREDICT",
    "UNSET",
    "Channel",
    "RetryPolicy",
    "Timeout",
    "Unset",
    "check_timeout",
]
