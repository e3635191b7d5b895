"""The HTTP under the REST API: aiohttp, with bounds on all that a client can hold.

Whatever a client sends, it gets one JSON answer or its connection ends; the server
lives on. One thread reads and writes; requests are answered in others, so that none
waits for another's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Protocol

import grpc
from aiohttp import web

from serving.embedded.errors import ServingError
from serving.embedded.gate import PendingCall
from serving.embedded.http_body import (
    RefusalError,
    check_headers,
    read_body,
    unpack_body,
)
from serving.embedded.http_connection import (
    SERVER_NAME,
    BoundedServer,
    Connection,
    json_error,
    json_response,
)

logger = logging.getLogger(__name__)

_BACKLOG = 128
_LOOK_THREADS = 4
_SETTLING_S = 0.02
_CLOSING_S = 1.0
_ALLOW = "GET, HEAD, OPTIONS, POST"
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


class RestApi(Protocol):
    """What answers requests; `rest.RestService` is one."""

    def start_call(self) -> PendingCall:
        """Returns the deadline of a request that begins now."""
        ...

    def cancel(self, call: PendingCall) -> None:
        """Tells that nobody waits for `call` any more."""
        ...

    def answer(self, method: str, path: str, body: bytes, call: PendingCall) -> bytes:
        """Returns the JSON of an answer, or raises ServingError."""
        ...


class RestServer:
    """An HTTP/1.1 server with keep-alive that can be drained.

    The connections are bounded in number, and so are the bodies in memory. Beyond
    either, the answer is 503.

    Attributes:
        server_address: the bound host and port.
    """

    def __init__(
        self,
        address: tuple[str, int],
        service: RestApi,
        *,
        max_body_bytes: int,
        max_bodies: int,
        max_connections: int,
    ) -> None:
        """Binds the port; `start` answers.

        Args:
            address: host and port.
            service: answers what HTTP itself doesn't refuse.
            max_body_bytes: largest body, as sent and after unpacking.
            max_bodies: how many requests with a body are read or answered at once.
            max_connections: how many connections are open at once, idle ones too.

        Raises:
            OSError: the port cannot be bound.
        """
        self._socket = _bound_socket(address)
        self.server_address: tuple[str, int] = self._socket.getsockname()[:2]
        self._service = service
        self._max_body_bytes = max_body_bytes
        self._bodies = threading.BoundedSemaphore(max_bodies)
        # A body that was let in always finds a thread; looks have their own.
        self._workers = ThreadPoolExecutor(max_bodies, thread_name_prefix="rest")
        self._lookers = ThreadPoolExecutor(_LOOK_THREADS, thread_name_prefix="rest-get")
        self._loop = asyncio.new_event_loop()
        self._connections = BoundedServer(
            self._respond, max_connections=max_connections, loop=self._loop
        )
        self._thread = threading.Thread(target=self._run, name="rest", daemon=True)
        self._active = 0
        self._draining = False

    def start(self) -> None:
        """Answers requests from now on, in a thread of its own."""
        self._thread.start()
        self._in_loop(self._listen())

    def stop(self, timeout_s: float) -> None:
        """Refuses connections, waits for the requests under way, ends the others."""
        if self._thread.is_alive():
            self._in_loop(self._drain(timeout_s))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._socket.close()
        self._loop.close()
        for pool in (self._workers, self._lookers):
            pool.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        self._listener = await self._loop.create_server(
            self._connections, sock=self._socket, backlog=_BACKLOG
        )

    async def _drain(self, timeout_s: float) -> None:
        self._draining = True
        # No more is accepted; what was becomes a connection before the listener
        # closes, as afterwards asyncio fails to make one and leaves its socket open.
        self._loop.remove_reader(self._socket)
        await asyncio.sleep(_SETTLING_S)
        self._listener.close()
        self._connections.pre_shutdown()  # ends what is idle
        end = self._loop.time() + timeout_s
        while self._active and self._loop.time() < end:
            await asyncio.sleep(0.01)
        await self._connections.shutdown(_CLOSING_S)
        await asyncio.sleep(_SETTLING_S)  # closed connections give their sockets back

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        self._active += 1
        # TensorFlow Serving takes no query either; some probes add one. A query may
        # hold a secret, so the log has none.
        path = request.rel_url.raw_path
        if isinstance(request.protocol, Connection):
            request.protocol.fail_cut_body(request)
        try:
            response = await self._answer(request, path)
        except RefusalError as refusal:
            response = _refused(refusal)
        finally:
            self._active -= 1
        if self._draining:
            response.force_close()
        logger.debug("%s %r: %d", request.method, path, response.status)
        return response

    async def _answer(self, request: web.BaseRequest, path: str) -> web.Response:
        if request.method == "OPTIONS":
            headers = {"Allow": _ALLOW, "Server": SERVER_NAME}
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=headers)
        check_headers(request, path, self._max_body_bytes)
        if not request.body_exists:
            return await self._work(self._lookers, request, path, [])
        if not self._bodies.acquire(blocking=False):
            raise RefusalError(
                503, "too many requests at once; try again later", closes=False
            )
        try:
            parts = await read_body(request, self._max_body_bytes)
        except BaseException:
            self._bodies.release()
            raise
        return await self._work(
            self._workers, request, path, parts, on_done=self._release_body
        )

    async def _work(
        self,
        pool: ThreadPoolExecutor,
        request: web.BaseRequest,
        path: str,
        parts: list[bytes],
        on_done: Any = None,
    ) -> web.Response:
        """Answers in another thread, which is told when its client goes away."""
        call = self._service.start_call()
        method = "GET" if request.method == "HEAD" else request.method
        encoding = request.headers.get("Content-Encoding", "")
        job = pool.submit(
            self._response, method, path.removesuffix("/"), parts, encoding, call
        )
        if on_done is not None:
            job.add_done_callback(on_done)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            self._service.cancel(call)
            raise

    def _release_body(self, _: Future[web.Response]) -> None:
        self._bodies.release()

    def _response(
        self,
        method: str,
        path: str,
        parts: list[bytes],
        encoding: str,
        call: PendingCall,
    ) -> web.Response:
        try:
            body = unpack_body(parts, encoding, self._max_body_bytes)
            content = self._service.answer(method, path, body, call)
            return json_response(HTTPStatus.OK, content)
        except RefusalError as refusal:
            return _refused(refusal)
        except ServingError as err:
            return json_error(_HTTP_STATUS.get(err.code, 500), err.message)
        except MemoryError:
            return json_error(429, "out of memory while answering this request")
        except Exception as err:
            logger.exception("a request failed in the server itself")
            return json_error(500, f"{type(err).__name__}: {err}")


def _bound_socket(address: tuple[str, int]) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound


def _refused(refusal: RefusalError) -> web.Response:
    response = json_error(refusal.status, refusal.message)
    if refusal.closes:
        response.force_close()
    return response
