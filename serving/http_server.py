"""The HTTP under the REST API: the standard library's server, hardened and drainable.

Whatever a client sends, it gets one JSON answer or its connection ends; the server
lives on.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

from serving.errors import ServingError
from serving.rest import RestService

logger = logging.getLogger(__name__)

_IDLE_S = 60.0
_DISCARD_BYTES = 2**16
_FULL = json.dumps({"error": "too many connections; try again later"}).encode()
_FULL_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_FULL), _FULL)
)
_HTTP_STATUS = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


@dataclass(frozen=True)
class _Refusal:
    """An answer given before the API is asked; the body is left unread."""

    status: HTTPStatus
    message: str


class RestServer(ThreadingHTTPServer):
    """An HTTP/1.1 server with keep-alive that can be drained.

    Each connection has a thread, so their number is bounded; so is the number of bodies
    in memory. Beyond either, the answer is 503.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        service: RestService,
        *,
        max_body_bytes: int,
        max_bodies: int,
        max_connections: int,
    ) -> None:
        """Binds the port; `serve_forever` answers.

        Args:
            address: host and port.
            service: answers what HTTP itself doesn't refuse.
            max_body_bytes: largest body.
            max_bodies: how many requests with a body are read or answered at once.
            max_connections: how many connections are open at once, idle ones too.

        Raises:
            OSError: the port cannot be bound.
        """
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)
        self.service = service
        self.max_body_bytes = max_body_bytes
        self.bodies = threading.BoundedSemaphore(max_bodies)
        self.draining = False
        self._max_connections = max_connections
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._active = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection, then answers it in a thread of its own."""
        with self._changed:
            full = len(self._connections) >= self._max_connections
            if not full:
                self._connections.add(request)
        if full:
            # Here is the thread that accepts: it must not wait for a client.
            request.settimeout(0)
            with suppress(OSError):
                request.send(_FULL_ANSWER)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets a connection and closes it."""
        with self._changed:
            self._connections.discard(request)
        super().shutdown_request(request)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Counts a request that is being read or answered."""
        with self._changed:
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify_all()

    def drain(self, timeout_s: float) -> None:
        """Waits for the requests under way, then ends what clients keep open."""
        with self._changed:
            self._changed.wait_for(lambda: self._active == 0, timeout_s)
        self._close_connections()

    def _close_connections(self) -> None:
        with self._changed:
            for connection in self._connections:
                # Only shut down: its thread, woken by this, closes it.
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Logs one line: the cause is a client that hung up."""
        logger.info("connection of %s ended: %r", client_address[0], sys.exc_info()[1])


class _Handler(BaseHTTPRequestHandler):
    """Reads one request, asks the service, writes one JSON answer."""

    server: RestServer
    protocol_version = "HTTP/1.1"
    server_version = "maskrcnn-serving"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True  # headers and body are two writes

    def _respond(self) -> None:
        with self.server.active():
            self._answer()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815

    def _answer(self) -> None:
        refusal = self._refusal()
        if refusal is not None:
            self.send_error(refusal.status, refusal.message)
            return
        length = int(self.headers.get("Content-Length", 0))
        if not length:
            self._answer_body(b"")
        elif self.server.bodies.acquire(blocking=False):
            try:
                body = self.rfile.read(length)
                if len(body) == length:
                    self._answer_body(body)
                else:
                    self.close_connection = True
            finally:
                self.server.bodies.release()
        elif self._discard(length):
            self._send_message(503, "too many requests at once; try again later")

    def _discard(self, length: int) -> bool:
        """Reads a body without keeping it: many clients look up only when it is sent.

        Returns:
            Whether all of it came; if not, the connection is to end.
        """
        while length:
            part = self.rfile.read(min(length, _DISCARD_BYTES))
            if not part:
                self.close_connection = True
                return False
            length -= len(part)
        return True

    def _answer_body(self, body: bytes) -> None:
        # TensorFlow Serving takes no query either; some probes add one.
        path = self.path.partition("?")[0]
        try:
            self._send(
                HTTPStatus.OK, self.server.service.answer(self.command, path, body)
            )
        except ServingError as err:
            self._send_message(_HTTP_STATUS.get(err.code, 500), err.message)
        except MemoryError:
            self._send_message(429, "out of memory while answering this request")
        except OSError:  # the connection, not the request
            raise
        except Exception as err:
            logger.exception("a request failed in the server itself")
            self._send_message(500, f"{type(err).__name__}: {err}")

    def _refusal(self) -> _Refusal | None:
        if not self.path.lower().startswith("/v1/"):
            return _Refusal(HTTPStatus.NOT_FOUND, f"Not Found: {self.path}")
        if self.headers.get("Transfer-Encoding"):
            return _Refusal(
                HTTPStatus.LENGTH_REQUIRED,
                "a body needs a Content-Length; Transfer-Encoding is not supported",
            )
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "Content-Encoding is not supported; send the body as it is",
            )
        length = self.headers.get("Content-Length")
        if length is None:
            if self.command == "GET":
                return None
            return _Refusal(HTTPStatus.LENGTH_REQUIRED, "a body needs a Content-Length")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            return _Refusal(
                HTTPStatus.BAD_REQUEST,
                f"Content-Length: expected a number, got {length!r}",
            )
        if int(length) > self.server.max_body_bytes:
            return _Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the body has {length} bytes, at most {self.server.max_body_bytes} "
                "are read; use gRPC for large requests",
            )
        return None

    def handle_expect_100(self) -> bool:
        """Refuses before the body is sent, where the headers already tell."""
        refusal = self._refusal()
        if refusal is None:
            return super().handle_expect_100()
        self.send_error(refusal.status, refusal.message)
        return False

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        """Answers what HTTP itself refuses: JSON here, and the connection ends."""
        self.close_connection = True
        phrase = HTTPStatus(code).phrase
        self._send_message(code, message or explain or phrase)

    def _send_message(self, code: int, message: str) -> None:
        self._send(code, json.dumps({"error": message}).encode())

    def _send(self, code: int, content: bytes) -> None:
        if self.server.draining:
            self.close_connection = True
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps requests out of the log unless it is asked for."""
        logger.debug("%s %s", self.address_string(), format % args)
