import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """
import sys
sys.modules[sys.argv[1]] = None
from training.__main__ import main
raise SystemExit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        ("tensorflow", ("--config", "examples/configs/few_photos.json")),
        ("pycocotools", ("evaluate", "--weights", "w.h5")),
    ],
)
def test_a_missing_package_names_the_line_that_installs_it(missing, command, tmp_path):
    data = ("--project", str(tmp_path / "p"), "--output", str(tmp_path / "o"))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, missing, *command, *data],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: {missing} is not installed: pip install '.[training]' in the "
        "project's folder"
    )
    assert "Traceback" not in done.stderr
