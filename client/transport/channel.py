"""The gRPC channel: deadlines, repeats, limits, and errors in our own terms."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from client.errors import ConnectError, ContractError, DeadlineError, ServerError
from client.transport.address import check_address, proxy_hint
from client.transport.connections import SMALL_ANSWER_BYTES, Connections
from client.transport.limiter import Limiter, Turn
from client.transport.refusal import GONE, OWN_LIMIT, hint, is_repeated, plain
from client.transport.retry import LONGEST_REPEATS_S, Budget, RetryPolicy
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


class TooLargeError(ContractError):
    """An answer beyond what the model's contract allows."""


class _RefusedError(Exception):
    """The server does not take the call for now."""


class Channel:
    """A channel to a server; safe to use from several threads.

    Attributes:
        address: the server's.
    """

    def __init__(
        self,
        address: str,
        *,
        retry: RetryPolicy,
        server_wait_s: float = LONGEST_REPEATS_S,
        options: Sequence[tuple[str, Any]] = (),
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Connects when it is first used.

        Args:
            address: the server's.
            retry: how refused calls are repeated.
            server_wait_s: seconds after the last answer, or after the start of a call,
                that calls are repeated.
            options: gRPC channel arguments; they win over our own.
            credentials: for TLS.

        Raises:
            ValueError: an address that is none.
        """
        self.address = check_address(address)
        self._retry = retry
        self._server_wait_s = server_wait_s
        self._connections = Connections(self.address, options, credentials)
        self._limiter = Limiter()
        self._no_more = threading.Event()
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Says whether `close` was called."""
        return self._is_closed

    @property
    def silent_s(self) -> float:
        """Seconds since the server last answered for the model."""
        return time.monotonic() - self._limiter.answered_at

    def wait_ready(self, timeout_s: float) -> None:
        """Waits until a server answers, whatever it says.

        Raises:
            ConnectError: none did in time.
        """
        request = GetModelStatusRequest()
        try:
            self._connections.send(
                GET_MODEL_STATUS, request, timeout_s, wait_for_ready=True
            )
        except grpc.RpcError as err:
            if err.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise ConnectError(
                    f"{self.address}: no server answered within {timeout_s:g} s: "
                    f"{self._reason()}; is it running, and is this its gRPC port?"
                    f"{proxy_hint(self.address)}"
                ) from err

    def is_answering(self, timeout_s: float) -> bool:
        """Asks whether a server answers, whatever it says."""
        request = GetModelStatusRequest()
        try:
            self._connections.send(GET_MODEL_STATUS, request, timeout_s)
        except grpc.RpcError as err:
            return err.code() not in (*GONE, grpc.StatusCode.DEADLINE_EXCEEDED)
        except ValueError:  # closed
            return False
        return True

    def _reason(self) -> str:
        """Returns gRPC's own words on why there is no connection."""
        try:
            self._connections.send(GET_MODEL_STATUS, GetModelStatusRequest(), 0.5)
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
        limiter = self._limiter if method == PREDICT else Limiter()
        turn = limiter.turn()
        refused = _RefusedError()
        for attempt in itertools.count():
            try:
                data = self._attempt(
                    limiter, turn, method, request, budget, where, max_bytes
                )
                return _parse(method, data, where, max_bytes)
            except _RefusedError as err:
                refused = err
            except DeadlineError as err:
                if not attempt:
                    raise
                raise self._gone(where, attempt, refused) from err
            left = self._repeats_left_s(limiter, budget)
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
        limiter: Limiter,
        turn: Turn,
        method: str,
        request: Any,
        budget: Budget,
        where: str,
        max_bytes: int,
    ) -> bytes:
        if not limiter.enter(turn, budget.left_s()):
            if self._is_closed:
                raise self._closed(where)
            if limiter.refusal:
                raise _RefusedError(limiter.refusal)
            raise _late(where, budget)
        answered, refusal = False, ""
        try:
            data = self._connections.send(
                method, request, budget.left_s(), max_bytes=max_bytes
            )
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
            # A server that has no model yet has not answered for it.
            answered = code is not grpc.StatusCode.NOT_FOUND
            raise _error(where, code, details, max_bytes) from err
        except ValueError as err:  # gRPC's word for a closed channel
            raise self._closed(where) from err
        finally:
            limiter.leave(turn, answered=answered, refusal=refusal)
        return data

    def _repeats_left_s(self, limiter: Limiter, budget: Budget) -> float:
        since = max(limiter.answered_at, budget.started)
        wait_left = since + self._server_wait_s - time.monotonic()
        return min(budget.repeats_left_s(), wait_left)

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
        self._is_closed = True
        self._no_more.set()
        self._limiter.close()
        self._connections.close()


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
