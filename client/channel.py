"""The gRPC channel: deadlines, repeats, limits, and errors in our own terms."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from client.address import check_address, is_loopback, proxy_hint
from client.errors import ConnectError, ContractError, DeadlineError, ServerError
from client.flow import Flow, Turn
from client.refusal import GONE, OWN_LIMIT, hint, is_repeated, plain
from client.retry import Budget, RetryPolicy
from serving.contract import MAX_INFO_BYTES
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

SMALL_ANSWER_BYTES = MAX_INFO_BYTES + 4096
"""Limit of every answer but those to pictures."""
_STEP = 8
"""How much larger the limit of each further connection is."""
_RESPONSES = {
    PREDICT: PredictResponse,
    GET_MODEL_METADATA: GetModelMetadataResponse,
    GET_MODEL_STATUS: GetModelStatusResponse,
}
_RECEIVE = "grpc.max_receive_message_length"
_OPTIONS: dict[str, Any] = {
    # A 12-megapixel picture is 36 MB of pixels; gRPC's own limit is 4 MiB.
    "grpc.max_send_message_length": -1,
    "grpc.enable_retries": 0,  # ours know the deadline and tell about themselves
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.service_config": '{"loadBalancingConfig": [{"round_robin": {}}]}',
    # Masks are packed already, and a packed answer may grow a thousandfold.
    "grpc.compression_enabled_algorithms_bitset": 1,
    "grpc.per_message_decompression": 0,
}


class TooLargeError(ContractError):
    """An answer beyond what the model's contract allows."""


class _RefusedError(Exception):
    """The server does not take the call for now."""


