"""How many connections and bodies the HTTP server takes."""

from __future__ import annotations

import contextlib
import functools
import gc
import http.client
import json
import socket
import time

import pytest

from serving.embedded import http_body, http_connection
from serving.embedded.gate import PendingCall
from serving.embedded.http_server import RestServer

TIMEOUT_S = 60.0
POST = b"POST /v1/x HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\n"
GET = b"GET /v1/x HTTP/1.1\r\nHost: here\r\n\r\n"


class _Echo:
    def __init__(self):
        self.cancelled = []

    def start_call(self):
        return PendingCall(None)

    def cancel(self, call):
        self.cancelled.append(call)

    def answer(self, method, path, body, call):
        return json.dumps([method, path, body.decode()]).encode()


@pytest.fixture
def server():
    """At most two bodies and four connections at once."""
    server = RestServer(
        ("127.0.0.1", 0),
        _Echo(),
        max_body_bytes=2**20,
        max_bodies=2,
        max_connections=4,
    )
    server.start()
    yield server
    server.stop(0)


@pytest.fixture
def connect(server):
    """Opens connections and sends them bytes."""
    with contextlib.ExitStack() as stack:

        def run(sent=b""):
            connection = stack.enter_context(
                socket.create_connection(server.server_address, timeout=TIMEOUT_S)
            )
            connection.sendall(sent)
            return connection

        yield run


def _wait_until(condition):
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _open(server):
    return server._connections.connections


def _ask(server, method, body=None):
    connection = http.client.HTTPConnection(*server.server_address, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request(method, "/v1/x", body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_beyond_the_bodies_only_what_has_one_is_refused(server, connect):
    slow = [connect(POST) for _ in range(2)]
    _wait_until(lambda: server._active == 2)
    assert _ask(server, "POST", b"x" * 2**20) == (
        503,
        {"error": "too many requests at once; try again later"},
    )
    assert _ask(server, "GET") == (200, ["GET", "/v1/x", ""])
    for connection in slow:
        connection.sendall(b"12345")
        assert connection.recv(12) == b"HTTP/1.1 200"
    _wait_until(lambda: server._active == 0)
    assert _ask(server, "POST", b"12345") == (200, ["POST", "/v1/x", "12345"])


def test_a_refused_connection_serves_on_when_its_body_is_read(server, connect):
    for _ in range(2):
        connect(POST)
    _wait_until(lambda: server._active == 2)
    refused = connect(POST + b"12345" + GET)
    refused.shutdown(socket.SHUT_WR)
    answers = b"".join(iter(lambda: refused.recv(65536), b""))
    assert answers.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"HTTP/1.1 200 OK" in answers


def test_a_body_that_ends_early_gives_its_place_back(server, connect):
    for _ in range(3):
        connect(POST + b"1").close()
    _wait_until(lambda: server._connections.requests_count == 3 and not _open(server))
    assert _ask(server, "POST", b"12345")[0] == 200


def test_further_connections_are_refused_until_one_ends(server, connect):
    silent = [connect() for _ in range(4)]
    _wait_until(lambda: len(_open(server)) == 4)
    refused = connect()
    answer = b"".join(iter(lambda: refused.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"error": "too many connections; try again later"}
    assert len(_open(server)) == 4
    silent[0].close()
    _wait_until(lambda: len(_open(server)) < 4)
    assert _ask(server, "GET")[0] == 200


def _all_of(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("name", ["_SILENCE_S", "_BODY_S"])
def test_a_body_that_does_not_come_ends_its_connection(
    server, connect, monkeypatch, name
):
    monkeypatch.setattr(http_body, name, 0.1)
    # aiohttp reads on for ten seconds behind an answer.
    impatient = functools.partial(http_connection.Connection, lingering_time=0.1)
    monkeypatch.setattr(http_connection, "Connection", impatient)
    answer = _all_of(connect(POST + b"1"))
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b'{"error": "the body did not come: nothing for ' in answer
    assert _ask(server, "POST", b"12345")[0] == 200


def test_a_silent_connection_ends(server, connect, monkeypatch):
    monkeypatch.setattr(http_connection, "IDLE_S", 0.1)
    for sent in (b"", b"GET /v1", GET):
        answer = _all_of(connect(sent))  # ends, or this test would time out
        assert answer.startswith(b"HTTP/1.1 200" if sent == GET else b"")
    _wait_until(lambda: not _open(server))


def test_an_answer_that_is_not_read_ends_its_connection(server, connect, monkeypatch):
    monkeypatch.setattr(http_connection, "_ANSWER_S", 0.1)
    monkeypatch.setattr(
        server._service, "answer", lambda *_: b'"' + b"x" * 2**26 + b'"'
    )
    connect(GET)
    _wait_until(lambda: server._connections.requests_count == 1 and not _open(server))


def test_a_fault_of_the_server_is_told_and_logged(server, monkeypatch, caplog):
    def fail(*_):
        raise KeyError("x")

    monkeypatch.setattr(server._service, "answer", fail)
    assert _ask(server, "GET") == (500, {"error": "KeyError: 'x'"})
    assert "a request failed in the server itself" in caplog.text


def test_the_log_has_no_secrets(server, connect, caplog):
    caplog.set_level("DEBUG")
    sent = GET.replace(b"/x ", b"/x?key=SECRET ").replace(
        b"here\r\n", b"here\r\nAuthorization: SECRET\r\nConnection: close\r\n"
    )
    assert _all_of(connect(sent)).startswith(b"HTTP/1.1 200")
    broken = b"GET /v1/x?key=SECRET HTTP/1.1\r\nAuthorization SECRET\r\n\r\n"
    answer = _all_of(connect(broken))
    assert answer.split()[1] == b"400"
    assert b"SECRET" not in answer
    assert "GET '/v1/x': 200" in caplog.text
    assert "SECRET" not in caplog.text


def test_what_is_accepted_while_the_server_stops_is_closed(server, connect):
    # The loop finds the connections and the stop in one turn.
    server._loop.call_soon_threadsafe(time.sleep, 0.2)
    for _ in range(10):
        connect()
    server.stop(0)
    gc.collect()  # a socket that is left open is an error of this test
