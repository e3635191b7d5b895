"""The client and a server process of its own: overload, crashes, and slow starts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from client import Client, ClientError
from client.__main__ import main
from tests.factories import meta_json, write_item

ROOT = Path(__file__).resolve().parents[2]
NUCLEI = ROOT / "examples" / "nuclei"
IMAGES = sorted(NUCLEI.glob("*.png"))
THREADS = 330
RECORD = ".maskrcnn-run.json"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """The demo's model, exported."""
    base = tmp_path_factory.mktemp("exported") / "nuclei"
    weights = NUCLEI / "checkpoint" / "model_weights" / "model.h5"
    command = [sys.executable, "-m", "export", "--weights", str(weights)]
    subprocess.run(
        [*command, "--output", str(base)], cwd=ROOT, check=True, capture_output=True
    )
    return base


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(model, tmp_path):
    """Starts `python -m serving` on a port; what still runs is killed at the end."""
    running = []

    def begin(port: int, *flags: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "serving", "--model-base-path", str(model)]
        with (tmp_path / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--port", str(port), "--rest-api-port", "0", *flags],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.wait()


def test_a_client_started_together_with_the_server(start, tmp_path, capsys):
    port = free_port()
    start(port)
    out = tmp_path / "out"
    # The server has nothing to say before TensorFlow is imported.
    with Client(f"localhost:{port}", connect_timeout_s=120) as client:
        assert client.predict(IMAGES[0]).instances
    again = free_port()
    start(again)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", again)) == 0:
                break
        time.sleep(0.01)
    arguments = ["--server", f"localhost:{again}", "--output", out]
    assert main([*map(str, (IMAGES[0], *arguments))]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["done"] == 1


def test_many_threads_and_a_short_queue(start):
    """More threads than the server takes calls: nothing is lost, all are answered."""
    port = free_port()
    start(port, "--max-concurrent-requests", "2", "--max-queued-requests", "64")
    outcomes: list[str] = []
    with Client(f"localhost:{port}", connect_timeout_s=120, timeout_s=60) as client:
        client.predict(IMAGES[0])
        begin = threading.Barrier(THREADS)

        def work(number: int) -> None:
            begin.wait()
            try:
                client.predict(IMAGES[number % len(IMAGES)])
                outcomes.append("")
            except ClientError as err:
                outcomes.append(str(err))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lost = [outcome for outcome in outcomes if outcome]
    assert len(outcomes) == THREADS
    assert lost == []


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


def test_a_server_that_is_killed_and_restarted_during_a_run(start, tmp_path):
    project = tmp_path / "project"
    (project / "ds" / "img").mkdir(parents=True)
    (project / "ds" / "ann").mkdir()
    (project / "meta.json").write_text(json.dumps(meta_json({})))
    for number in range(40):
        image = IMAGES[number % len(IMAGES)]
        write_item(project / "ds", f"{number:02}.png", size=_size(image))
        shutil.copyfile(image, project / "ds" / "img" / f"{number:02}.png")
    port = free_port()
    server = start(port)
    arguments = ["--project", str(project), "--server", f"localhost:{port}"]
    with Client(f"localhost:{port}", connect_timeout_s=120):
        pass  # it is there, and has loaded
    plain, out = tmp_path / "plain", tmp_path / "out"
    assert main([*arguments, "--output", str(plain)]) == 0
    run = subprocess.Popen(
        [sys.executable, "-m", "client", *arguments, "--output", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while len(list(out.rglob("ann/*.json"))) < 5:
        assert run.poll() is None
        time.sleep(0.01)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    time.sleep(5)
    start(port)
    stdout, stderr = run.communicate(timeout=600)
    assert run.returncode == 0, stderr.decode()
    summary = json.loads(stdout)
    assert (summary["done"], summary["failed"], summary["left"]) == (40, [], 0)
    assert files(out) == files(plain)


def _size(image: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(image) as opened:
        return opened.size[::-1]