class Channel:
    """Connections to a server; safe to use from several threads.

    gRPC knows a limit of answers only for a whole connection, so there is one for small
    answers, and others are made as larger pictures are sent.

    Attributes:
        address: the server's.
    """

    def __init__(
        self,
        address: str,
        *,
        retry: RetryPolicy,
        options: Sequence[tuple[str, Any]] = (),
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Connects when it is first used.

        Raises:
            ValueError: an address that is none.
        """
        self.address = check_address(address)
        self._retry = retry
        own = {"grpc.enable_http_proxy": 0} if is_loopback(address) else {}
        self._options = _OPTIONS | own | dict(options)
        self._credentials = credentials
        self._lock = threading.Lock()
        self._connections: dict[int, grpc.Channel] = {}
        self._flow = Flow()
        self._no_more = threading.Event()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Says whether `close` was called."""
        return self._is_closed

    def wait_ready(self, timeout_s: float) -> None:
        """Waits until a server answers, whatever it says.

        Raises:
            ConnectError: none did in time.
        """
        request = GetModelStatusRequest()
        try:
            self._send(GET_MODEL_STATUS, request, timeout_s, wait_for_ready=True)
        except grpc.RpcError as err:
            if err.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise ConnectError(
                    f"{self.address}: no server answered within {timeout_s:g} s: "
                    f"{self._reason()}; is it running, and is this its gRPC port?"
                    f"{proxy_hint(self.address)}"
                ) from err

    def _reason(self) -> str:
        """Returns gRPC's own words on why there is no connection."""
        try:
            self._send(GET_MODEL_STATUS, GetModelStatusRequest(), 0.5)
        except grpc.RpcError as err:
            return plain(str(err.details()))
        return "it answers by now"

    def call(
        self,
        method: str,
        request: Any,
        budget: Budget,
        *,
        what: str,
        max_bytes: int = SMALL_ANSWER_BYTES,
    ) -> Any:
        """Calls a method, again and again while the server takes no call.

        Args:
            method: one of the paths above.
            request: its message.
            budget: the time for all attempts together.
            what: what was asked for, for messages.
            max_bytes: of the answer.

        Returns:
            The answer's message.

        Raises:
            ConnectError: the server took no call in time, or the channel is closed.
            DeadlineError: no answer in time.
            ContractError: an answer that is too large, or no message at all.
            ServerError: any other error that the server or gRPC tells.
        """
        where = f"{self.address}: {what}"
        # Only what runs the model counts: the rest is answered beside it.
        flow = self._flow if method == PREDICT else Flow()
        turn = flow.turn()
        refused = _RefusedError()
        for attempt in itertools.count():
            try:
                data = self._attempt(
                    flow, turn, method, request, budget, where, max_bytes
                )
                return _parse(method, data, where, max_bytes)
            except _RefusedError as err:
                refused = err
            except DeadlineError as err:
                if not attempt:
                    raise
                raise self._gone(where, attempt, refused) from err
            left = budget.repeats_left_s()
            is_over = self._retry.is_over(attempt) or left < self._retry.first_delay_s
            # Halved near the end, so that the last attempt still has time.
            delay = min(self._retry.delay_s(attempt), left / 2)
            if is_over or self._no_more.wait(delay):
                if self._is_closed:
                    raise self._closed(where)
                raise self._gone(where, attempt + 1, refused) from refused.__cause__
        raise AssertionError  # the loop has no end; mypy does not know

    def _attempt(
        self,
        flow: Flow,
        turn: Turn,
        method: str,
        request: Any,
        budget: Budget,
        where: str,
        max_bytes: int,
    ) -> bytes:
        if not flow.enter(turn, budget.left_s()):
            if self._is_closed:
                raise self._closed(where)
            if flow.refusal:
                raise _RefusedError(flow.refusal)
            raise _late(where, budget)
        answered, refusal = False, ""
        try:
            data = self._send(method, request, budget.left_s(), max_bytes=max_bytes)
            answered = True
        except grpc.RpcError as err:
            code, details = err.code(), err.details() or ""
            if self._is_closed:
                raise self._closed(where) from err
            if is_repeated(code, details):
                refusal = _told(code, details)
                raise _RefusedError(refusal) from err
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise _late(where, budget) from err
            answered = True
            raise _error(where, code, details, max_bytes) from err
        except ValueError as err:  # gRPC's word for a closed channel
            raise self._closed(where) from err
        finally:
            flow.leave(turn, answered=answered, refusal=refusal)
        return data

    def _send(
        self,
        method: str,
        request: Any,
        timeout_s: float | None,
        *,
        wait_for_ready: bool = False,
        max_bytes: int = SMALL_ANSWER_BYTES,
    ) -> Any:
        # Parsed by us, under the call's own limit and with an error of ours.
        call = self._connection(max_bytes).unary_unary(
            method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=None,
        )
        return call(request, timeout=timeout_s, wait_for_ready=wait_for_ready)

    def _connection(self, max_bytes: int) -> grpc.Channel:
        """Returns a connection whose answers may be at least so large."""
        limit = SMALL_ANSWER_BYTES
        if _RECEIVE in self._options:
            limit = self._options[_RECEIVE]
        else:
            while limit < max_bytes:
                limit *= _STEP
        limit = min(limit, (1 << 31) - 1)
        with self._lock:
            if self._is_closed:
                raise ValueError("closed")
            if limit not in self._connections:
                options = list((self._options | {_RECEIVE: limit}).items())
                self._connections[limit] = (
                    grpc.insecure_channel(self.address, options=options)
                    if self._credentials is None
                    else grpc.secure_channel(
                        self.address, self._credentials, options=options
                    )
                )
            return self._connections[limit]

    def _gone(self, where: str, attempts: int, refused: Exception) -> ConnectError:
        return ConnectError(
            f"{where}: the server is unavailable after {attempts} attempts: {refused}"
            f"{proxy_hint(self.address)}"
        )

    def _closed(self, where: str) -> ConnectError:
        return ConnectError(f"{where}: the client is closed; make a new one")

    def pause(self, seconds: float) -> bool:
        """Waits; returns True, at once, if nothing is to be repeated any more."""
        return self._no_more.wait(seconds)

    def end_repeats(self) -> None:
        """Lets calls end that the server refuses; those that it has go on."""
        self._no_more.set()

    def close(self) -> None:
        """Ends the connections; calls under way fail."""
        with self._lock:
            self._is_closed = True
            connections = list(self._connections.values())
        self._no_more.set()
        self._flow.close()
        for connection in connections:
            connection.close()


def _parse(method: str, data: bytes, where: str, max_bytes: int) -> Any:
    if len(data) > max_bytes:
        raise TooLargeError(
            f"{where}: expected an answer of at most {max_bytes:,} bytes, got "
            f"{len(data):,}"
        )
    try:
        return _RESPONSES[method].FromString(data)
    except DecodeError as err:
        raise ContractError(
            f"{where}: expected a {_RESPONSES[method].DESCRIPTOR.name}, got "
            f"{len(data):,} bytes that are none"
        ) from err


def _late(where: str, budget: Budget) -> DeadlineError:
    return DeadlineError(
        f"{where}: no answer within {budget.timeout_s or 0:.3g} s; allow more time "
        "(timeout_s), or send less at once"
    )


def _error(
    where: str, code: grpc.StatusCode, details: str, max_bytes: int
) -> Exception:
    if OWN_LIMIT.search(details):
        return TooLargeError(
            f"{where}: expected an answer of at most {max_bytes:,} bytes, got a larger "
            f"one: {plain(details)}"
        )
    return ServerError(f"{where}: {_told(code, details)}", code, details)


def _told(code: grpc.StatusCode, details: str) -> str:
    told, cure = plain(details), hint(code, details)
    if code not in GONE:
        told = f"{code.name}: {told}"
    return f"{told}; {cure}" if cure else told


__all__ = [
    "GET_MODEL_METADATA",
    "GET_MODEL_STATUS",
    "PREDICT",
    "SMALL_ANSWER_BYTES",
    "Channel",
    "TooLargeError",
]
