"""Broken HTTP and odd JSON on the REST port of the embedded server."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

from tests.stress.hostile.images import hostile_image, sound_image
from tests.stress.hostile.kind import (
    Attempt,
    Bench,
    FindingError,
    Kind,
    Place,
    ProgramRefusalError,
    Rng,
)
from tests.stress.hostile.mutations import (
    chance,
    distort,
    evil_text,
    mutate_bytes,
    odd_value,
    packed_zeros,
    pick,
    raw,
)
from tests.stress.hostile.served import MODEL_NAME, Served, serve

_ANSWER_S = 50.0
_MODEL = f"/v1/models/{MODEL_NAME}"
_PATHS = (
    f"{_MODEL}/",
    f"{_MODEL}/metadata",
    f"{_MODEL}/versions/1",
    f"{_MODEL}/versions/{'9' * 5000}",
    f"{_MODEL}/versions/-1",
    f"{_MODEL}/labels/x",
    f"{_MODEL}:predict?x=1#y",
    f"{_MODEL}:classify",
    f"{_MODEL}%00:predict",
    "/v1/models/%ff%fe",
    "/v1/models/../../etc/passwd",
    "//",
    "/",
    "*",
    "http://other/v1/models/x",
    "/" + "a" * 70_000,
)
_METHODS = (
    "GET",
    "POST",
    "HEAD",
    "OPTIONS",
    "PUT",
    "DELETE",
    "TRACE",
    "PRI",
    "get",
    "",
)
_SERVER_FAULTS = (500, 502)


def hostile_body(rng: Rng) -> bytes:
    """Returns the body of a Predict call."""
    kind = int(rng.integers(6))
    image = {"b64": base64.b64encode(hostile_image(rng)[1][:500_000]).decode()}
    if kind == 0:
        return json.dumps({"instances": [image] * pick(rng, (1, 2, 20))}).encode()
    if kind == 1:
        many = pick(rng, ("[],", '"x",', "{},", "1,", "[[1]],"))
        count = pick(rng, (10, 5000, 500_000))
        key = pick(rng, ("instances", "inputs"))
        signature = pick(rng, ("", "image_tensor", "model_info"))
        head = f'{{"signature_name":"{signature}","{key}":['
        return (head + many * count + many.strip(",") + "]}").encode()
    if kind == 2:
        pixels = [[[[odd_value(rng) if chance(rng, 0.1) else 7, 1, 2]] * 3] * 2]
        content: Any = {"signature_name": "image_tensor", "inputs": pixels}
    elif kind == 3:
        content = {"inputs": {"image_bytes": [image]}, "signature_name": "roi_masks"}
    elif kind == 4:
        number = raw(pick(rng, ("1e400", "-0", "9" * 5000, "300", "0.5", "NaN")))
        content = {"signature_name": "image_tensor", "instances": [[[[number] * 3]]]}
    else:
        content = {"instances": [evil_text(rng)], "signature_name": "model_info"}
    return distort(rng, content)


def hostile_http(rng: Rng) -> tuple[str, bytes]:
    """Returns a label and what a connection sends."""
    body = hostile_body(rng)
    kind = int(rng.integers(8))
    if kind <= 2:
        return "odd body", _post(body)
    if kind == 3:
        packed = gzip.compress(body, 1)
        if chance(rng, 0.3):
            packed = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + packed_zeros(100_000_000)[2:]
        return "gzip", _post(packed, "Content-Encoding: gzip")
    if kind == 4:
        return "chunked", _chunked(rng, body)
    if kind == 5:
        method, path = pick(rng, _METHODS), pick(rng, (*_PATHS, f"{_MODEL}:predict"))
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n"
        return f"{method} {path[:30]}", head.encode()
    if kind == 6:
        small = _post(json.dumps({"instances": [{"b64": ""}]}).encode())
        times = pick(rng, (2, 20, 100))
        return f"{times} pipelined", (small + f"GET {_MODEL} ".encode()) * times
    return "broken HTTP", _headers(rng, body[:2000])


def _post(body: bytes, *headers: str) -> bytes:
    lines = [f"POST {_MODEL}:predict HTTP/1.1", "Host: x", *headers]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _chunked(rng: Rng, body: bytes) -> bytes:
    head = f"POST {_MODEL}:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
    size = pick(rng, (b"%x" % len(body), b"ffffffffffffffff", b"-1", b"zz", b"5;a=b"))
    chunks = size + b"\r\n" + body + b"\r\n0\r\n\r\n"
    if chance(rng, 0.2):
        chunks = (
            b"".join(b"1\r\n%c\r\n" % byte for byte in body[:20_000]) + b"0\r\n\r\n"
        )
    return head.encode() + b"\r\n\r\n" + chunks


def _headers(rng: Rng, body: bytes) -> bytes:
    length = len(body)
    odd = (
        f"Content-Length: {length}\r\nContent-Length: {length + 5}",
        f"Content-Length : {length}",
        f"Content-Length: +{length}",
        "Content-Length: -1",
        f"Content-Length: {'9' * 5000}",
        f"Content-Length: {2**33}",
        f"Content-Length: {length}\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, gzip",
        "Content-Encoding: br",
        "Expect: 100-continue",
        "Expect: nonsense",
        "X: " + "y" * 100_000,
        "\r\n".join(f"X{i}: y" for i in range(1000)),
        "X: a\r\n folded",
        "X: \0\x01",
        "no colon",
        f"Content-Length: {length}\n",
        "Upgrade: websocket\r\nConnection: Upgrade",
    )
    data = f"POST {_MODEL}:predict HTTP/1.1\r\nHost: x\r\n{pick(rng, odd)}\r\n\r\n"
    whole = data.encode() + body
    return mutate_bytes(rng, whole) if chance(rng, 0.2) else whole


def _talk(served: Served, data: bytes, *, drips: int) -> None:
    """Sends bytes, hangs up the sending side, and judges what comes back."""
    answer = bytearray()
    with contextlib.suppress(ConnectionError):
        address = ("127.0.0.1", served.rest_port)
        with socket.create_connection(address, timeout=_ANSWER_S) as peer:
            step = max(1, len(data) // drips)
            for start in range(0, len(data), step):
                peer.sendall(data[start : start + step])
                time.sleep(0.02 if drips > 1 else 0)
            with contextlib.suppress(OSError):  # hung up already
                peer.shutdown(socket.SHUT_WR)
            while block := peer.recv(1 << 20):
                answer += block
    served.check_alive()
    _judge(bytes(answer))


def _judge(answer: bytes) -> None:
    statuses = [int(n) for n in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]
    faults = [status for status in statuses if status in _SERVER_FAULTS]
    if faults:
        raise FindingError(f"HTTP {faults[0]}: {answer[-300:]!r}")
    if b"Traceback" in answer:
        raise FindingError(f"a traceback: {answer[-300:]!r}")
    if not statuses or statuses[-1] >= 400:
        raise ProgramRefusalError(f"HTTP {statuses[-1:]}: {answer[-200:]!r}")


@contextlib.contextmanager
def _rest(place: Place) -> Iterator[Bench]:
    with serve(place) as served:

        def make(rng: Rng) -> Attempt:
            label, data = hostile_http(rng)
            if chance(rng, 0.05):
                body = json.dumps(
                    {
                        "instances": [
                            {"b64": base64.b64encode(sound_image(rng)[1]).decode()}
                        ]
                    }
                )
                label, data = "sound", _post(body.encode())
            drips = pick(rng, (1, 1, 1, 1, 20))
            return Attempt(
                f"{label}, {len(data)} bytes in {drips}",
                lambda: _talk(served, data, drips=drips),
            )

        yield Bench(make, served.pid)


KINDS = {
    "rest": Kind(
        "HTTP and JSON to the embedded server",
        (ProgramRefusalError, TimeoutError),
        _rest,
        cpu_s=30,
        growth_mb=1000,
        weight=0.4,
        needs_model=True,
        message=None,  # TensorFlow Serving's words, for programs
    ),
}
