"""Predict requests and plain garbage on the gRPC port of the embedded server."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np

from client.transport.refusal import plain
from serving import protos
from serving.protos import DATA_TYPE_NUMBERS, PredictRequest
from serving.protos.tensors import to_tensor_proto
from tests.stress.hostile.images import hostile_image, sound_image
from tests.stress.hostile.kind import (
    Attempt,
    Bench,
    FindingError,
    Kind,
    Place,
    Rng,
)
from tests.stress.hostile.mutations import (
    chance,
    evil_text,
    mutate_bytes,
    pick,
    random_bytes,
)
from tests.stress.hostile.served import MODEL_NAME, Served, serve

_PREDICT = f"/{protos.PREDICTION_SERVICE}/Predict"
_DEADLINE_S = 50.0
_SIGNATURES = ("", "serving_default", "roi_masks", "image_tensor", "model_info")
_BAD_CODES = ("INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "UNAVAILABLE", "DATA_LOSS")
_FRAMES = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\0\0\0\x04\0\0\0\0\0",  # SETTINGS
    b"\0\0\x08\x06\0\0\0\0\0" + bytes(8),  # PING
    b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff",  # WINDOW_UPDATE
    b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",  # RST_STREAM
    b"\xff\xff\xff\x00\0\0\0\0\x01",  # DATA that claims 16 MB
    b"\0\0\x05\x01\x05\0\0\0\x01\x82\x86\x84\x41\x8a",  # HEADERS
    b"\0\0\0\x09\x04\0\0\0\x01",  # CONTINUATION
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",  # TLS
)


def hostile_request(rng: Rng) -> tuple[str, Any]:
    """Returns a label and a PredictRequest."""
    request = PredictRequest()
    request.model_spec.name = MODEL_NAME if chance(rng, 0.97) else evil_text(rng)[:9999]
    signature = pick(rng, _SIGNATURES) if chance(rng, 0.95) else evil_text(rng)[:9999]
    request.model_spec.signature_name = signature
    alias = {"image_tensor": "images", "model_info": "request"}.get(signature)
    alias = alias or "image_bytes"
    if chance(rng, 0.05):
        alias = evil_text(rng)[:9999]
    label, tensor = pick(rng, _TENSORS)(rng)
    request.inputs[alias].CopyFrom(tensor)
    if chance(rng, 0.05):
        request.inputs[evil_text(rng)[:50]].CopyFrom(tensor)
    if chance(rng, 0.05):
        names = ("num_detections", "nothing", "x" * 9999)
        request.output_filter.extend([pick(rng, names)] * pick(rng, (1, 2, 5000)))
    if chance(rng, 0.05):
        request.model_spec.version.value = pick(rng, (-1, 0, 1, 2**62))
    return f"{signature or 'default'}: {label}", request


def _images(rng: Rng) -> tuple[str, Any]:
    label, data = hostile_image(rng)
    files = [data] * pick(rng, (1, 1, 1, 3))
    if chance(rng, 0.3):
        files.append(sound_image(rng)[1])
    return f"{label} x {len(files)}", to_tensor_proto(files)


def _many(rng: Rng) -> tuple[str, Any]:
    count = pick(rng, (0, 20, 300, 5000))
    content = pick(rng, (b"", b"x", sound_image(rng)[1]))
    return f"{count} files of {len(content)} bytes", to_tensor_proto([content] * count)


def _shapes(rng: Rng) -> tuple[str, Any]:
    tensor = protos.TensorProto()
    tensor.dtype = pick(rng, (7, 4, 1, 3, 9, 0, 99))
    rank = pick(rng, (0, 1, 2, 4, 5, 300, 20_000))
    sizes = (-1, 0, 1, 2, 64, 2**20, 2**31, 2**62)
    size = pick(rng, sizes)
    for _ in range(rank):
        tensor.tensor_shape.dim.add().size = size if rank > 9 else pick(rng, sizes)
    if chance(rng, 0.1):
        tensor.tensor_shape.unknown_rank = True
    for _ in range(pick(rng, (0, 1, 3))):
        tensor.string_val.append(b"x")
    if chance(rng, 0.3):
        tensor.int_val.append(pick(rng, (0, 255, 256, -1)))
    if chance(rng, 0.2):
        tensor.tensor_content = random_bytes(rng, 500)
    return f"shape of rank {rank}", tensor


def _pixels(rng: Rng) -> tuple[str, Any]:
    shape = [pick(rng, (1, 2, 3)), pick(rng, (0, 1, 5, 300)), pick(rng, (1, 7)), 3]
    if chance(rng, 0.2):
        shape = [*shape[: int(rng.integers(5))], pick(rng, (1, 3, 4))]
    return f"pixels {shape}", to_tensor_proto(np.full(shape, 7, np.uint8))


def _other_types(rng: Rng) -> tuple[str, Any]:
    dtype = pick(rng, (np.float32, np.int64, bool, np.float16, np.uint64))
    return f"a tensor of {np.dtype(dtype)}", to_tensor_proto(np.ones((1,), dtype))


def _claims(rng: Rng) -> tuple[str, Any]:
    tensor = protos.TensorProto(dtype=DATA_TYPE_NUMBERS["DT_UINT8"], int_val=[5])
    for size in (pick(rng, (1, 5000)), pick(rng, (100, 16_000)), 16_000, 3):
        tensor.tensor_shape.dim.add().size = size
    return "one value for all pixels", tensor


_TENSORS = (_images, _images, _images, _many, _shapes, _pixels, _other_types, _claims)


def _predict(served: Served, data: bytes, *, is_message: bool) -> None:
    call = served.channel.unary_unary(_PREDICT)
    try:
        call(data, timeout=_DEADLINE_S)
    except grpc.RpcError as err:
        served.check_alive()
        code = err.code().name
        # gRPC itself answers so what is no protocol buffer.
        is_parse_error = code == "INTERNAL" and not is_message
        if code in _BAD_CODES and not is_parse_error:
            raise FindingError(f"{code}: {err.details()}") from err
        if "Traceback" in (err.details() or ""):
            raise FindingError(f"a traceback: {err.details()}") from err
        raise
    served.check_alive()


@contextlib.contextmanager
def _request(place: Place) -> Iterator[Bench]:
    with serve(place) as served:

        def make(rng: Rng) -> Attempt:
            label, request = hostile_request(rng)
            data = request.SerializeToString()
            is_message = not chance(rng, 0.1)
            if not is_message:
                data = mutate_bytes(rng, data)
            label += f", {len(data)} bytes"
            return Attempt(label, lambda: _predict(served, data, is_message=is_message))

        yield Bench(make, served.pid)


@contextlib.contextmanager
def _bytes(place: Place) -> Iterator[Bench]:
    with serve(place) as served:

        def make(rng: Rng) -> Attempt:
            parts = [pick(rng, _FRAMES) for _ in range(int(rng.integers(1, 8)))]
            if chance(rng, 0.7):
                parts.insert(0, _FRAMES[0] + _FRAMES[1])
            data = b"".join(parts) * pick(rng, (1, 1, 50, 2000))
            if chance(rng, 0.4):
                data = mutate_bytes(rng, data)
            pause_s = pick(rng, (0, 0, 0, 0.02))
            return Attempt(
                f"{len(data)} bytes", lambda: _send(served, data, pause_s=pause_s)
            )

        yield Bench(make, served.pid)


def _send(served: Served, data: bytes, *, pause_s: float) -> None:
    place = ("127.0.0.1", served.port)
    with (
        contextlib.suppress(OSError),
        socket.create_connection(place, timeout=10) as peer,
    ):
        peer.settimeout(0.05)
        step = max(1, len(data) // 10 if pause_s else len(data))
        for start in range(0, len(data), step):
            peer.sendall(data[start : start + step])
            time.sleep(pause_s)
        peer.recv(1000)
    served.check_alive()


KINDS = {
    "grpc_request": Kind(
        "Predict requests to the embedded server",
        (grpc.RpcError,),
        _request,
        cpu_s=30,
        growth_mb=1000,
        weight=0.4,
        needs_model=True,
        message=lambda err: plain(err.details() or ""),
    ),
    "grpc_bytes": Kind(
        "garbage on the gRPC port",
        (),
        _bytes,
        weight=0.4,
        needs_model=True,
    ),
}
