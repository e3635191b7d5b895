"""One client's connection: aiohttp's, with a bound on their number and on waiting.

aiohttp bounds the size and number of headers and the requests that wait on one
connection. It ends a connection that is silent before or between requests.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from serving.embedded.errors import wire_message
from serving.embedded.http_body import first_line

logger = logging.getLogger(__name__)

IDLE_S = 60.0
"""How long a connection may be silent, and the head of a request may take."""
SERVER_NAME = "maskrcnn-serving"
_ANSWER_S = 300.0
"""How long a client may take to read an answer."""
_MAX_HEADERS = 100
_MAX_HEADER_BYTES = 2**14


def json_error(status: int, message: str) -> web.Response:
    """Returns an answer of `{"error": "..."}`."""
    # A path may hold bytes that are no text.
    text = message.encode(errors="backslashreplace").decode()
    return json_response(status, json.dumps({"error": wire_message(text)}).encode())


def json_response(status: int, content: bytes) -> web.Response:
    """Returns an answer of JSON."""
    return web.Response(
        status=status,
        body=content,
        content_type="application/json",
        headers={"Server": SERVER_NAME},
    )


_FULL = json.dumps({"error": "too many connections; try again later"}).encode()
_FULL_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_FULL), _FULL)
)


class BoundedServer(web.Server):
    """Makes connections, a bounded number at once."""

    def __init__(
        self,
        respond: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        max_connections: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`respond` is cancelled when its client goes away."""
        super().__init__(respond, handler_cancellation=True, loop=loop)
        self._max_connections = max_connections

    @property
    def full(self) -> bool:
        """Whether as many connections are open as may."""
        return len(self.connections) >= self._max_connections

    def __call__(self) -> web.RequestHandler:
        """Returns the protocol of a new connection."""
        return Connection(
            self,
            loop=self._loop,
            keepalive_timeout=IDLE_S,
            access_log=None,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            max_headers=_MAX_HEADERS,
            auto_decompress=False,
        )


class Connection(web.RequestHandler):
    """Reads the requests of one client and writes their answers."""

    __slots__ = ("_answered", "_ended")

    def __init__(self, server: BoundedServer, **kwargs: Any) -> None:
        super().__init__(server, **kwargs)
        self._ended = False
        self._answered: web.BaseRequest | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answers a connection, or tells it that there are too many."""
        manager = self._manager
        if (
            isinstance(manager, BoundedServer)
            and isinstance(transport, asyncio.Transport)
            and manager.full
        ):
            transport.write(_FULL_ANSWER)
            transport.close()
            return
        super().connection_made(transport)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keeps the way back open: a client may send all it has to ask and say so."""
        self._ended = True
        # Where none is under way, the rest of an answered one may still be awaited.
        request = self._current_request or self._answered
        if request is not None:
            self.fail_cut_body(request)
        if self._waiter is not None and not self._waiter.done():  # nothing is asked
            self.force_close()
        return True

    def fail_cut_body(self, request: web.BaseRequest) -> None:
        """Fails the reading of a body whose rest cannot come any more."""
        if not self._ended or request.content.is_eof():
            return
        if request is self._answered:
            request.content.feed_eof()  # it is only read to be thrown away
        else:
            request.content.set_exception(web.RequestPayloadError("it is not whole"))

    async def finish_response(
        self,
        request: web.BaseRequest,
        resp: web.StreamResponse,
        start_time: float | None,
    ) -> tuple[web.StreamResponse, bool]:
        """Sends an answer, in bounded time; ends where no further request can come."""
        try:
            sent = await asyncio.wait_for(
                super().finish_response(request, resp, start_time), _ANSWER_S
            )
        except asyncio.TimeoutError:
            logger.info("%s does not read its answer: cut off", request.remote)
            if self.transport is not None:
                self.transport.abort()
            return resp, True
        self._answered = request
        self.fail_cut_body(request)
        if self._ended and not self._messages:
            self.close()
        return sent

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what HTTP itself refuses: JSON here, and the connection ends."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was under way")
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("a request failed in the server itself", exc_info=exc)
            message = type(exc).__name__
        response = json_error(status, first_line(message or HTTPStatus(status).phrase))
        response.force_close()
        return response
