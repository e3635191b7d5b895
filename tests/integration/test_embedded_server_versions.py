"""How versions come, go and fail under a running server."""

from __future__ import annotations

import shutil
import struct
import threading

import grpc
import pytest
from tensorflow_serving.apis import prediction_log_pb2

from serving import protos
from serving.embedded.manager import ModelManager
from tests.integration.serving_clients import TIMEOUT_S, Stubs, request, rest
from tests.integration.toy_serving import PNG, is_running, publish, wait_until

LOADING, AVAILABLE, UNLOADING, END = 20, 30, 40, 50


@pytest.fixture
def connect():
    opened = []

    def open_stubs(server):
        opened.append(Stubs(server.port))
        return opened[-1]

    yield open_stubs
    for stubs in opened:
        stubs.close()


def _code(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name


def _health(stubs):
    check = stubs.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        response_deserializer=protos.HealthCheckResponse.FromString,
    )
    return check(b"", timeout=TIMEOUT_S).status


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_or_missing_base_path_is_waited_on(
    serve, connect, toys, base, exists, caplog
):
    if not exists:
        base.rmdir()
    server = serve(base, wait=False)
    stubs = connect(server)
    assert _code(lambda: stubs.predict(image_bytes=[PNG])) == "NOT_FOUND"
    assert _code(stubs.states) == "NOT_FOUND"
    assert _health(stubs) == protos.HealthCheckResponse.NOT_SERVING
    assert rest(server.rest_api_port, "/v1/models/toy/metadata")[0] == 404
    wait_until(lambda: "waiting for" in caplog.text)
    base.mkdir(exist_ok=True)
    publish(toys[1], base, 1)
    assert server.manager.wait_available(timeout_s=60)
    assert _health(stubs) == protos.HealthCheckResponse.SERVING
    assert stubs.info() == (1, "one")


def test_only_plain_numbers_are_versions(serve, connect, toys, base):
    for name in ("tmp-9", "9.0", "-9", "٩", "nine"):
        shutil.copytree(toys[2], base / name)
    (base / "99").write_text("a file")
    shutil.copytree(toys[1], base / "0008")
    stubs = connect(serve(base))
    assert stubs.info() == (8, "one")


def test_no_request_fails_while_versions_roll(serve, connect, toys, base):
    publish(toys[1], base, 1)
    server = serve(base)
    stubs = connect(server)
    answers, failures, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                answers.append(stubs.info())
            except grpc.RpcError as err:
                failures.append(err)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for version in (2, 3, 4):
        publish(toys[2], base, version)
        assert server.manager.wait_available(timeout_s=60, version=version)
        seen = len(answers)
        wait_until(lambda seen=seen: len(answers) + len(failures) > seen + 20)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(answers) == {(1, "one"), (2, "two"), (3, "two"), (4, "two")}
    wait_until(lambda: stubs.states() == {4: AVAILABLE, 3: END, 2: END, 1: END})


def test_an_old_version_stays_until_its_requests_are_done(
    serve, connect, toys, base, tmp_path
):
    publish(toys[1], base, 1)
    server = serve(base, max_concurrent_requests=2)
    stubs = connect(server)
    release = tmp_path / "release"
    running = stubs.start("wait", path=[str(release).encode()])
    wait_until(lambda: is_running(release))
    publish(toys[2], base, 2)
    assert server.manager.wait_available(timeout_s=60, version=2)
    assert stubs.info() == (2, "two")
    assert stubs.states() == {2: AVAILABLE, 1: UNLOADING}
    old = request("model_info", request=[b""])
    old.model_spec.version.value = 1
    assert _code(lambda: stubs.prediction.Predict(old)) == "NOT_FOUND"
    release.touch()
    assert running.result().model_spec.version.value == 1
    wait_until(lambda: stubs.states() == {2: AVAILABLE, 1: END})


def _break(path):
    (path / "saved_model.pb").write_bytes(b"junk")


def _without_graph(path):
    (path / "saved_model.pb").unlink()


def _without_values(path):
    for file in (path / "variables").iterdir():
        file.write_bytes(b"")


@pytest.mark.parametrize("damage", [_break, _without_graph, _without_values])
def test_a_broken_version_is_reported_and_the_old_one_serves(
    serve, connect, toys, base, tmp_path, damage
):
    publish(toys[1], base, 1)
    server = serve(base)
    stubs = connect(server)
    broken = shutil.copytree(toys[2], tmp_path / "broken")
    damage(broken)
    publish(broken, base, 2)
    wait_until(lambda: stubs.states().get(2) == END)
    status = rest(server.rest_api_port, "/v1/models/toy/versions/2")[1]
    told = status["model_version_status"][0]["status"]
    assert told["error_code"] != "OK"
    assert told["error_message"]
    assert stubs.info() == (1, "one")
    # Mended in place, it is loaded without a restart.
    shutil.copytree(toys[2], base / "2", dirs_exist_ok=True)
    assert server.manager.wait_available(timeout_s=60, version=2)
    assert stubs.info() == (2, "two")


