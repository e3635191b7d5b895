import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.slow
def test_two_devices_learn_as_one_with_the_whole_batch():
    # Logical devices must be set before TensorFlow starts.
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.training.two_devices"],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout.splitlines()[-1])
    for train_bn, found in report.items():
        assert all(loss > 0 for losses in found["losses"] for loss in losses)
        # Statistics over replicas are added up in another form than on one device.
        assert found["loss_difference"] < (1e-3 if train_bn == "True" else 1e-5)
        assert found["weight_difference"] < (1e-3 if train_bn == "True" else 1e-6)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.mark.slow
def test_two_processes_learn_as_one_with_the_whole_batch():
    # Gradients of pooled features are added up by several threads at once on a CPU, and
    # some get lost, unless operations are made deterministic: a process for each.
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    cluster = {"worker": addresses}
    workers = [
        start({"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})})
        for task in tasks
    ]
    workers.append(start({}))
    try:
        outputs = [worker.communicate(timeout=300)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    *theirs, (losses, weights) = (
        json.loads(output.splitlines()[-1]) for output in outputs
    )
    for their_losses, their_weights in theirs:
        np.testing.assert_allclose(their_losses, losses, rtol=1e-5, atol=1e-6)
        for mine, other in zip(weights, their_weights, strict=True):
            np.testing.assert_allclose(other, mine, atol=1e-6)


def start(environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.training.two_workers"],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
