"""A slice of the hostile inputs; `python -m tests.stress.hostile` runs all of them.

Each kind runs in processes of its own, as there.
"""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from tests.stress.hostile.kind import Attempt, Bench, FindingError, Kind
from tests.stress.hostile.kinds import KINDS, load_kind
from tests.stress.hostile.measure import Usage
from tests.stress.hostile.mutations import json_bytes, mutate_json, packed_zeros, raw
from tests.stress.hostile.runs import run_kind
from tests.stress.hostile.worker import judge

SEED = 1
INPUTS = {
    "answer": 50,
    "grpc_bytes": 25,
    "grpc_request": 20,
    "model_folder": 1,
    "project_run": 60,
    "project_training": 30,
    "rest": 25,
    "warmup": 40,
    "weights": 50,
}
"""Inputs of the slice; 100 of each other kind."""
FIRST = {"rest": 100}
"""Number of the first; 0 for each other kind."""


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_slice(name, request):
    model = None
    if load_kind(name).needs_model:
        model = request.getfixturevalue("saved_model_dir").parent
    tally = run_kind(
        name,
        seed=SEED,
        first=FIRST.get(name, 0),
        count=INPUTS.get(name, 100),
        model=model,
        hang_s=120,
    )
    assert not tally.failures
    assert tally.inputs == INPUTS.get(name, 100)


def judged(run, refusals=(ValueError,), **bounds):
    kind = Kind("a kind of the test", refusals, None, **bounds)
    bench = Bench(lambda rng: Attempt("an input", run))
    told, _ = judge(kind, bench, Usage(bench.pid), bench.make(None))
    return told["outcome"], told["text"]


def raising(error):
    def run():
        raise error

    return run


def test_what_an_input_is_judged_by():
    assert judged(lambda: None) == ("ok", "")
    assert judged(raising(ValueError("no"))) == ("refused", "ValueError: no")
    assert judged(raising(TypeError("no"))) == ("failed", "TypeError got out: no")
    assert judged(raising(SystemExit(3))) == ("failed", "SystemExit got out: 3")
    assert judged(raising(FindingError("no"))) == ("failed", "no")


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("", "a refusal without a word"),
        ("x" * 20_001, f"a message of 20001 characters: '{'x' * 60}'"),
        ("a\x1b[31mb", r"'\x1b' in a message: 'a\x1b[31mb'"),
        ("a\tb", r"'\t' in a message: 'a\tb'"),
        (
            "expected 1, got None",
            "words of Python in a message: 'expected 1, got None'",
        ),
    ],
)
def test_messages_that_no_user_can_read(message, fault):
    assert judged(raising(ValueError(message))) == ("failed", fault)
    assert judged(raising(ValueError(message)), message=None)[0] == "refused"
    assert (
        judged(raising(ValueError(message)), message=lambda _: "ä\nb")[0] == "refused"
    )


def test_memory_and_time_are_bounded():
    def take(size):
        np.ones(size, np.uint8).sum()

    outcome, text = judged(lambda: take(200 << 20), growth_mb=100)
    assert outcome == "failed"
    assert text.endswith("MB ()")
    assert judged(lambda: take(20 << 20), growth_mb=100)[0] == "ok"
    assert judged(lambda: sum(range(20_000_000)), cpu_s=0.05)[0] == "failed"


@pytest.mark.parametrize("size", [0, 5, 1 << 20, (5 << 20) + 70_000])
def test_zeros_are_packed(size):
    assert zlib.decompress(packed_zeros(size)) == bytes(size)


def test_inputs_follow_from_their_seed():
    def made():
        rng = np.random.default_rng([1, 2])
        return [
            json_bytes(rng, mutate_json(rng, {"a": [1, {"b": 2}]})) for _ in "12345"
        ]

    assert made() == made()
    rng = np.random.default_rng(2)
    assert json_bytes(rng, {"a": [raw("1e999")]}) == b'{"a": [1e999]}'