def test_taking_the_newest_version_away_rolls_back(serve, connect, toys, base):
    publish(toys[1], base, 1)
    publish(toys[2], base, 2)
    server = serve(base)
    stubs = connect(server)
    assert stubs.info() == (2, "two")
    shutil.rmtree(base / "2")
    assert server.manager.wait_available(timeout_s=60, version=1)
    assert stubs.info() == (1, "one")


def test_taking_every_version_away_unloads(serve, connect, toys, base):
    publish(toys[1], base, 1)
    stubs = connect(serve(base))
    (base / "1").rename(base / "away")
    wait_until(lambda: stubs.states() == {1: END})
    assert _code(stubs.info) == "NOT_FOUND"
    assert _health(stubs) == protos.HealthCheckResponse.NOT_SERVING
    (base / "away").rename(base / "1")
    wait_until(lambda: stubs.states() == {1: AVAILABLE})
    assert stubs.info() == (1, "one")


def test_a_base_path_that_vanishes_keeps_its_version(
    serve, connect, toys, base, caplog
):
    publish(toys[1], base, 1)
    stubs = connect(serve(base))
    base.rename(base.with_name("away"))
    wait_until(lambda: "waiting for it" in caplog.text)
    assert stubs.info() == (1, "one")


def _write_warmup(path, *requests):
    records = []
    for message in requests:
        log = prediction_log_pb2.PredictionLog()
        log.predict_log.request.CopyFrom(message)
        content = log.SerializeToString()
        records.append(struct.pack("<QI", len(content), 0) + content + bytes(4))
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / "tf_serving_warmup_requests").write_bytes(
        b"".join(records)
    )


def test_warmup_requests_run_before_a_version_is_offered(
    serve, connect, toys, base, tmp_path
):
    made = shutil.copytree(toys[1], tmp_path / "made")
    touched = tmp_path / "touched"
    _write_warmup(
        made, request(image_bytes=[PNG]), request("touch", path=[str(touched).encode()])
    )
    publish(made, base, 1)
    serve(base)
    assert touched.read_text() == "ran"


def test_the_old_version_serves_while_the_new_one_warms_up(
    serve, connect, toys, base, tmp_path
):
    publish(toys[1], base, 1)
    server = serve(base)
    stubs = connect(server)
    made = shutil.copytree(toys[2], tmp_path / "made")
    release = tmp_path / "release"
    _write_warmup(made, request("wait", path=[str(release).encode()]))
    publish(made, base, 2)
    wait_until(lambda: is_running(release))
    assert stubs.states() == {1: AVAILABLE, 2: LOADING}
    assert stubs.info() == (1, "one")
    release.touch()
    assert server.manager.wait_available(timeout_s=60, version=2)
    assert stubs.info() == (2, "two")


def test_an_unchanged_broken_version_is_tried_again_after_a_while(serve, base, caplog):
    caplog.set_level("INFO", logger="serving")
    (base / "1").mkdir()
    serve(base, wait=False, retry_wait_s=0.01)
    wait_until(lambda: caplog.text.count("loading version 1") > 2)


def test_an_unchanged_broken_version_is_left_alone_until_then(base):
    tried = []

    def load(path):
        tried.append(path)
        raise OSError("no")

    manager = ModelManager("toy", base, load, retry_wait_s=3600)
    (base / "1").mkdir()
    for _ in range(3):
        manager.poll()
    assert tried == [base / "1"]
    (base / "1" / "file").touch()
    manager.poll()
    assert len(tried) == 2
    (status,) = manager.statuses()
    assert (status.code.name, status.message) == ("INTERNAL", "OSError: no")


def test_warmup_can_be_turned_off(serve, connect, toys, base, tmp_path):
    made = shutil.copytree(toys[1], tmp_path / "made")
    touched = tmp_path / "touched"
    _write_warmup(made, request("touch", path=[str(touched).encode()]))
    publish(made, base, 1)
    serve(base, enable_model_warmup=False)
    assert not touched.exists()


def test_a_version_whose_warmup_fails_does_not_load(
    serve, connect, toys, base, tmp_path
):
    made = shutil.copytree(toys[1], tmp_path / "made")
    _write_warmup(made, request(image_bytes=[b"junk"]))
    publish(made, base, 1)
    server = serve(base, wait=False)
    stubs = connect(server)
    wait_until(lambda: [s.state.value for s in server.manager.statuses()] == [END])
    status = rest(server.rest_api_port, "/v1/models/toy")[1]["model_version_status"][0]
    assert status["status"]["error_code"] == "INVALID_ARGUMENT"
    assert status["status"]["error_message"].startswith(
        "warmup record 0 failed: Unknown image file format."
    )
    assert _code(stubs.info) == "NOT_FOUND"
