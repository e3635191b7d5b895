"""The body of an HTTP request: refused by its headers, read in time, unpacked.

Nothing is kept beyond the limit, neither of what is sent nor of what it unpacks to.
"""

from __future__ import annotations

import asyncio
import zlib
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

_SILENCE_S = 60.0
_BODY_S = 300.0
"""A body takes longer only from a client that drips."""
_GZIP_WINDOW = 31
_GZIP = ("gzip", "x-gzip")


class RefusalError(Exception):
    """A request that is answered without asking the API.

    Attributes:
        status: of the answer.
        message: for the caller.
        closes: whether the connection is to end.
    """

    def __init__(self, status: int, message: str, *, closes: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.closes = closes


def check_headers(request: web.BaseRequest, path: str, max_bytes: int) -> None:
    """Refuses what need not be read to be refused.

    Args:
        request: with its body unread.
        path: without the query.
        max_bytes: largest body.

    Raises:
        RefusalError: 404, 411, 413 or 415.
    """
    if not path.lower().startswith("/v1/"):
        raise RefusalError(HTTPStatus.NOT_FOUND, f"Not Found: {path}")
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", *_GZIP):
        raise RefusalError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding: expected gzip or none, got {encoding!r}",
        )
    length = request.content_length
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if length is None and not chunked and request.method not in ("GET", "HEAD"):
        raise RefusalError(
            HTTPStatus.LENGTH_REQUIRED,
            "a body needs a Content-Length or Transfer-Encoding: chunked",
        )
    if length is not None and length > max_bytes:
        raise _too_large(f"the body has {length} bytes", max_bytes)


async def read_body(request: web.BaseRequest, max_bytes: int) -> list[bytes]:
    """Reads a body, of any transfer encoding, in the parts in which it comes.

    Raises:
        RefusalError: 400, 408 or 413; it ends early, too slowly, or not in time.
    """
    try:
        return await asyncio.wait_for(_read_parts(request, max_bytes), _BODY_S)
    except asyncio.TimeoutError as err:
        raise RefusalError(
            HTTPStatus.REQUEST_TIMEOUT,
            f"the body did not come: nothing for {_SILENCE_S:g} s, or not all of it in "
            f"{_BODY_S:g} s",
        ) from err
    except (HttpProcessingError, web.RequestPayloadError) as err:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST, f"the body cannot be read: {first_line(str(err))}"
        ) from err


async def _read_parts(request: web.BaseRequest, max_bytes: int) -> list[bytes]:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun
    parts: list[bytes] = []
    size = 0
    while part := await asyncio.wait_for(request.content.readany(), _SILENCE_S):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise _too_large(f"the body has more than {max_bytes} bytes", max_bytes)
    return parts


def unpack_body(parts: list[bytes], encoding: str, max_bytes: int) -> bytes:
    """Returns a body as its client meant it.

    Args:
        parts: as they came; emptied, so that a body is in memory once.
        encoding: the Content-Encoding header.
        max_bytes: largest body.

    Raises:
        RefusalError: 400, no whole gzip file; 413, it unpacks to more than `max_bytes`.
    """
    body = b"".join(parts)
    parts.clear()
    if encoding.lower() not in _GZIP:
        return body
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = stream.decompress(body, max_bytes + 1)
    except zlib.error as err:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST, f"the body is no gzip file: {err}", closes=False
        ) from err
    if len(content) > max_bytes:
        text = f"the body unpacks to more than {max_bytes} bytes"
        raise _too_large(text, max_bytes)
    if not stream.eof or stream.unused_data:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            "the body is no whole gzip file: expected one member and nothing after it",
            closes=False,
        )
    return content


def first_line(text: str) -> str:
    """Returns a text without what quotes the request below its first line."""
    return text.strip().partition("\n")[0].rstrip(": ") if text.strip() else "malformed"


def _too_large(what: str, max_bytes: int) -> RefusalError:
    return RefusalError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"{what}, at most {max_bytes} are read; use gRPC for large requests, or start "
        "the server with a larger --rest-api-max-body-bytes",
    )
