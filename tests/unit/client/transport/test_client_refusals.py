"""What becomes of a call that a server refuses, cannot answer yet, or does not get."""

import threading
import time

import grpc
import numpy as np
import pytest

from client import Client, ConnectError, DeadlineError, RetryPolicy, ServerError
from client.transport.refusal import hint, is_repeated, is_split, plain
from client.transport.retry import LONGEST_REPEATS_S, Budget, check_timeout
from tests.fake_server import FakeServer

RGB = np.zeros((40, 80, 3), np.uint8)
EXHAUSTED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
FULL = (grpc.StatusCode.UNAVAILABLE, "The queue to which this request is full")
WINDOWS = {
    "model": {},
    "mode": {
        "name": "sliding_window_det",
        "window": {"width": 20, "height": 20},
        "min_overlap": {"x": 5, "y": 5},
    },
}


def batches(server, since):
    return [
        request.inputs["images"].tensor_shape.dim[0].size
        for request in server.requests[since:]
    ]


@pytest.mark.parametrize("status", [EXHAUSTED, FULL])
def test_what_is_repeated_is_not_split(server, connect, status):
    connected = connect(config=WINDOWS, batch_size=5, requests_in_flight=1)
    since = len(server.requests)
    server.failures.extend([status] * 3)
    assert len(connected.predict(RGB).instances) == 30
    assert batches(server, since) == [5, 5, 5, 5, 5, 5]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (9 vs. 4)"),
        ("INVALID_ARGUMENT", "Task size 5 is larger than maximum input batch size 4"),
        ("RESOURCE_EXHAUSTED", "out of memory while answering this request"),
        ("RESOURCE_EXHAUSTED", "a text that nobody knows"),
    ],
)
def test_what_is_split(server, connect, code, text):
    connected = connect(config=WINDOWS, batch_size=5, requests_in_flight=1)
    since = len(server.requests)
    server.failures.append((grpc.StatusCode[code], text))
    assert len(connected.predict(RGB).instances) == 30
    assert batches(server, since) == [5, 1, 1, 1, 1, 1, 5, 5]
    since = len(server.requests)
    server.failures.extend([(grpc.StatusCode[code], text)] * 2)
    with pytest.raises(ServerError, match=text.split("(")[0]):
        connected.predict(RGB)
    assert batches(server, since)[:2] == [5, 1]  # once in parts, then told


def test_claims_are_told(server, connect):
    connected = connect(config=WINDOWS, batch_size=5, requests_in_flight=1)
    since = len(server.requests)
    text = "tensor images: shape [9] claims 9 bytes; at most 4 are unpacked"
    server.failures.append((grpc.StatusCode.RESOURCE_EXHAUSTED, text))
    with pytest.raises(ServerError, match="send a smaller picture or smaller parts"):
        connected.predict(RGB)
    assert batches(server, since)[0] == 5
    assert 1 not in batches(server, since)


@pytest.mark.parametrize(
    ("code", "text", "cure"),
    [
        (*EXHAUSTED, "raise the server's --grpc_max_threads"),
        ("UNAVAILABLE", "The queue is full", "let more wait there"),
        (
            "RESOURCE_EXHAUSTED",
            "CLIENT: Sent message larger than max (9 vs. 4)",
            "raise grpc.max_send_message_length",
        ),
        (
            "RESOURCE_EXHAUSTED",
            "SERVER: Received message larger than max (9 vs. 4)",
            "raise the server's grpc.max_receive_message_length",
        ),
        ("INVALID_ARGUMENT", "Task size 9 is larger than max", "raise max_batch_size"),
        ("RESOURCE_EXHAUSTED", "out of memory", "give the server more memory"),
        ("INTERNAL", "out of order", ""),
    ],
)
def test_hints(code, text, cure):
    code = grpc.StatusCode[code] if isinstance(code, str) else code
    told = hint(code, text)
    assert told.startswith(cure)
    assert bool(told) == bool(cure)


def test_what_codes_mean():
    codes = grpc.StatusCode
    assert is_repeated(codes.UNAVAILABLE, "")
    assert is_repeated(codes.CANCELLED, "")
    assert is_repeated(*EXHAUSTED)
    assert not is_repeated(codes.RESOURCE_EXHAUSTED, "message larger than max")
    assert not is_repeated(codes.INTERNAL, "Threadpool Exhausted")
    assert not is_split(*EXHAUSTED)
    assert not is_split(codes.UNAVAILABLE, "larger than max")
    assert not is_split(codes.INTERNAL, "")


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ("bad PNG\n\t [[{{node map/while/Decode}}]]", "bad PNG"),
        ("bad\n\t [[{{function_node f}}{{node g}}]] and more", "bad and more"),
        (
            "{{function_node __wrapped__X}} Input is empty. [Op:X]",
            "Input is empty. [Op:X]",
        ),
        ("(0) a\n\t [[{{node b}}]]\n\t [[While/body/_12]]\n  (1) c", "(0) a\n  (1) c"),
        ("cut\n\t [[{{node map/wh...TRUNCATED", "cut"),
        ("shape [[1,2],[3]] is bad", "shape [[1,2],[3]] is bad"),
        ("a {b} {{c}}", "a {b} {{c}}"),
        ("\x1b[31mred\nnext", "\\u001b[31mred\nnext"),
    ],
)
def test_texts_of_servers(details, told):
    assert plain(details) == told


