"""Prints what drawing overlays costs: processor time and memory of fresh processes.

`python benchmarks/bench_drawing.py [--runs N]` writes JSON: seconds of processor time,
medians, and the MiB by which the peak memory grows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from formats.drawing.overlay import Overlay, draw_overlays, readable_scale  # noqa: E402

CASES = {
    "30 instances of 20 px, 256 x 256": ((256, 256), 30, 20),
    "60 instances of 60 px, 640 x 480": ((480, 640), 60, 60),
    "100 instances of 500 px, 4000 x 3000": ((3000, 4000), 100, 500),
    "1 instance of 9000 px, 11000 x 9000": ((9000, 11000), 1, 9000),
}
"""(height, width) of the image, instances, their side."""


def measure(size: tuple[int, int], count: int, side: int) -> tuple[float, float]:
    """Draws discs at random places; returns seconds and MiB."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    disc = rows**2 + columns**2 < 1
    overlays = []
    for _ in range(count):
        top, left = (int(rng.integers(0, limit - side + 1)) for limit in size)
        box = top, left, top + side, left + side
        overlays.append(Overlay("person", (40, 90, 220), box, disc, rng.random()))
    image = np.full((*size, 3), 90, np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    draw_overlays(image, overlays, scale=readable_scale(size))
    seconds = time.process_time() - started
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> int:
    """Measures every case and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        print(*measure(*CASES[args.case]))
        return 0
    figures = {}
    for case in CASES:
        command = [sys.executable, __file__, "--case", case]
        results = []
        for _ in range(args.runs):
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append([float(figure) for figure in done.stdout.split()])
        seconds, mebibytes = zip(*results, strict=True)
        figures[case] = {
            "seconds": round(statistics.median(seconds), 3),
            "mebibytes": round(statistics.median(mebibytes)),
        }
    report = {
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "cores": os.cpu_count(),
        "runs": args.runs,
        "figures": figures,
    }
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
