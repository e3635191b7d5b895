"""Trainings over two devices and two processes against one with the same batch."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import inspect_checkpoint, read_arrays
from training.engine.metrics import read_rows

ROOT = Path(__file__).resolve().parents[2]


def start(kind, shapes, output, **environment):
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.integration.device_training"),
            *(kind, str(shapes), str(output)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )


def wait(*processes):
    for process in processes:
        told, _ = process.communicate(timeout=400)
        assert process.returncode == 0, told[-4000:]


@pytest.fixture(scope="module")
def one(shapes, tmp_path_factory):
    output = tmp_path_factory.mktemp("one")
    wait(start("one", shapes, output))
    return output


def compare(one, other):
    before, after = (read_rows(output / "metrics.csv") for output in (one, other))
    assert [r["step"] for r in before] == [r["step"] for r in after]
    for row, twin in zip(before, after, strict=True):
        assert float(twin["loss"]) == pytest.approx(float(row["loss"]), rel=1e-3)
    arrays, twins = (
        read_arrays(
            inspect_checkpoint(
                output / "checkpoints" / "last" / "model_weights" / "model.h5"
            )
        )
        for output in (one, other)
    )
    for key, array in arrays.items():
        np.testing.assert_allclose(twins[key], array, atol=1e-4, err_msg=str(key))


@pytest.mark.slow
def test_two_devices_train_as_one(one, shapes, tmp_path):
    wait(start("two", shapes, tmp_path))
    compare(one, tmp_path)


@pytest.mark.slow
def test_two_processes_train_as_one(one, shapes, tmp_path):
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    workers = [
        start(
            "worker",
            shapes,
            tmp_path,
            TF_CONFIG=json.dumps(
                {
                    "cluster": {"worker": addresses},
                    "task": {"type": "worker", "index": index},
                }
            ),
        )
        for index in range(2)
    ]
    wait(*workers)
    compare(one, tmp_path)
