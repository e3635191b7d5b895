"""What README and the pages tell people to type does what they say.

Commands that can run here are run, in their order, in a folder where files stand in for
the reader's own; of the others, our programs' are parsed. Each of the rest is named in
`NOT_RUN` with the reason.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from client.runs.flags import parse_arguments
from export.__main__ import build_parser as export_parser
from serving.embedded.flags import build_parser as serving_parser
from tests.documents import ROOT, Shown, commands, python_blocks
from tests.shapes_project import train_config, write_shapes
from training.cli import evaluate as evaluate_command
from training.cli import inspect as inspect_command
from training.cli import train as train_command

TIMEOUT_S = 300
NOT_RUN = {
    "pip install": "needs the network",
    "make ": "sets up a virtual environment, and runs these tests",
    "docker run": "needs a container's runtime and image",
    "python benchmarks/": "measures for minutes, some with data that is not here",
    "python -m benchmarks.": "measures for minutes",
    "python examples/mode_pictures.py": "draws again what docs/modes shows",
    "python -m grpc_tools.protoc": "tests/integration/test_foreign_clients.py runs it",
    "TF_CONFIG=": "needs several machines",
}
"""Begin of a command -> why it is not run."""
RUN = (
    "python -m export --weights mask_rcnn_coco.h5",
    "python -m client street.jpg --model exported/mask_rcnn",
    "python -m serving --model-base-path exported/mask_rcnn",
    "python -m client --info",
    "python -m client street.jpg --draw",
    "python -m client --project my_project --config inference.json",
    "python -m training inspect",
    "(printf",
)
"""Begin of the commands that are run, each where README or a page has it first."""
PYTHON_NOT_RUN = {
    "docs/evaluation.md": "tests/integration/test_training_program.py evaluates",
    "docs/models.md": "tests/unit/models/test_networks.py loads networks",
    "docs/serving.md": "tests/integration starts servers all the time",
    "docs/training.md": "tests/integration/test_training_program.py trains",
}
_SMALL = {"IMAGE_MIN_DIM": 128, "IMAGE_MAX_DIM": 128}
SYNOPSIS = "[options]"
SHOWN = [*commands()]


def _is_named(command, begins):
    return any(command.startswith(begin) for begin in begins)


def _first(begin):
    return next(shown.text for shown in SHOWN if shown.text.startswith(begin))


def test_every_command_is_known():
    texts = [shown.text for shown in SHOWN]
    for begin in (*NOT_RUN, *RUN):
        assert _is_named(begin, [begin])
        assert any(text.startswith(begin) for text in texts), f"no page has {begin}"
    unknown = [
        shown
        for shown in SHOWN
        if not _is_named(shown.text, (*NOT_RUN, *RUN, "python -m "))
    ]
    assert not unknown


@pytest.mark.parametrize(
    "shown",
    [s for s in SHOWN if s.text.startswith("python -m ") and SYNOPSIS not in s.text],
    ids=lambda shown: f"{shown.page}: {shown.text[10:50]}",
)
def test_flags_are_those_of_the_program(shown: Shown):
    program, *arguments = shlex.split(shown.text.removeprefix("python -m "))
    if program == "training":
        named = {"inspect": inspect_command, "evaluate": evaluate_command}
        command = named.get(arguments[0], train_command)
        parser = command.build_parser()
        parser.parse_args(arguments[command is not train_command :])
    elif program == "client":
        parse_arguments(arguments)
    elif program in ("export", "serving"):
        parser = export_parser() if program == "export" else serving_parser()
        parser.parse_args(arguments)
    else:
        assert _is_named(shown.text, NOT_RUN)


@pytest.fixture(scope="module")
def reader(small_checkpoint, tmp_path_factory):
    """A folder with what a reader has: weights, an image, a project, configs."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copy(small_checkpoint, folder / "mask_rcnn_coco.h5")
    (folder / "config.json").write_text(json.dumps(_SMALL))
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    cv2.imwrite(str(folder / "street.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert (folder / "street.jpg").stat().st_size > 98_304  # as base64: one argument
    write_shapes(folder / "my_project")
    (folder / "train.json").write_text(json.dumps(train_config()))
    (folder / "inference.json").write_text('{"mode": {"name": "full_image"}}')
    return folder


def _environment():
    return os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def _command(text):
    """Returns a command for a shell, with this Python in place of the reader's."""
    return text.replace("python -m", f"{shlex.quote(sys.executable)} -m", 1)


def _run(text, folder):
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", _command(text)],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def exported(reader):
    assert _run(_first(RUN[0]), reader).strip() == "exported/mask_rcnn/1"
    return reader


@pytest.fixture(scope="module")
def ports(exported):
    """The server of README, on ports that are free here: (gRPC, REST)."""
    from tests.integration.serving_clients import rest

    free = [_free_port(), _free_port()]
    line = shlex.split(_first(RUN[2]))[1:]
    log = (exported / "server.log").open("wb")
    process = subprocess.Popen(
        [
            sys.executable,
            *line,
            "--port",
            str(free[0]),
            "--rest-api-port",
            str(free[1]),
        ],
        cwd=exported,
        env=_environment(),
        stdout=log,
        stderr=log,
    )
    try:
        _wait_until_served(
            process, lambda: rest(free[1], "/v1/models/mask_rcnn/metadata")
        )
        yield free
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def _free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_served(process, ask):
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        assert process.poll() is None
        try:
            if ask()[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server never served")


@pytest.mark.slow
def test_a_run_with_its_own_server(exported):
    _run(_first(RUN[1]), exported)
    predictions = exported / "predictions"
    assert (predictions / "ann" / "street.jpg.json").is_file()
    assert (predictions / "report.html").is_file()
    assert [*(predictions / "overlay").iterdir()]


@pytest.mark.slow
def test_runs_with_a_server_that_stays(exported, ports):
    def client(begin):
        return _run(f"{_first(begin)} --server localhost:{ports[0]}", exported)

    assert "mask_rcnn" in client(RUN[3])
    client(RUN[4])
    assert (exported / "street" / "ann" / "street.jpg.json").is_file()
    client(RUN[5])
    predicted = exported / "my_project_predicted"
    assert len([*(predicted / "ds" / "img").iterdir()]) == 11


@pytest.mark.slow
def test_curl(exported, ports):
    text = _first(RUN[7])
    assert "localhost:8501" in text
    told = _run(text.replace("localhost:8501", f"localhost:{ports[1]}"), exported)
    (row,) = json.loads(told)["predictions"]
    assert row["image_size"] == [300, 400]


@pytest.mark.slow
@pytest.mark.parametrize(
    "shown", [*python_blocks()], ids=lambda shown: f"{shown.page}: {shown.text[:30]!r}"
)
def test_python(shown, exported, ports):
    compile(shown.text, shown.page, "exec")
    if shown.page in PYTHON_NOT_RUN:
        return
    code = shown.text.replace("localhost:8500", f"localhost:{ports[0]}")
    _run(f"python -m {shlex.quote(_as_module(code, exported))}", exported)


def _as_module(code, folder):
    (folder / "shown_block.py").write_text(code, "utf-8")
    return "shown_block"


@pytest.mark.slow
def test_inspect(reader):
    _run(_first(RUN[6]), reader)
    assert (reader / "look" / "inspect.html").is_file()
