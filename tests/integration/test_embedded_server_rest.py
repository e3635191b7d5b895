"""The REST API, its errors, and bytes that are no request at all."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import socket
import time

import ovmsclient
import pytest

from tests.integration.serving_clients import TIMEOUT_S, rest
from tests.integration.toy_serving import PNG

B64 = {"b64": base64.b64encode(PNG).decode()}
PREDICT = "/v1/models/toy:predict"


@pytest.fixture(scope="module")
def port(server):
    return server.rest_api_port


def test_row_form(port):
    status, content = rest(port, PREDICT, {"instances": [B64, B64]})
    assert status == 200
    assert len(content["predictions"]) == 2
    first = content["predictions"][0]
    assert first["detection_scores"] == [1.0, 0.0]
    assert first["detection_class_names"] == ["größe", ""]
    assert first["detection_masks_png_bytes"] == [B64, {"b64": ""}]
    named = {"instances": [{"image_bytes": B64}, {"image_bytes": B64}]}
    assert rest(port, PREDICT, named) == (200, content)


def test_column_form(port):
    status, content = rest(port, PREDICT, {"inputs": {"image_bytes": [B64]}})
    assert status == 200
    assert content["outputs"]["num_detections"] == [1]
    assert content["outputs"]["detection_boxes"] == [[[0, 0, 1, 1.5], [0, 0, 0, 0]]]
    assert rest(port, PREDICT, {"inputs": [B64]}) == (200, content)


def test_pixels_as_numbers(port):
    body = {"signature_name": "image_tensor", "instances": [[[[255, 0, 0]] * 2] * 3]}
    status, content = rest(port, PREDICT, body)
    assert status == 200
    assert content["predictions"][0]["image_size"] == [3, 2]
    assert content["predictions"][0]["detection_scores"] == [0.33333334, 0.0]


def test_the_only_output_stands_for_itself(port):
    body = {"signature_name": "model_info", "instances": ["any"]}
    text = json.dumps({"mark": "one"})
    assert rest(port, PREDICT, body) == (200, {"predictions": [text]})
    body = {"signature_name": "model_info", "inputs": ["any", "any"]}
    assert rest(port, PREDICT, body) == (200, {"outputs": [text, text]})


def test_floats_that_json_has_no_word_for(port):
    body = b'{"signature_name": "pair", "inputs": {"a": [[NaN, Infinity]], "b": [1]}}'
    status, content = rest(port, PREDICT, body)
    assert status == 200
    assert repr(content["outputs"]["a_out"]) == "[[nan, inf]]"


def test_several_inputs_and_an_output_without_a_batch(port):
    named = [{"a": [1, 2], "b": 3}, {"a": [3, 4], "b": 5}]
    body = {"signature_name": "pair", "instances": named}
    assert rest(port, PREDICT, body) == (
        400,
        {"error": "Tensor name: scalar has no shape information"},
    )


def test_status(port):
    content = {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    assert rest(port, "/v1/models/toy") == (200, content)
    assert rest(port, "/V1/Models/toy/Versions/1") == (200, content)


def test_metadata(port):
    status, content = rest(port, "/v1/models/toy/versions/1/metadata")
    assert status == 200
    assert content["model_spec"] == {
        "name": "toy",
        "signature_name": "",
        "version": "1",
    }
    signatures = content["metadata"]["signature_def"]["signature_def"]
    assert signatures["serving_default"]["inputs"] == {
        "image_bytes": {
            "dtype": "DT_STRING",
            "tensor_shape": {
                "dim": [{"size": "-1", "name": ""}],
                "unknown_rank": False,
            },
            "name": "serving_default_image_bytes:0",
        }
    }


def test_the_version_in_the_path(port):
    path = "/v1/models/toy/versions/1:predict"
    assert rest(port, path, {"instances": [B64]})[0] == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/v1/models/other", None, 404, "Could not find any versions of model other"),
        (
            "/v1/models/toy/versions/9",
            None,
            404,
            "Could not find version 9 of model toy",
        ),
        (
            "/v1/models/toy/versions/9/metadata",
            None,
            404,
            "Servable not found for request: Specific(toy, 9)",
        ),
        (
            "/v1/models/other:predict",
            {"instances": [1]},
            404,
            "Servable not found for request: Latest(other)",
        ),
        (
            "/v1/models/toy/labels/stable:predict",
            {"instances": [1]},
            400,
            "Unrecognized servable version label: stable",
        ),
        (
            f"/v1/models/toy/versions/{2**70}",
            None,
            400,
            f"Failed to convert version: {2**70} to numeric.",
        ),
        ("/v1/nothing", None, 400, "Malformed request: GET /v1/nothing"),
        (PREDICT, None, 400, f"Malformed request: GET {PREDICT}"),
        ("/v1/models/toy", {}, 400, "Malformed request: POST /v1/models/toy"),
        ("/elsewhere", None, 404, "Not Found: /elsewhere"),
        (
            "/v1/models/toy:classify",
            {"examples": []},
            501,
            "classify is not supported; use predict",
        ),
        (PREDICT, b"", 400, "JSON Parse error: The document is empty"),
        (PREDICT, [1], 400, "JSON Value: a list of 1 Is not object"),
        (PREDICT, {"x": 1}, 400, "Missing 'inputs' or 'instances' key"),
        (
            PREDICT,
            {"signature_name": "nosuch", "instances": [1]},
            400,
            'Serving signature name: "nosuch" not found in signature def',
        ),
        (
            PREDICT,
            {"instances": [3]},
            400,
            "input image_bytes: JSON Value: 3 is not of expected type: string",
        ),
        (
            PREDICT,
            {"instances": [{"b64": "!"}]},
            400,
            "input image_bytes: Unable to base64 decode: ",
        ),
        (
            PREDICT,
            {"signature_name": "image_tensor", "instances": [[[[1, 2]]]]},
            400,
            "Shape of tensor images [1,1,1,2] is not compatible with expected shape "
            "[?,?,?,3].",
        ),
        (PREDICT, {"instances": ["junk"]}, 400, "Unknown image file format."),
    ],
)
def test_wrong_requests_are_told_why(port, path, body, status, text):
    got, content = rest(port, path, body)
    assert got == status
    assert list(content) == ["error"]
    assert content["error"].startswith(text)


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff\xfe", b"[" * 100_000, b'{"instances": [' + b"9" * 5000 + b"]}"],
)
def test_bodies_that_are_no_json(port, body):
    status, content = rest(port, PREDICT, body)
    assert status == 400
    assert content["error"].startswith("JSON Parse error: ")


def _raw(port, request):
    """Sends bytes, returns everything that comes until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"", b"400"),  # the next request would begin with {}
        (b"Transfer-Encoding: chunked\r\n", b"400"),  # {} is no chunk
        (b"Content-Length: many\r\n", b"400"),
        (b"Content-Length: -1\r\n", b"400"),
        (b"Content-Length: 99999999999\r\n", b"413"),
        (b"Content-Length: 2\r\nContent-Encoding: gzip\r\n", b"400"),  # nor gzip
        (b"Content-Length: 2\r\nContent-Encoding: br\r\n", b"415"),
        (b"Content-Length: 2\r\nContent-Length: 3\r\n", b"400"),
        (b"Content-Length : 2\r\n", b"400"),
        (b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"400"),
        (b"Content-Length: 2\r\nX: " + b"y" * 20_000 + b"\r\n", b"400"),
        (b"Content-Length: 2\r\n" + b"X: y\r\n" * 200, b"400"),
    ],
)
def test_bodies_that_cannot_be_read(port, headers, status):
    line = f"POST {PREDICT} HTTP/1.1\r\nHost: here\r\n".encode()
    answer = _raw(port, line + headers + b"\r\n{}")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert list(json.loads(body)) == ["error"]


