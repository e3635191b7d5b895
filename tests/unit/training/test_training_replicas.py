import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


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
        assert found["weight_difference"] < 1e-4 * found["moved"]
