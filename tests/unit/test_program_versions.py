"""Every program tells its version, and needs nothing heavy for it."""

import importlib.metadata
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import client
from serving import program_version

ROOT = Path(__file__).resolve().parents[2]
VERSION = importlib.metadata.version("maskrcnn-serving")


@pytest.mark.parametrize("package", ["client", "serving", "export", "training"])
def test_programs_tell_their_version(package):
    code = (
        f"import sys\nfrom {package}.__main__ import main\n"
        "try:\n    code = main(['--version'])\n"
        "except SystemExit as end:\n    code = end.code or 0\n"
        "heavy = {'tensorflow', 'keras', 'cv2', 'pydantic'} & set(sys.modules)\n"
        "raise SystemExit(99 if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"maskrcnn-serving {VERSION}\n")


def test_a_source_tree_has_no_version(monkeypatch):
    monkeypatch.setattr(program_version, "DISTRIBUTION", "no-such-distribution")
    assert program_version.program_version() == "unknown (not installed)"


def test_the_package_tells_its_version_and_use():
    assert client.__version__ == VERSION
    text = pydoc.plain(pydoc.render_doc(client))
    example = text.index('with Client("localhost:8500") as client:')
    assert example < text.index("PACKAGE CONTENTS")
    assert "RetryPolicy" in text
    assert "in_order" not in text
