"""An export that is killed, and one that has no room: what they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from export.errors import ExportError

ROOT = Path(__file__).parents[2]
MOMENTS = [("load weights ...", 0.0), ("save ...", 0.5)]
"""A line of the log, and seconds behind it."""


def start(weights, base):
    return subprocess.Popen(
        [sys.executable, "-m", "export", "--weights", weights, "--output", base],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_exports_leave_nothing_for_the_next_one(small_checkpoint, tmp_path):
    base = tmp_path / "model"
    for line, seconds in MOMENTS:
        with start(small_checkpoint, base) as process:
            assert any(told.startswith(line) for told in process.stderr)
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        (left,) = base.iterdir()
        assert left.name.startswith(".export-"), line
    with start(small_checkpoint, base) as process:
        told = process.communicate()
    assert process.returncode == 0, told
    assert told[0] == f"{base / '1'}\n"
    assert f"{left}: removed, a killed export left it" in told[1]
    assert [path.name for path in base.iterdir()] == ["1"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [4096, 5 << 20])
def test_a_full_disk_is_one_line_and_leaves_nothing(small_checkpoint, tmp_path, size):
    from export.pipeline import export_model
    from export.settings import Options
    from tests.full_disk import longest_file

    base = tmp_path / "model"
    with longest_file(size), pytest.raises(ExportError) as caught:
        export_model(Options(small_checkpoint, output=base))
    text = str(caught.value)
    assert text.startswith(f"{base}: the model cannot be written: ")
    assert text.endswith(
        "; nothing was published; make room or choose another --output"
    )
    assert "\n" not in text
    assert list(base.iterdir()) == []