def test_a_client_that_hangs_up_after_a_refusal_is_let_go(port):
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: here\r\nContent-Length: 9999999999\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=8) as connection:
        connection.sendall(head.encode() + b"\r\n{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")
        time.sleep(0.2)  # the server now reads on, to throw it away
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # the time-out would be an error
            pass


def _head_and_json(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_post_needs_to_tell_where_its_body_ends(port):
    answer = _raw(port, f"POST {PREDICT} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    assert _head_and_json(answer) == (
        411,
        {"error": "a body needs a Content-Length or Transfer-Encoding: chunked"},
    )


def _ask(port, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def _packed(body):
    """Packs the same bytes to the same: without the time of day."""
    return gzip.compress(body, 1, mtime=0)


def test_chunked_and_gzip_bodies(port):
    body = json.dumps({"instances": [B64]}).encode()
    whole = _ask(port, "POST", PREDICT, body)[2]
    packed = _packed(body)
    for sent, headers in (
        (iter([body[:7], body[7:]]), {}),
        (packed, {"Content-Encoding": "gzip"}),
        (iter([packed[:7], packed[7:]]), {"Content-Encoding": "GZIP"}),
    ):
        status, _, content = _ask(port, "POST", PREDICT, sent, **headers)
        assert (status, content) == (200, whole)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (_packed(b" " * 1001), 413, "the body unpacks to more than 1000 bytes"),
        (_packed(bytes(2**28)), 413, "the body has "),
        (_packed(b"{}")[:-1], 400, "the body is no whole gzip file"),
        (_packed(b"{}") + b"x", 400, "the body is no whole gzip file"),
        (b"{}", 400, "the body is no gzip file"),
    ],
)
def test_gzip_bodies_that_are_refused(serve, toy, body, status, text):
    port = serve(toy, rest_api_max_body_bytes=1000).rest_api_port
    headers = {"Content-Encoding": "gzip"}
    got, _, content = _ask(port, "POST", PREDICT, body, **headers)
    assert got == status
    assert json.loads(content)["error"].startswith(text)
    got, _, content = _ask(port, "POST", PREDICT, iter([bytes(999), b"xx"]))
    assert got == 413
    assert json.loads(content)["error"].startswith("the body has more than 1000 bytes")


