"""Tries inputs of one kind, one line of JSON before and after each.

Runs in a process of its own: `python -m tests.stress.hostile.worker KIND SEED FIRST
COUNT FOLDER [MODEL]`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import zlib
from pathlib import Path

import numpy as np

from tests.stress.hostile.kind import (
    Attempt,
    Bench,
    BrokenBenchError,
    FindingError,
    Kind,
    Place,
)
from tests.stress.hostile.kinds import load_kind
from tests.stress.hostile.measure import Usage
from tests.stress.hostile.messages import fault_of

OK, REFUSED, FAILED = "ok", "refused", "failed"
_TEXT_CHARS = 500
_DATA_BYTES = 8 << 30
"""Keeps an input that asks for the whole machine from getting it."""


def main(argv: list[str]) -> int:
    """Runs the command line; returns its exit code."""
    name, (seed, first, count) = argv[0], map(int, argv[1:4])
    place = Place(Path(argv[4]), Path(argv[5]) if len(argv) > 5 else None)
    resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # programs print their results
    kind = load_kind(name)
    with kind.opened(place) as bench:
        usage = Usage(bench.pid)
        for number in range(first, first + count):
            rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
            attempt = bench.make(rng)
            lines.write(json.dumps({"begun": number, "label": attempt.label}) + "\n")
            told, is_broken = judge(kind, bench, usage, attempt)
            lines.write(json.dumps(told) + "\n")
            if is_broken:
                return 0
    return 0


def judge(
    kind: Kind, bench: Bench, usage: Usage, attempt: Attempt
) -> tuple[dict[str, object], bool]:
    """Tries an input; returns what became of it, and whether the bench is broken."""
    usage.start()
    started = time.monotonic()
    broken = False
    try:
        attempt.run()
        outcome, text = OK, ""
    except kind.refusals as err:
        outcome, text = REFUSED, f"{type(err).__name__}: {err}"
        if kind.message and (fault := fault_of(kind.message(err))):
            outcome, text = FAILED, fault
    except FindingError as err:
        outcome, text = FAILED, str(err)
        broken = isinstance(err, BrokenBenchError)
    except BaseException as err:  # noqa: BLE001  whatever else gets out is a finding
        outcome, text = FAILED, f"{type(err).__name__} got out: {err}"
    wall_s = time.monotonic() - started
    if broken and bench.pid != os.getpid():
        cpu_s = growth_mb = 0.0
    else:
        cpu_s, growth_mb = usage.cpu_s(), usage.growth_mb()
    if outcome != FAILED and cpu_s > kind.cpu_s:
        outcome, text = FAILED, f"took {cpu_s:.1f} s of CPU ({text})"
    elif outcome != FAILED and growth_mb > kind.growth_mb:
        outcome, text = FAILED, f"took {growth_mb:.0f} MB ({text})"
    told: dict[str, object] = {
        "outcome": outcome,
        "text": text[:_TEXT_CHARS],
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "growth_mb": growth_mb,
    }
    return told, broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
