"""Trainings that end early: what they leave, and how they go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.killed_training import compare
from tests.integration.trainings import run_training
from tests.shapes_project import train_config, write_shapes
from training.engine.metrics import read_rows
from training.engine.progress import Quiet

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


class Steps(Quiet):
    """Knows the last step that was done."""

    last = 0

    def step(self, step, values):
        self.last = step


@pytest.mark.usefixtures("tiny_backbone")
def test_stopped_training_goes_on(shapes, tmp_path):
    """Two epochs of four steps, each with a validation, in five parts."""

    def part(until, **changes):
        steps = Steps()
        return run_training(
            shapes,
            tmp_path,
            {"save_every": 0.25, **changes},
            resume=True,
            listener=steps,
            is_stopped=lambda: steps.last == until,
        )

    def rows_of(split):
        rows = read_rows(tmp_path / "metrics.csv")
        return [int(row["step"]) for row in rows if row["split"] == split]

    stopped = part(until=2, keep_last=None)
    assert (stopped.step, stopped.total_steps) == (2, 8)
    assert not stopped.is_finished

    # After the last step of an epoch it is next asked within the validation.
    stopped = part(until=4)
    assert (stopped.step, stopped.owes_validation) == (4, True)
    assert (stopped.best, stopped.is_finished) == (None, False)
    assert (rows_of("train"), rows_of("val")) == ([1, 2, 3, 4], [])

    stopped = part(until=8)
    assert (stopped.step, stopped.owes_validation) == (8, True)
    assert stopped.best is not None
    assert not stopped.is_finished
    assert (rows_of("train"), rows_of("val")) == ([*range(1, 9)], [4])

    finished = part(until=None)
    assert finished.is_finished
    assert (rows_of("train"), rows_of("val")) == ([*range(1, 9)], [4, 8])

    again = part(until=None)
    assert again.is_finished
    assert again.best_value == finished.best_value
    assert (rows_of("train"), rows_of("val")) == ([*range(1, 9)], [4, 8])

    # All are kept, which only the first part asked for: one a step, and one more after
    # each of the validations that were made later, had they been better.
    saved = [p.name for p in (tmp_path / "checkpoints").iterdir() if p.name.isdigit()]
    assert len(saved) == 10


def program(*arguments, **environment):
    return [sys.executable, "-m", "training", "--device", "cpu", *map(str, arguments)]


@pytest.fixture
def train_json(tmp_path):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(train_config(epochs=200)))
    return path


def test_ctrl_c_saves_and_exits_with_130(shapes, train_json, tmp_path):
    output = tmp_path / "out"
    process = subprocess.Popen(
        program("--config", train_json, "--project", shapes, "--output", output),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    metrics = output / "metrics.csv"
    while process.poll() is None and (
        not metrics.exists() or len(metrics.read_text().splitlines()) < 3
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    told, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "go on with --resume" in errors
    step = json.loads(told)["step"]
    assert (output / "checkpoints" / "last" / "training_state.npz").exists()
    assert int(read_rows(metrics)[-1]["step"]) == step


def test_ctrl_c_before_the_first_step_ends_at_once(shapes, train_json, tmp_path):
    arguments = ("--config", train_json, "--project", shapes, "--output")
    process = subprocess.Popen(
        program(*arguments, tmp_path / "out"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told = ""
    while "the first step compiles" not in told and process.poll() is None:
        told += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "interrupted before the first step: there is nothing to save" in errors
    assert "step 1/" not in errors
    assert not list((tmp_path / "out" / "checkpoints").iterdir())
    run_training(shapes, tmp_path / "out", {"epochs": 1})


def test_program_tells_all_that_is_wrong_at_once(tmp_path, train_json):
    shapes = write_shapes(tmp_path / "shapes")
    (shapes / "ds" / "img" / "000.png").write_bytes(b"no picture")
    (shapes / "ds" / "ann" / "001.png.json").unlink()
    done = subprocess.run(
        program(
            *("--config", train_json, "--project", shapes),
            *("--output", tmp_path / "out"),
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "000.png" in done.stderr
    assert "001.png" in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    # This seed kills once within the steps, and once on the way to them.
    found = compare(tmp_path, kills=2, seed=161)
    assert found["kills"] > 0
    assert found["same_weights"], found
    assert found["same_metrics"], found
    assert not found["left_over"]
