"""Publishing in a process that is killed: a version is whole or absent."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from export.publish import staging_folder

ROOT = Path(__file__).parents[3]
KILLS = 12
FILES = 20
PUBLISH_FOR_EVER = """
    import itertools, sys
    from pathlib import Path
    from export.publish import publish, staging_folder

    base = Path(sys.argv[1])
    for mark in itertools.count():
        with staging_folder(base) as folder:
            for index in range(int(sys.argv[2])):
                (folder / f"{index}").write_text(str(mark))
            publish(folder, base, 3, overwrite=True)
        if not mark:
            print("published", flush=True)
"""


def marks(version):
    """The contents of a version's files, and how many there are."""
    contents = [path.read_text() for path in version.iterdir()]
    return set(contents), len(contents)


@pytest.mark.slow
def test_a_process_killed_at_any_moment_leaves_whole_versions(tmp_path):
    base = tmp_path / "model"
    rng = random.Random(0)
    code = textwrap.dedent(PUBLISH_FOR_EVER)
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(base), str(FILES)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        with process:
            assert process.stdout.readline() == b"published\n"
            time.sleep(rng.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
        if (base / "3").exists():
            contents, count = marks(base / "3")
            assert (len(contents), count) == (1, FILES)
        with staging_folder(base) as folder:
            assert sorted(path.name for path in base.iterdir()) == [folder.name, "3"]
        contents, count = marks(base / "3")
        assert (len(contents), count) == (1, FILES)
    assert [path.name for path in base.iterdir()] == ["3"]
