"""Measures runs of `python -m client --project`: memory, rate, and idle time.

    python benchmarks/bench_project.py memory [--items 100 10000] [--folder]
    python benchmarks/bench_project.py idle --model DIR [--items 60]

`memory` answers from a canned server, so that the client is all there is to measure,
and prints the peak memory of its process for each number of items. `idle` serves a
model with the embedded server in this process, and prints the share of the run, from
its first request to its last, during which the server had one to execute. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SIZE = (120, 160)
"""(height, width) of the images of `memory`."""
OBJECTS = 5
DATASETS = 5
PROGRAM = """
import sys
from client.__main__ import main
code = main(sys.argv[1:])
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
raise SystemExit(code)
"""
"""The client, and at its end the most memory that it had, KiB."""


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    memory = what.add_parser("memory")
    memory.add_argument("--items", type=int, nargs="+", default=[100, 10_000])
    memory.add_argument("--folder", action="store_true", help="of pictures, no project")
    memory.add_argument("options", nargs="*", help="more options of the client")
    idle = what.add_parser("idle")
    idle.add_argument("--model", type=Path, required=True)
    idle.add_argument("--items", type=int, default=60)
    idle.add_argument("options", nargs="*", help="more options of the client")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        if args.what == "memory":
            source = () if args.folder else ("--project",)
            report = _memory(Path(folder), args.items, source, args.options)
        else:
            report = _idle(Path(folder), args.model, args.items, args.options)
    print(json.dumps(report, indent=2))
    return 0


def _memory(
    folder: Path, counts: list[int], source: tuple[str, ...], options: list[str]
) -> list[Any]:
    from tests.fake_server import FakeServer

    server = FakeServer()
    report = []
    for count in counts:
        project = _write_project(folder / f"in{count}", count, SIZE)
        command = [*source, str(project), *options]
        figures = _run(command, folder / f"out{count}", f"localhost:{server.port}")
        server.requests.clear()
        report.append({"items": count} | figures)
    server.stop()
    return report


def _idle(folder: Path, model: Path, count: int, options: list[str]) -> dict[str, Any]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from serving.embedded import predict
    from serving.embedded.options import ServerOptions
    from serving.embedded.server import EmbeddedServer

    busy = _Busy()
    run_signature = predict.run_signature

    def timed(*args: Any) -> Any:
        with busy:
            return run_signature(*args)

    server = EmbeddedServer(
        ServerOptions(
            model_base_path=model, host="127.0.0.1", port=0, rest_api_port=None
        )
    )
    server.start()
    if not server.manager.wait_available(timeout_s=300):
        raise SystemExit(f"{model}: the model was not loaded")
    predict.run_signature = timed
    project = _write_project(folder / "in", count, (480, 640))
    command = ["--project", str(project), *options]
    figures = _run(command, folder / "out", f"127.0.0.1:{server.port}")
    server.stop(5.0)
    return {"items": count} | figures | busy.report()


class _Busy:
    """Counts the time during which at least one request is executed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._since = 0.0
        self._first = 0.0
        self._last = 0.0
        self._seconds = 0.0

    def __enter__(self) -> None:
        with self._lock:
            now = time.perf_counter()
            self._first = self._first or now
            if not self._running:
                self._since = now
            self._running += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._last = time.perf_counter()
            self._running -= 1
            if not self._running:
                self._seconds += self._last - self._since

    def report(self) -> dict[str, float]:
        """Returns seconds and share."""
        wall = self._last - self._first
        return {
            "busy_s": round(self._seconds, 2),
            "wall_s": round(wall, 2),
            "busy_share": round(self._seconds / wall, 4),
        }


def _run(options: list[str], output: Path, address: str) -> dict[str, Any]:
    """Runs the client; returns what it says, and its peak memory."""
    command = [
        *(sys.executable, "-c", PROGRAM, *options),
        *("--output", str(output), "--server", address),
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    said, peak_kib = done.stdout.splitlines()
    summary = json.loads(said)
    seconds = summary["seconds"]
    return {
        "done": summary["done"],
        "instances": summary["instances"],
        "seconds": seconds,
        "pictures_per_s": round(summary["done"] / seconds, 1),
        "peak_mib": round(int(peak_kib) / 1024, 1),
    }


def _write_project(root: Path, count: int, size: tuple[int, int]) -> Path:
    import cv2
    import numpy as np

    from formats.supervisely.annotation import annotation_json, rectangle_object

    rng = np.random.default_rng(0)
    meta = {"classes": [{"title": "box", "shape": "rectangle"}], "tags": []}
    root.mkdir(parents=True)
    (root / "meta.json").write_text(json.dumps(meta))
    height, width = size
    objects = [rectangle_object("box", (i, i, i + 40, i + 30)) for i in range(OBJECTS)]
    annotation = json.dumps(annotation_json(size, [o for o in objects if o]))
    small = rng.integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    image = cv2.imencode(".jpg", cv2.resize(small, (width, height)))[1].tobytes()
    for number in range(count):
        dataset = root / f"set {number % DATASETS}"
        name = f"picture {number:06}.jpg"
        for part, data in (("img", image), ("ann", annotation.encode())):
            path = dataset / part / (name if part == "img" else f"{name}.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return root


if __name__ == "__main__":
    raise SystemExit(main())
