"""Runs the inputs of kinds in worker processes, and collects what became of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.stress.hostile.worker import FAILED, OK, REFUSED

ROOT = Path(__file__).parents[3]
MOST_FAILURES = 20
"""Failures after which a kind is given up."""
_START_S = 300.0
_TAIL_CHARS = 300


@dataclass
class Failure:
    """One input that ended as it must not."""

    number: int
    label: str
    text: str


@dataclass
class Tally:
    """What became of the inputs of a kind; times in CPU seconds, memory in MB."""

    kind: str
    inputs: int = 0
    ok: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    growth_mb: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def add(self, number: int, label: str, told: dict) -> None:
        """Counts one input."""
        self.inputs += 1
        self.slowest_s = max(self.slowest_s, told.get("cpu_s", 0.0))
        self.growth_mb = max(self.growth_mb, told.get("growth_mb", 0.0))
        if told["outcome"] == OK:
            self.ok += 1
        elif told["outcome"] == REFUSED:
            self.refused += 1
        else:
            self.failures.append(Failure(number, label, told["text"]))


def run_kind(
    name: str,
    *,
    seed: int,
    first: int,
    count: int,
    model: Path | None = None,
    hang_s: float = 60.0,
) -> Tally:
    """Tries the inputs `first` to `first + count - 1` of a kind.

    Args:
        name: of the kind.
        seed: of the collection.
        first: number of the first input.
        count: how many.
        model: base path of an exported model, for the kinds that need one.
        hang_s: an input that takes longer by the clock has hung.
    """
    tally = Tally(name)
    number, end = first, first + count
    while number < end and len(tally.failures) < MOST_FAILURES:
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            line = [name, str(seed), str(number), str(end - number), folder]
            line += [] if model is None else [str(model)]
            number = _run_worker(line, tally, number, hang_s)
    return tally


def _run_worker(line: list[str], tally: Tally, number: int, hang_s: float) -> int:
    """Runs a worker until it ends; returns the number of the next input."""
    with tempfile.TemporaryFile("w+") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.stress.hostile.worker", *line],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        label = ""
        try:
            for told in _lines(worker, hang_s):
                if "begun" in told:
                    number, label = told["begun"], told["label"]
                    continue
                tally.add(number, label, told)
                number, label = number + 1, ""
                if len(tally.failures) >= MOST_FAILURES:
                    return number
            code = worker.wait(hang_s)
        except TimeoutError:
            tally.add(number, label, _ended(f"hangs: over {hang_s:.0f} s"))
            return number + 1
        finally:
            _kill(worker)
            worker.stdout.close()
        if code == 0:
            return number
        log.seek(0)
        tail = log.read()[-_TAIL_CHARS:].strip()
        if not label and code > 0:
            raise RuntimeError(f"{tally.kind}: no input could be tried: {tail}")
        tally.add(number, label, _ended(f"the process ended with {code}: {tail}"))
        return number + 1


def _ended(text: str) -> dict:
    return {"outcome": FAILED, "text": text}


def _lines(worker: subprocess.Popen, hang_s: float) -> Iterator[dict]:
    """Yields what a worker tells.

    Raises:
        TimeoutError: it told nothing for `hang_s`, or for `_START_S` at the start.
    """
    wait_s = _START_S
    while True:
        late = threading.Event()
        timer = threading.Timer(wait_s, _give_up, [worker, late])
        timer.start()
        line = worker.stdout.readline()
        timer.cancel()
        if late.is_set():
            raise TimeoutError
        if not line:
            return
        yield json.loads(line)
        wait_s = hang_s


def _give_up(worker: subprocess.Popen, late: threading.Event) -> None:
    late.set()
    _kill(worker)


def _kill(worker: subprocess.Popen) -> None:
    # The worker leads a session of its own: its servers end with it.
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    worker.wait()
