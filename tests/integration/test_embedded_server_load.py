"""More requests than fit, callers that leave, and the end of the process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2

from serving.embedded.server import EmbeddedServer, ServerOptions, StartError
from tests.integration.serving_clients import TIMEOUT_S, Stubs, request, rest
from tests.integration.toy_serving import is_running, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def release(tmp_path):
    """The file that ends every `wait` request; made at the latest when a test ends."""
    path = tmp_path / "release"
    yield path
    path.touch()


@pytest.fixture
def narrow(serve, toy, release):
    """A server that runs one request and lets one wait, with a connected client."""
    server = serve(toy, max_concurrent_requests=1, max_queued_requests=1)
    stubs = Stubs(server.port)
    yield server, stubs
    release.touch()
    stubs.close()


def _waiting(stubs, release):
    return stubs.start("wait", path=[str(release).encode()])


def _code(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name


def test_beyond_the_queue_requests_are_unavailable_at_once(narrow, release):
    server, stubs = narrow
    calls = [_waiting(stubs, release) for _ in range(3)]
    wait_until(lambda: any(call.done() for call in calls))
    (refused,) = [call for call in calls if call.done()]
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.details() == (
        "The queue to which this request was submitted is full; currently 2 requests "
        "are under way, and at most 1 run while 1 wait."
    )
    status, content = rest(
        server.rest_api_port, "/v1/models/toy:predict", {"instances": ["x"]}
    )
    assert (status, content["error"]) == (503, refused.details())
    # All workers busy, everything but Predict is answered.
    assert stubs.states() == {1: 30}
    assert rest(server.rest_api_port, "/v1/models/toy/metadata")[0] == 200
    release.touch()
    for call in calls:
        if call is not refused:
            assert call.result().outputs["done"].bool_val[0]
    assert stubs.info() == (1, "one")


def test_silent_predict_calls_take_no_threads_of_the_other_methods(serve, toy):
    server = serve(
        toy, max_concurrent_requests=1, max_queued_requests=1, grpc_max_threads=1
    )
    stubs = Stubs(server.port)
    silent = stubs.channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
    end = threading.Event()

    def nothing():
        end.wait()
        yield from ()

    calls = [silent.future(nothing()) for _ in range(10)]
    # None of its 3 threads is left to Predict.
    stuck = request("model_info", request=[b""])
    assert _code(lambda: stubs.prediction.Predict(stuck, timeout=0.5)) == (
        "DEADLINE_EXCEEDED"
    )
    assert stubs.states() == {1: 30}
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(
        metadata_field=["signature_def"]
    )
    metadata.model_spec.name = "toy"
    answer = stubs.prediction.GetModelMetadata(metadata, timeout=TIMEOUT_S)
    assert answer.model_spec.version.value == 1
    health = stubs.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"", timeout=TIMEOUT_S) == b"\x08\x01"  # SERVING
    for call in calls:
        call.cancel()
    end.set()
    assert stubs.info() == (1, "one")
    stubs.close()


def test_a_deadline_ends_a_run(narrow, release):
    _, stubs = narrow
    slow = request("wait", path=[str(release).encode()])
    timed = _code(lambda: stubs.prediction.Predict(slow, timeout=0.3))
    assert timed == "DEADLINE_EXCEEDED"
    # The only worker is free again although nothing released that request.
    assert stubs.info() == (1, "one")


def test_rest_has_a_deadline(serve, toy, release):
    server = serve(toy, rest_api_timeout_s=0.3)
    body = {"signature_name": "wait", "instances": [str(release)]}
    status, content = rest(server.rest_api_port, "/v1/models/toy:predict", body)
    assert (status, content) == (504, {"error": "Timed out waiting for notification"})


def test_a_queued_request_whose_client_left_is_not_run(narrow, release, tmp_path):
    server, stubs = narrow
    running = _waiting(stubs, release)
    wait_until(lambda: is_running(release))
    touched = tmp_path / "touched"
    queued = stubs.start("touch", path=[str(touched).encode()])
    wait_until(lambda: server._gate._admitted == 2)
    assert queued.cancel()
    wait_until(lambda: server._gate._admitted == 1)
    release.touch()
    assert running.result().outputs["done"].bool_val[0]
    assert stubs.info() == (1, "one")
    assert not touched.exists()


def test_the_parts_that_nobody_waits_for_do_not_run(serve, toy, release, tmp_path):
    server = serve(toy, max_batch_size=1)
    stubs = Stubs(server.port)
    second = tmp_path / "second"
    call = stubs.start("wait", path=[str(release).encode(), str(second).encode()])
    wait_until(lambda: is_running(release))
    assert call.cancel()
    for _ in range(2):  # answered after the cancellation, as it came later
        assert stubs.info() == (1, "one")
    release.touch()
    assert server._gate.wait_idle(TIMEOUT_S)
    assert not is_running(second)
    stubs.close()


def test_rest_runs_no_part_for_a_client_that_left(serve, toy, release, tmp_path):
    server = serve(toy, max_batch_size=1)
    second = tmp_path / "second"
    body = {"signature_name": "wait", "instances": [str(release), str(second)]}
    content = json.dumps(body).encode()
    head = (
        "POST /v1/models/toy:predict HTTP/1.1\r\nHost: here\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    address = ("127.0.0.1", server.rest_api_port)
    with socket.create_connection(address, timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7))
        connection.sendall(head.encode() + content)
        wait_until(lambda: is_running(release))
    wait_until(lambda: not server._rest._connections.connections)
    release.touch()
    assert server._gate.wait_idle(TIMEOUT_S)
    assert not is_running(second)


def test_a_deadline_ends_the_parts_of_a_request(serve, toy, release, tmp_path):
    stubs = Stubs(serve(toy, max_batch_size=1).port)
    second = tmp_path / "second"
    message = request("wait", path=[str(release).encode(), str(second).encode()])
    assert _code(lambda: stubs.prediction.Predict(message, timeout=1)) == (
        "DEADLINE_EXCEEDED"
    )
    assert stubs.info() == (1, "one")
    assert not is_running(second)
    stubs.close()


def test_a_message_over_the_limit(serve, toy):
    stubs = Stubs(serve(toy, grpc_max_message_bytes=1000).port)
    large = request("model_info", request=[b"x" * 1000])
    with pytest.raises(grpc.RpcError, match="larger than max") as caught:
        stubs.prediction.Predict(large, timeout=TIMEOUT_S)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stubs.info() == (1, "one")
    stubs.close()


def test_more_images_than_a_request_may_have(serve, toy):
    stubs = Stubs(serve(toy, max_images_per_request=2).port)
    assert stubs.predict("model_info", request=[b""] * 2).model_spec.version.value == 1
    with pytest.raises(grpc.RpcError, match="Task size 3 is larger than max") as caught:
        stubs.predict("model_info", request=[b""] * 3)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    stubs.close()


def _refuses_connections(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_stopping_finishes_what_runs_and_what_waits(serve, toy, release, tmp_path):
    server = serve(toy, max_concurrent_requests=1)
    stubs = Stubs(server.port)
    calls = [_waiting(stubs, release), stubs.start("model_info", request=[b""])]
    wait_until(lambda: server._gate._admitted == 2)
    drained = []
    stopping = threading.Thread(target=lambda: drained.append(server.stop(60)))
    stopping.start()
    wait_until(lambda: _refuses_connections(server.rest_api_port))
    release.touch()
    stopping.join()
    assert drained == [True]
    for call in calls:
        assert call.result().model_spec.version.value == 1
    stubs.close()


def test_a_burst_is_answered_or_refused(serve, toy):
    server = serve(toy, max_concurrent_requests=2, max_queued_requests=4)
    stubs = Stubs(server.port)
    calls = [stubs.start("model_info", request=[b""]) for _ in range(300)]
    codes = {call.code() for call in calls}  # waits for each
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert stubs.info() == (1, "one")
    stubs.close()


def test_stopping_does_not_wait_for_ever(serve, toy, release):
    server = serve(toy)
    stubs = Stubs(server.port)
    call = _waiting(stubs, release)
    wait_until(lambda: is_running(release))
    assert not server.stop(drain_timeout_s=0)
    assert _code(call.result) in ("CANCELLED", "UNAVAILABLE")
    stubs.close()


class Process:
    """`python -m serving` with its log read up to a line at a time."""

    def __init__(self, *flags: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "serving", "--host", "127.0.0.1", *flags],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_until(self, text: str) -> None:
        seen = []
        for line in self.popen.stderr:
            seen.append(line)
            if text in line:
                return
        raise AssertionError(f"no {text!r} in the log: {''.join(seen)}")


@pytest.fixture
def program():
    started = []

    def run(*flags):
        started.append(Process(*flags))
        return started[-1]

    yield run
    for process in started:
        process.popen.kill()
        process.popen.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)]
)
def test_signals_drain_the_program(program, toy, release, number, code):
    process = program(
        f"--model_base_path={toy}", "--model_name=toy", "--port=0", "--rest-api-port=0"
    )
    address = process.popen.stdout.readline().strip()
    process.read_until("version 1 available")
    stubs = Stubs(int(address.removeprefix("127.0.0.1:")))
    running = _waiting(stubs, release)

    wait_until(lambda: is_running(release))
    process.popen.send_signal(number)
    process.read_until("finishing requests")
    release.touch()
    assert running.result(timeout=TIMEOUT_S).outputs["done"].bool_val[0]
    stdout, _ = process.popen.communicate(timeout=TIMEOUT_S)
    assert (process.popen.returncode, stdout) == (code, "")
    stubs.close()


@pytest.mark.slow
def test_a_second_signal_ends_the_program_at_once(program, toy, release):
    process = program(
        f"--model_base_path={toy}", "--model_name=toy", "--port=0", "--rest-api-port=0"
    )
    address = process.popen.stdout.readline().strip()
    process.read_until("version 1 available")
    stubs = Stubs(int(address.removeprefix("127.0.0.1:")))
    running = _waiting(stubs, release)
    wait_until(lambda: is_running(release))
    process.popen.send_signal(signal.SIGTERM)
    process.read_until("finishing requests")
    process.popen.send_signal(signal.SIGTERM)
    process.popen.communicate(timeout=TIMEOUT_S)
    assert process.popen.returncode == 128 + signal.SIGTERM
    assert _code(running.result) == "UNAVAILABLE"
    stubs.close()


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--port", "--rest-api-port"])
def test_a_taken_port_is_one_clear_error(program, toy, flag):
    other = {"--port": "--rest-api-port", "--rest-api-port": "--port"}[flag]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = program(f"--model-base-path={toy}", f"{flag}={port}", f"{other}=0")
        _, stderr = process.popen.communicate(timeout=TIMEOUT_S)
    assert process.popen.returncode == 1
    last = stderr.splitlines()[-1]
    assert last.startswith(f"error: cannot listen on 127.0.0.1:{port} for ")
    assert last.endswith(f"Choose another {flag}")
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_a_version_as_base_path_is_told_at_once(program, toy):
    process = program(f"--model-base-path={toy / '1'}", "--port=0", "--rest-api-port=0")
    stdout, stderr = process.popen.communicate(timeout=TIMEOUT_S)
    assert (process.popen.returncode, stdout) == (1, "")
    assert stderr.splitlines()[-1] == (
        f"error: --model-base-path: {toy / '1'} is a version of a model; give the "
        f"directory that holds its versions: --model-base-path {toy}"
    )


@pytest.mark.parametrize(
    ("host", "rest_api_port", "text"),
    [
        (
            "no.such.host.invalid",
            None,
            "cannot resolve --host 'no.such.host.invalid': ",
        ),
        ("x" * 70, None, "cannot resolve --host "),
        ("192.0.2.1", None, "192.0.2.1:0 for gRPC: Cannot assign requested address; "),
        ("192.0.2.1", 0, "192.0.2.1:0 for REST: Cannot assign requested address; "),
    ],
)
def test_a_host_that_is_not_here(toy, host, rest_api_port, text):
    server = EmbeddedServer(
        ServerOptions(toy, host=host, port=0, rest_api_port=rest_api_port)
    )
    with pytest.raises(StartError) as caught:
        server.start()
    assert text in str(caught.value)
    assert "another server" not in str(caught.value)


def test_a_large_request_runs_in_parts(serve, toy):
    stubs = Stubs(serve(toy, max_batch_size=2).port)
    a = np.arange(10, dtype=np.float32).reshape(5, 2)
    whole = request("pair", a=a, b=np.arange(5))
    whole.output_filter.extend(["a_out", "b_out"])
    answer = stubs.prediction.Predict(whole, timeout=TIMEOUT_S)
    np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["a_out"]), a * 2)
    assert list(answer.outputs["b_out"].int64_val) == [1, 2, 3, 4, 5]


def test_parts_need_outputs_with_a_row_for_each(serve, toy, tmp_path):
    stubs = Stubs(serve(toy, max_batch_size=2).port)
    # Three runs of at most two rows: `done` has one row a run, `scalar` none.
    for message, text in (
        (request("touch", path=[str(tmp_path / "t").encode()] * 5), "expected 5 rows"),
        (request("pair", a=np.zeros((5, 2), np.float32), b=np.arange(5)), "0 dimens"),
    ):
        with pytest.raises(grpc.RpcError, match=text) as caught:
            stubs.prediction.Predict(message, timeout=TIMEOUT_S)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
