"""gRPC's connections to one server, by the size of the answers that they let in."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import grpc

from client.transport.address import is_loopback
from client.transport.answer_size import WIRE_LIMIT
from serving.contract import MAX_INFO_BYTES

SMALL_ANSWER_BYTES = MAX_INFO_BYTES + 4096
"""Limit of every answer but those to images."""
_STEP = 8
"""How much larger the limit of each further connection is."""
_RECEIVE = "grpc.max_receive_message_length"
_OPTIONS: dict[str, Any] = {
    # A 12-megapixel image is 36 MB of pixels; gRPC's own limit is 4 MiB.
    "grpc.max_send_message_length": -1,
    "grpc.enable_retries": 0,  # ours know the deadline and tell about themselves
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 2000,
    "grpc.service_config": '{"loadBalancingConfig": [{"round_robin": {}}]}',
    # Masks are packed already, and a packed answer may grow a thousandfold.
    "grpc.compression_enabled_algorithms_bitset": 1,
    "grpc.per_message_decompression": 0,
}


class Connections:
    """Connections that are made when they are needed; safe to use from several threads.

    gRPC has a limit of answers only for a whole connection: there is one for small
    answers, and others are made as larger images are sent.
    """

    def __init__(
        self,
        address: str,
        options: Sequence[tuple[str, Any]],
        credentials: grpc.ChannelCredentials | None,
    ) -> None:
        """`options` are gRPC channel arguments, which win over our own."""
        self._address = address
        own = {"grpc.enable_http_proxy": 0} if is_loopback(address) else {}
        self._options = _OPTIONS | own | dict(options)
        self._credentials = credentials
        self._lock = threading.Lock()
        self._by_limit: dict[int, grpc.Channel] = {}
        self._is_closed = False

    def send(
        self,
        method: str,
        request: Any,
        timeout_s: float | None,
        *,
        wait_for_ready: bool = False,
        max_bytes: int = SMALL_ANSWER_BYTES,
    ) -> Any:
        """Returns the bytes of the answer; they may be more than `max_bytes`.

        Raises:
            grpc.RpcError: what the server or gRPC tells.
            ValueError: the connections are closed.
        """
        # No deserializer: gRPC logs what that raises, and the limit comes first.
        call = self._connection(max_bytes).unary_unary(
            method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=None,
        )
        return call(request, timeout=timeout_s, wait_for_ready=wait_for_ready)

    def _connection(self, max_bytes: int) -> grpc.Channel:
        """Returns a connection whose answers may be at least so large."""
        limit = SMALL_ANSWER_BYTES
        while limit < max_bytes:
            limit *= _STEP
        limit = self._options.get(_RECEIVE, min(limit, WIRE_LIMIT))
        with self._lock:
            if self._is_closed:
                raise ValueError("the connections are closed")
            if limit not in self._by_limit:
                options = list((self._options | {_RECEIVE: limit}).items())
                self._by_limit[limit] = (
                    grpc.insecure_channel(self._address, options=options)
                    if self._credentials is None
                    else grpc.secure_channel(
                        self._address, self._credentials, options=options
                    )
                )
            return self._by_limit[limit]

    def close(self) -> None:
        """Ends all; calls under way fail."""
        with self._lock:
            self._is_closed = True
            connections = list(self._by_limit.values())
        for connection in connections:
            connection.close()
