"""Prints what importing the client costs: time and memory of fresh processes.

`python benchmarks/bench_import.py [--runs N]` writes JSON: seconds and MiB, medians.
The interpreter's own start is not in the seconds, but in the memory.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATEMENTS = (
    "pass",
    "import numpy",
    "import client",
    "from client import Client, InferenceConfig",
    "import client, cv2",
)
PROBE = """
import time
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
status = open("/proc/self/status").read()
print(seconds, int(status.split("VmRSS:")[1].split()[0]) / 1024)
"""


def measure(statement: str, runs: int) -> dict[str, float]:
    """Returns median seconds and resident MiB of a statement in fresh processes."""
    figures = []
    for _ in range(runs + 1):
        done = subprocess.run(
            [sys.executable, "-c", PROBE.format(statement=statement)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        figures.append([float(figure) for figure in done.stdout.split()])
    seconds, mebibytes = zip(*figures[1:], strict=True)  # the first warms the disk
    return {
        "seconds": round(statistics.median(seconds), 3),
        "mebibytes": round(statistics.median(mebibytes), 1),
    }


def main() -> int:
    """Measures every statement and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    args = parser.parse_args()
    figures = {statement: measure(statement, args.runs) for statement in STATEMENTS}
    report = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "runs": args.runs,
        "figures": figures,
    }
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
