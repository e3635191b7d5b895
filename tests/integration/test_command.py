"""The command `maskrcnn`, as the script that an installation makes of it runs it."""

from __future__ import annotations

import configparser
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from maskrcnn.__main__ import COMMANDS, main
from tests.fake_server import FakeServer

ROOT = Path(__file__).resolve().parents[2]
VERSION = importlib.metadata.version("maskrcnn-serving")
SCRIPT = """\
import sys
from maskrcnn.__main__ import script
if __name__ == "__main__":
    script()
"""


def entry_point():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    value = parser["options.entry_points"]["console_scripts"].strip()
    name, _, place = value.partition(" = ")
    return importlib.metadata.EntryPoint(name, place, "console_scripts")


@pytest.fixture
def run(tmp_path):
    """Runs the script in a folder that has packages with the names of ours."""
    folder = tmp_path / "mine"
    for name in ("models", "serving", "training"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('not ours')\n")
    (folder / "client.py").write_text("raise SystemExit('not ours')\n")
    script = tmp_path / "bin" / "maskrcnn"
    script.parent.mkdir()
    script.write_text(SCRIPT)

    def start(*arguments, **environment):
        return subprocess.run(
            [sys.executable, str(script), *map(str, arguments)],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return start


@pytest.fixture
def server():
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "street.png"
    Image.new("RGB", (60, 30)).save(path)
    return path


def test_entry_point():
    entry = entry_point()
    assert entry.name == "maskrcnn"
    assert f"from {entry.module} import {entry.attr}\n" in SCRIPT
    assert entry.load().__module__ == main.__module__


def test_help_shows_the_way_in_its_order(run):
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    way = done.stdout[done.stdout.index("from images to masks:") :]
    steps = [line.split()[1] for line in way.splitlines() if "  maskrcnn" in line]
    assert steps == ["inspect", "train", "evaluate", "export", "predict"]
    for command, text in COMMANDS.items():
        assert f"    {command} " in done.stdout
        assert text.split(",")[0] in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_own_help_and_name(run, command):
    done = run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: maskrcnn {command} [-h]")
    assert "python -m" not in done.stdout.replace("python -m serving", "")
    wrong = run(command, "--frobnicate")
    assert wrong.returncode == 2
    assert f"\nmaskrcnn {command}: error: " in wrong.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["predict", "--version"]])
def test_version(run, arguments):
    done = run(*arguments)
    told = (0, f"maskrcnn-serving {VERSION}\n", "")
    assert (done.returncode, done.stdout, done.stderr) == told


def test_folders_of_the_user_do_not_take_our_place(
    run, server, image, small_checkpoint
):
    done = run("predict", image, "--server", server.address)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 1
    inspected = run("export", "--inspect", small_checkpoint)
    assert inspected.returncode == 0, inspected.stderr
    assert "whole network: yes" in inspected.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["prdict"], "argument COMMAND: invalid choice: 'prdict'"),
        (["--debug", "predict"], "required: COMMAND"),
    ],
)
def test_usage(capsys, arguments, told):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: maskrcnn [-h] [--version] COMMAND ...")
    assert told in err


def test_predicting_needs_no_more_than_the_base_install(server, image, tmp_path):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'h5py', 'aiohttp', 'orjson',"
        " 'matplotlib', 'pycocotools', 'tensorboard'):\n"
        "    sys.modules[name] = None\n"
        "from maskrcnn.__main__ import main\n"
        "raise SystemExit(main())"
    )
    arguments = ["predict", str(image), "--server", server.address]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--output", str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 1
