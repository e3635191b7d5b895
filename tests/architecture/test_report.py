"""A report of a run holds the figures that tests write into it."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]


def test_report_holds_the_properties_of_tests(tmp_path):
    test = tmp_path / "test_figure.py"
    test.write_text("def test(record_property):\n    record_property('px', 0.5)\n")
    report = tmp_path / "report.xml"
    config = ["-c", ROOT / "setup.cfg", "--rootdir", tmp_path]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", test, f"--junitxml={report}", *config],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (found,) = ElementTree.parse(report).iter("property")
    assert found.attrib == {"name": "px", "value": "0.5"}