def test_head_options_and_a_trailing_slash(port):
    status, headers, content = _ask(port, "GET", "/v1/models/toy/")
    assert (status, content) == (200, _ask(port, "GET", "/v1/models/toy")[2])
    assert _ask(port, "GET", "/v1/models/toy/versions/1/metadata/")[0] == 200
    assert rest(port, PREDICT + "/", {"instances": [B64]})[0] == 200
    head = _ask(port, "HEAD", "/v1/models/toy")
    assert (head[0], head[2]) == (200, b"")
    assert head[1]["Content-Length"] == headers["Content-Length"]
    assert _ask(port, "HEAD", "/v1/models/other")[0] == 404
    status, headers, content = _ask(port, "OPTIONS", PREDICT)
    assert (status, content) == (204, b"")
    assert headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert headers["Server"] == "maskrcnn-serving"


def test_pipelined_requests_are_answered_in_their_order(port):
    requests = [
        b"GET /v1/models/toy HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET /v1/models/other HTTP/1.1\r\nHost: here\r\n\r\n",
        b"HEAD /v1/models/toy HTTP/1.1\r\nHost: here\r\n\r\n",
    ]
    answers = _raw(port, b"".join(requests * 100))
    lines = [line for line in answers.split(b"\r\n") if b"HTTP/1.1 " in line]
    assert [line.split()[-2 if b"404" not in line else -3] for line in lines] == [
        b"200",
        b"404",
        b"200",
    ] * 100