def test_sixteen_threads_on_eight(connect):
    """TensorFlow Serving's threads: what it has none for, it refuses at once."""
    server = FakeServer(threads=32)
    server.max_busy, server.delay_s = 8, 0.02
    outcomes = []

    def work(connected):
        for _ in range(6):
            outcomes.append(len(connected.predict(RGB).instances))

    try:
        with Client(server.address, timeout_s=60) as connected:
            threads = [
                threading.Thread(target=work, args=(connected,)) for _ in range(16)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert connected._channel._limiter.limit < 96
    finally:
        server.stop()
    assert outcomes == [2] * 96
    assert server.refused > 0
    assert server.most_busy <= 8


@pytest.mark.parametrize("status", [EXHAUSTED, FULL])
def test_the_budget_is_the_deadline(server, connect, status):
    connected = connect(retry=RetryPolicy(first_delay_s=0.01, max_delay_s=0.05))
    server.failures.extend([status] * 10_000)
    started = time.monotonic()
    with pytest.raises(ConnectError, match=r"after \d{2,} attempts") as caught:
        connected.predict(RGB, timeout_s=1.0)
    assert 0.5 < time.monotonic() - started < 30
    assert status[1] in str(caught.value)
    assert isinstance(caught.value.__cause__, (grpc.RpcError, DeadlineError))
    server.failures.clear()
    assert connected.predict(RGB).instances


def test_a_late_answer_after_refusals_is_told_as_what_was_refused(server, connect):
    connected = connect()
    server.delay_s = 2.0
    server.failures.append(EXHAUSTED)
    with pytest.raises(ConnectError, match="Threadpool Exhausted"):
        connected.predict(RGB, timeout_s=0.5)
    with pytest.raises(DeadlineError):
        connected.predict(RGB, timeout_s=0.5)


def test_without_a_deadline_repeats_last_five_minutes():
    budget = Budget(None)
    assert budget.left_s() is None
    assert LONGEST_REPEATS_S - 60 < budget.repeats_left_s() <= LONGEST_REPEATS_S == 300
    assert 0 < Budget(7.0).repeats_left_s() <= 7
    assert Budget(1e300).left_s() is None  # longer than threads can wait


def test_repeats_end_with_the_wait_for_the_server(server, connect):
    connected = connect(server_wait_s=0.5, timeout_s=60)
    server.failures.extend([FULL] * 10_000)
    with pytest.raises(ConnectError, match="after"):
        connected.predict(RGB)
    assert len(server.failures) > 0


def test_default_policy():
    policy = RetryPolicy()
    assert policy.retries is None
    assert not policy.is_over(10**6)
    assert RetryPolicy(retries=2).is_over(2)
    assert not RetryPolicy(retries=2).is_over(1)
    assert 0.05 <= policy.delay_s(0) <= 0.1
    assert 1.5 <= policy.delay_s(10**6) <= policy.max_delay_s == 3.0


@pytest.mark.parametrize("seconds", ["5", b"5", [5], True, 10**400])
def test_times_that_are_no_numbers(server, connect, seconds):
    with pytest.raises(
        ValueError, match="timeout_s: expected a finite number of seconds"
    ):
        check_timeout(seconds)
    for name in ("timeout_s", "connect_timeout_s", "server_wait_s"):
        with pytest.raises(ValueError, match=f"{name}: expected a finite number"):
            connect(**{name: seconds})


def test_a_wait_for_ever_is_none(connect):
    with pytest.raises(ValueError, match="server_wait_s: expected a number of seconds"):
        connect(server_wait_s=None)


def test_a_client_that_starts_while_the_model_loads(server, connect, caplog):
    server.is_loading = True
    timer = threading.Timer(1.0, lambda: setattr(server, "is_loading", False))
    timer.start()
    with caplog.at_level("INFO", "client.transport.loading"):
        assert connect().model_version == 3
    timer.join()
    (told,) = caplog.messages
    assert told == f"{server.address}: model mask_rcnn: version 3 is loading"
    assert server.status_calls >= 3


def test_a_model_that_takes_too_long(server, connect):
    server.is_loading = True
    with pytest.raises(
        ConnectError, match="version 3 is loading, and was not ready in"
    ):
        connect(server_wait_s=2)


def test_a_model_that_does_not_load(server, connect):
    server.load_error = "no \x1b signature"
    with pytest.raises(ServerError, match=r"does not load: version 3: no \\u001b sig"):
        connect()


def test_a_wrong_name_ends_at_once_while_another_model_loads(server, connect):
    server.is_loading = True
    with pytest.raises(ServerError, match="check the model's name and version"):
        connect(model_name="other")


def test_a_server_that_was_restarted_and_loads_yet(server, connect):
    connected = connect()
    server.is_loading = True
    timer = threading.Timer(0.7, lambda: setattr(server, "is_loading", False))
    timer.start()
    assert connected.predict(RGB).instances
    timer.join()


def test_a_closed_client_ends_what_waits(server, connect):
    connected = connect(retry=RetryPolicy())
    server.failures.extend([FULL] * 10_000)
    errors = []

    def work():
        try:
            connected.predict(RGB)
        except ConnectError as err:
            errors.append(str(err))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(server.failures) > 9_990:
        time.sleep(0.01)
    connected.close()
    for thread in threads:
        thread.join(30)
    assert len(errors) == 6
    assert all("the client is closed; make a new one" in error for error in errors)


def test_waiting_can_be_ended(server, connect):
    connected = connect(retry=RetryPolicy())
    server.failures.extend([FULL] * 10_000)
    connected.stop_waiting()
    with pytest.raises(ConnectError, match="after 1 attempts"):
        connected.predict(RGB)
