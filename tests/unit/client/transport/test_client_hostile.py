"""Answers of a broken or hostile server: an error of ours, in bounded work."""

import struct
import tracemalloc
import zlib
from concurrent import futures

import grpc
import numpy as np
import pytest

from client import Client, ConnectError, ContractError, ServerError
from client.transport.answer_size import answer_limit, mask_limit
from serving import contract
from serving.protos import DATA_TYPE_NUMBERS, PredictResponse
from serving.protos.tensors import to_tensor_proto
from tests.fake_server import FakeServer, model_info

RGB = np.zeros((40, 80, 3), np.uint8)
MIB = 1 << 20


def tensor(response, name, sizes):
    """Claims a shape with one value."""
    message = response.outputs[name]
    message.Clear()
    message.dtype = DATA_TYPE_NUMBERS["DT_FLOAT"]
    message.float_val.append(0.5)
    for size in sizes:
        message.tensor_shape.dim.add().size = size
    return response


def put(name, value):
    def change(response):
        response.outputs[name].CopyFrom(to_tensor_proto(value))
        return response

    return change


def of_images(change):
    """Leaves what the model says of itself."""
    return lambda r: change(r) if "num_detections" in r.outputs else r


def with_version(response):
    response.model_spec.version.value = -5
    return response


def strings(name, first):
    values = np.full((1, 4), b"cat", object)
    values[0, 0] = first
    return put(name, values)


def chunk(kind, data):
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def header(width, height, depth=8, color=0):
    data = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return chunk(b"IHDR", data)


