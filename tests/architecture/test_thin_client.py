"""A fresh process that imports the client stays small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def modules_after(code):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{code}\nimport json, sys\nprint(json.dumps([*sys.modules]))",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_brings_only_what_a_call_needs():
    modules = modules_after("import client")
    heavy = {"tensorflow", "keras", "cv2", "pydantic", "rich", "h5py", "PIL", "jinja2"}
    assert not heavy & modules
    assert "models" not in modules
    assert not {m for m in modules if m.startswith(("export", "serving.embedded"))}


@pytest.mark.parametrize(
    "code",
    [
        "from client import InferenceConfig",
        "import client.__main__, client.drawing",
        "import client.runs.run, client.runs.local_server",
        "import formats, formats.report.report; formats.read_bitmap",
        "import formats.drawing.overlay",
        "import serving.embedded.server",
        "import export.settings",
        "import training.datasets, training.weights.checkpoint_config",
    ],
)
def test_nothing_brings_tensorflow(code):
    assert not {"tensorflow", "keras"} & modules_after(code)


def test_help_needs_neither_opencv_nor_pydantic_nor_jinja():
    code = (
        "import contextlib\nfrom client.__main__ import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])"
    )
    assert not {"cv2", "pydantic", "rich", "jinja2"} & modules_after(code)


@pytest.mark.slow
def test_beside_tensorflow():
    """The messages of both live in one process, in either order."""
    code = """
import sys
from serving.protos import PredictRequest
import client
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from serving.protos.tensors import to_tensor_proto
ours = to_tensor_proto([b"x"]).SerializeToString()
assert tensor_pb2.TensorProto.FromString(ours).string_val == [b"x"]
"""
    assert "tensorflow" in modules_after(code)