def test_a_body_sent_drop_by_drop(port):
    body = json.dumps({"instances": [B64]}).encode()
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in f"{head}\r\n".encode() + body:
            connection.sendall(bytes([byte]))
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_client_that_waits_to_send_its_body(port):
    body = json.dumps({"instances": [B64]}).encode()
    head = (
        f"POST {PREDICT} HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body)}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        (
            f"/v1/models/toy/versions/{'9' * 5000}:predict",
            b"{}",
            "Failed to convert version: 99999",
        ),
        (PREDICT, b'{"instances": [' + b"9" * 4000 + b"]}", "JSON Parse error: "),
        (
            PREDICT,
            b'{"signature_name": "image_tensor", "instances": [[[[18446744073709551616,'
            b"1,1]]]]}",
            "input images: JSON Value: a list of 1 is not of expected type: uint8",
        ),
        (PREDICT, b'{"signature_name": "\\ud800", "instances": [1]}', "JSON Parse err"),
        (PREDICT, b'{"instances": ["\\ud800"]}', "JSON Parse error: "),
        (
            PREDICT,
            b'{"signature_name": "\\ud800", "instances": [NaN]}',
            'signature_name: "\\ud800" holds half a surrogate pair',
        ),
        (
            PREDICT,
            b'{"instances": ["\\ud800", NaN]}',
            'input image_bytes: JSON Value: "\\ud800" holds half a surrogate pair',
        ),
        (
            PREDICT,
            json.dumps(
                {
                    "signature_name": "image_tensor",
                    "instances": ["a" * 10**6] + ["a"] * 10,
                }
            ).encode(),
            "input images: JSON Value: a list of 11 is not of expected type: uint8",
        ),
        (
            PREDICT,
            json.dumps({"instances": ["a"] * 65}).encode(),
            "Task size 65 is larger than maximum input batch size 64",
        ),
        (
            PREDICT,
            json.dumps({"inputs": {"image_bytes": ["a"] * 4000}}).encode(),
            "Task size 4000 is larger than maximum input batch size 64",
        ),
        (
            PREDICT,
            b'{"instances": [' + b"[]," * 1_500_001 + b"[]]}",
            "JSON Parse error: expected at most 1500000 lists and objects, got 1500004",
        ),
        (
            PREDICT,
            b'{"instances": [' + b"1," * 5_000_001 + b"1]}",
            "JSON Parse error: expected at most 5000000 values, got 5000001",
        ),
    ],
    ids=range(12),
)
def test_absurd_requests_are_wrong_requests(port, path, body, text):
    status, content = rest(port, path, body)
    assert status == 400
    assert content["error"].startswith(text)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # how TLS begins
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x00" * 5000 + b"\r\n\r\n",
        b"GET " + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /v1/models/toy:predict HTTP/1.1\r\nContent-Length: 50\r\n\r\ncut",
        b"TRACE / HTTP/1.1\r\n\r\n",
    ],
)
def test_garbage_ends_a_connection_and_nothing_else(server, stubs, garbage):
    for port in (server.rest_api_port, server.port):
        with contextlib.suppress(OSError):  # hung up before it had read everything
            _raw(port, garbage)
    assert rest(server.rest_api_port, "/v1/models/toy")[0] == 200
    assert stubs.info() == (1, "one")


def test_a_connection_serves_many_requests_errors_included(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    sockets = set()
    for body in ('{"instances": ["junk"]}', "{", json.dumps({"instances": [B64]})):
        connection.request("POST", PREDICT, body)
        connection.getresponse().read()
        sockets.add(connection.sock)
    assert len(sockets) == 1
    connection.close()


def test_a_body_limit(serve, toy):
    server = serve(toy, rest_api_max_body_bytes=100)
    status, content = rest(server.rest_api_port, PREDICT, b" " * 101)
    assert status == 413
    assert content["error"].startswith("the body has 101 bytes, at most 100 are read")


def test_ovmsclient_over_http(port):
    client = ovmsclient.make_http_client(f"127.0.0.1:{port}")
    assert client.get_model_status("toy")[1]["state"] == "AVAILABLE"
    # It knows OpenVINO's spelling of this answer only and passes on TensorFlow's.
    assert client.get_model_metadata("toy")["model_spec"]["version"] == "1"
    outputs = client.predict({"image_bytes": [PNG]}, "toy", timeout=TIMEOUT_S)
    assert outputs["detection_scores"].tolist() == [[1.0, 0.0]]