CASES = {
    "one value for 10^9": (
        lambda r: tensor(r, "detection_scores", [1, 10**9]),
        r"detection_scores: expected shape \[1, 4\], got \[1, 1000000000\]",
    ),
    "5,000 dimensions": (
        lambda r: tensor(r, "detection_scores", [2**62] * 5_000),
        "expected a rank of at most 254, got 5000",
    ),
    "100 dimensions": (
        lambda r: tensor(r, "detection_scores", [2**62] * 100),
        r"expected shape \[1, 4\], got one of rank 100",
    ),
    "negative size": (
        lambda r: tensor(r, "detection_scores", [1, -4]),
        r"expected a known shape, got \[1, -4\]",
    ),
    "1,000 rows": (
        put("detection_boxes", np.zeros((1, 1000, 4), np.float32)),
        r"detection_boxes: expected shape \[1, 4, 4\], got \[1, 1000, 4\]",
    ),
    "class id of 10^9": (
        put("detection_classes", np.array([[10**9, 1, 0, 0]], np.int32)),
        "expected >= 1 and < 3, the number of classes, got 1000000000",
    ),
    "class behind the last": (
        put("detection_classes", np.array([[3, 1, 0, 0]], np.int32)),
        "expected >= 1 and < 3, the number of classes, got 3",
    ),
    "an output nobody asked for": (
        put("x\x1b[31m", np.zeros(9, np.uint8)),
        r"expected no output but detection_boxes, .* got x\\x1b\[31m$",
    ),
    "a long name": (
        strings("detection_class_names", b"n" * 600),
        "class name: expected at most 512 bytes, got 600",
    ),
    "a name with an escape": (
        strings("detection_class_names", b"\x1b]0;owned\x07"),
        "expected a name without control characters, got ",
    ),
    "a name that turns the text": (
        strings("detection_class_names", "a\u202eb".encode()),
        "expected a name without control characters",
    ),
    "a negative version": (with_version, "expected a version of at least 0, got -5"),
    "another first chunk": (
        strings("detection_masks_png_bytes", png(chunk(b"abCd", b"\0" * 13))),
        "mask: expected a PNG, got",
    ),
    "a second header": (
        strings(
            "detection_masks_png_bytes", png(header(30, 20), header(30_000, 30_000))
        ),
        "mask: expected no chunk b'IHDR'",
    ),
    "an animation": (
        strings("detection_masks_png_bytes", png(header(30, 20), chunk(b"acTL", b""))),
        "mask: expected no chunk b'acTL'",
    ),
    "colours": (
        strings("detection_masks_png_bytes", png(header(30, 20, 16, 6))),
        "expected a PNG of one channel and at most 8 bits, got colour type 6 of 16",
    ),
    "no message": (
        lambda _: b"\xff" * 100,
        "expected a PredictResponse, got 100 bytes",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_answers(server, connect, case, caplog):
    change, message = CASES[case]
    connected = connect()
    server.change_response = change
    with pytest.raises(ContractError, match=message) as caught:
        connected.predict(RGB)
    assert server.address in str(caught.value)
    assert len(str(caught.value)) < 600
    assert not caplog.records  # gRPC logs what a deserializer raises
    server.change_response = lambda response: response
    assert len(connected.predict(RGB).instances) == 2


def test_claims_take_no_memory(server, connect):
    connected = connect()
    server.change_response = lambda r: tensor(r, "detection_scores", [1, 10**9])
    tracemalloc.start()
    try:
        with pytest.raises(ContractError):
            connected.predict(RGB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


def test_an_answer_beyond_the_contract_is_not_received(server, connect):
    """64 MiB nobody asked for, 19,000 rows, 20,000 dimensions, a name of 20 MB."""
    connected = connect()
    for change in (
        put("x", np.zeros(64 * MIB, np.uint8)),
        put("detection_boxes", np.zeros((1, 19_000, 4), np.float32)),
        lambda r: tensor(r, "detection_scores", [2**62] * 20_000),
        strings("detection_class_names", b"n" * 20_000_000),
    ):
        server.change_response = of_images(change)
        since = len(server.requests)
        with pytest.raises(ContractError, match=r"answer of at most [\d,]+ bytes, got"):
            connected.predict(RGB)
        signatures = [r.model_spec.signature_name for r in server.requests[since:]]
        assert signatures == ["image_tensor", "model_info"]  # has it changed? no


def test_the_bound_is_the_calls_own(server, connect):
    """What one connection lets in for large images is not taken for small ones."""
    connected = connect()
    bound = answer_limit(model_info(), [(40, 80)])
    server.change_response = of_images(put("x", np.zeros(bound, np.uint8)))
    with pytest.raises(ContractError, match=f"at most {bound:,} bytes, got"):
        connected.predict(RGB)


def test_packed_answers_are_not_unpacked():
    """64 MiB of zeros travel as 64 KiB; nothing of that is taken."""

    def answer(_request, context):
        context.set_compression(grpc.Compression.Gzip)
        return b"\0" * (64 * MIB)

    class Handler(grpc.GenericRpcHandler):
        def service(self, _details):
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(
        futures.ThreadPoolExecutor(2),
        handlers=[Handler()],
        compression=grpc.Compression.Gzip,
    )
    port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        with pytest.raises((ContractError, ServerError)):
            Client(f"localhost:{port}", timeout_s=20)
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("length", [200, 2**31 - 1, 2**32 - 1])
def test_chunks_that_claim_more_than_there_is(server, connect, length):
    """OpenCV would take the memory first."""
    lying = png(header(30, 20), struct.pack(">I", length) + b"IDAT" + b"\0" * 99)

    def change(outputs):
        outputs["detection_masks_png_bytes"][0, 0] = lying
        return outputs

    server.change = change
    instance = connect().predict(RGB).instances[0]
    tracemalloc.start()
    try:
        with pytest.raises(ContractError, match="damaged: it ends too early"):
            _ = instance.mask_crop
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_limits_follow_the_contract():
    small, large = (answer_limit(model_info(), [size]) for size in [(9, 9), (99, 99)])
    assert small < large < answer_limit(model_info(), [(99, 99)] * 2)
    many = model_info(max_detections=100)
    # Twelve megapixels, drawn from 28 x 28: far below the 1.2 GB of plain pixels.
    assert answer_limit(many, [(3000, 4000)]) < 200 * MIB
    assert mask_limit((20, 10), 28) >= 20 * 11  # as plain pixels
    assert (
        answer_limit(model_info(max_detections=65_536), [(10**4, 10**4)]) == 2**31 - 1
    )


def test_larger_answers_of_a_model_that_changed(server, connect):
    """A new version may have more rows; it is asked what it is, and then again."""
    connected = connect()
    rows = 60_000
    server.infos[4] = model_info(max_detections=rows)
    server.versions = [4]

    def grow(response):
        if "num_detections" not in response.outputs:
            return response
        grown = PredictResponse()
        grown.CopyFrom(response)
        for tensor_ in contract.SIGNATURES["image_tensor"].outputs:
            if "D" in tensor_.shape:
                kind = object if tensor_.dtype == "string" else tensor_.dtype
                fill = b"" if tensor_.dtype == "string" else 0
                shape = [{"B": 1, "D": rows}.get(n, n) for n in tensor_.shape]
                grown.outputs[tensor_.name].CopyFrom(
                    to_tensor_proto(np.full(shape, fill, kind))
                )
        grown.outputs["num_detections"].CopyFrom(to_tensor_proto(np.zeros(1, np.int32)))
        return grown

    server.change_response = grow
    result = connected.predict(RGB)
    assert (result.model_version, result.instances) == (4, ())


def test_outputs_that_are_not_there(server, connect):
    connected = connect()
    since = len(server.requests)
    server.lacks = {"image_size"}
    message = "output tensor alias not found .*; expected the outputs that the contract"
    with pytest.raises(ContractError, match=message):
        connected.predict(RGB)
    signatures = [r.model_spec.signature_name for r in server.requests[since:]]
    assert signatures == ["image_tensor", "model_info", "image_tensor"]
    server.lacks = set()
    assert len(connected.predict(RGB).instances) == 2
    wanted = [o.name for o in contract.SIGNATURES["image_tensor"].outputs]
    assert list(server.requests[-1].output_filter) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "not readable: nested too deeply"),
        (model_info().to_json().replace("#", "red"), r"color: expected .#RRGGBB., got"),
        ('{"contract_version": 1' + "1" * 5000 + "}", "not readable|got a huge number"),
    ],
)
def test_model_info(server, connect, text, message):
    server.info_text = text
    with pytest.raises(ContractError, match=message):
        connect()


def test_a_long_model_info_is_not_received(server, connect):
    server.info_text = " " * (5 * MIB) + model_info().to_json()
    with pytest.raises(ContractError, match="answer of at most 4,198,400 bytes, got a"):
        connect()


def test_metadata_that_is_none():
    class Garbage(FakeServer):
        def _metadata(self, request, context):
            response = super()._metadata(request, context)
            response.metadata["signature_def"].value = b"\xff" * 9
            return response

    server = Garbage()
    server.signatures = set()
    try:
        message = "a model that offers signatures that are not readable"
        with pytest.raises(ContractError, match=message):
            Client(server.address)
    finally:
        server.stop()


def test_texts_of_a_server_do_not_act_on_a_terminal(server, connect):
    connected = connect()
    text = "\x1b]0;owned\x07\u009b31m bad"
    server.failures.append((grpc.StatusCode.INVALID_ARGUMENT, text))
    with pytest.raises(ServerError) as caught:
        connected.predict(RGB)
    assert str(caught.value).endswith("]0;owned\\u0007\\u009b31m bad")
    assert caught.value.details == text
    connected.close()
    with pytest.raises(ConnectError, match="the client is closed; make a new one"):
        connected.predict(RGB)
