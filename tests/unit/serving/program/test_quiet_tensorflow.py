"""What TensorFlow's C++ side writes while it loads, with one that only writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
NOISE = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795615080.520150    7075 port.cc:153] oneDNN custom operations are on.
E0000 00:00:1795615083.360749    7075 cuda_platform.cc:52] failed call to cuInit: (303)
2026-11-25 14:12:14.552101: I tensorflow/core/platform/cpu_feature_guard.cc:227] This
To enable the following instructions: AVX2 AVX512F, in other operations, rebuild
"""
WORTH = (
    "F0000 00:00:1795615080.520150    7075 port.cc:9] no AVX\nlibcuda.so: too short\n"
)
AFTER = "I0000 00:00:1795615080.5 1 x.cc:1] after\n"
FAKE = """
import os, signal
os.write(2, os.environ["SAID"].encode())
{end}
"""
PROGRAM = """
import os, signal, sys
from serving.program.quiet_tensorflow import quiet_tensorflow
quiet_tensorflow(debug="--debug" in sys.argv)
sys.stderr.write("before\\n")
import tensorflow
assert tensorflow.__loader__ is tensorflow.__spec__.loader
os.write(2, b"I0000 00:00:1795615080.5 1 x.cc:1] after\\n")
print(type(tensorflow.__spec__.loader).__name__, os.environ["TF_CPP_MIN_LOG_LEVEL"])
"""


@pytest.fixture
def run(tmp_path):
    """Imports a TensorFlow that ends in some way; gives the process and its stderr."""

    def start(end="", *flags, **environment):
        (tmp_path / "tensorflow.py").write_text(FAKE.format(end=end))
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        return subprocess.run(
            [sys.executable, "-c", PROGRAM, *flags],
            env=inherited | {"PYTHONPATH": path, "SAID": NOISE + WORTH} | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return start


def test_only_what_is_worth_reading_is_left(run):
    done = run()
    assert done.stderr == f"before\n{WORTH}{AFTER}"
    assert (done.returncode, done.stdout) == (0, "SourceFileLoader 3\n")


@pytest.mark.parametrize(
    ("flags", "environment", "level"),
    [(["--debug"], {}, "0"), ([], {"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")],
)
def test_everything_is_shown_where_somebody_asks(run, flags, environment, level):
    done = run("", *flags, **environment)
    assert done.stderr == f"before\n{NOISE}{WORTH}{AFTER}"
    assert done.stdout == f"SourceFileLoader {level}\n"


def test_a_level_of_the_user_stays(run):
    done = run(TF_CPP_MIN_LOG_LEVEL="1")
    assert done.stderr == f"before\n{WORTH}{AFTER}"
    assert done.stdout == "SourceFileLoader 1\n"


def test_nothing_is_lost_where_the_import_fails(run):
    done = run("raise ImportError('libcudart.so.12: cannot open')")
    assert done.returncode == 1
    assert done.stderr.startswith(f"before\n{NOISE}{WORTH}Traceback")
    assert done.stderr.endswith("ImportError: libcudart.so.12: cannot open\n")


@pytest.mark.parametrize("number", [signal.SIGILL, signal.SIGKILL])
def test_nothing_is_lost_where_the_process_dies(run, number):
    done = run(f"os.kill(os.getpid(), {int(number)})")
    assert done.returncode == -number
    assert done.stderr == f"before\n{NOISE}{WORTH}"


def test_a_process_that_leaves_tells_only_what_is_worth_reading(run):
    done = run("from serving.program.stop import leave; leave(130)")
    assert (done.returncode, done.stderr) == (130, f"before\n{WORTH}")


def test_ctrl_c_while_it_loads(run):
    done = run("raise KeyboardInterrupt")
    assert done.returncode == -signal.SIGINT
    assert done.stderr.startswith(f"before\n{WORTH}Traceback")


def test_a_process_without_stderr_imports_as_ever(tmp_path):
    (tmp_path / "tensorflow.py").write_text("")
    program = """
import os
os.close(2)
from serving.program.quiet_tensorflow import quiet_tensorflow
quiet_tensorflow(debug=False)
import tensorflow
print("imported")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "imported\n")


@pytest.mark.slow
def test_nothing_of_the_real_one_is_left():
    program = """
from serving.program.quiet_tensorflow import quiet_tensorflow
quiet_tensorflow(debug=False)
import tensorflow as tf
tf.config.list_physical_devices()
print(int(tf.constant(1) + 1))
"""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=inherited | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")
