"""What a person is told while a training runs."""

from __future__ import annotations

import pytest

from training.engine.pace import Pace
from training.engine.plan import Plan
from training.engine.progress import Console

PLAN = Plan(2, 100, 2, 2)


def clock(*seconds):
    """Gives these seconds, one a call."""
    return iter(seconds).__next__


def test_the_first_step_is_left_out_of_the_time_left():
    pace = Pace(clock(0, 60, 62, 64))
    assert (pace.has_begun, pace.step_s, pace.left(100)) == (False, None, "")
    pace.step(11)  # a training that was taken up again at step 10
    assert (pace.has_begun, pace.step_s, pace.left(100)) == (True, None, "")
    assert pace.first_s == 60
    pace.step(12)
    assert pace.step_s == 2
    pace.step(13)
    assert pace.step_s == 2
    assert pace.left(100) == "2.9 min"
    assert pace.left(10_013) == "5.6 h"
    assert pace.left(13) == ""


def test_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr("training.engine.progress.LINE_EVERY_S", 0)
    console = Console()
    console.begin(0, PLAN)
    assert not console.has_stepped
    console.step(1, {"loss": 2.5})
    assert console.has_stepped
    console.step(2, {"loss": 2.0})
    console.step(100, {"loss": 1.0})
    console.end()
    compiling, took, first, second, last = capsys.readouterr().err.splitlines()
    assert compiling.startswith("the first step compiles the network, which takes")
    assert took == "the first step took 0 s"
    assert first == "step 1/100  epoch 0.50  loss 2.500"
    assert second.startswith("step 2/100  epoch 1.00  loss 2.000  0.00 s/step  0.0 min")
    assert last == "step 100/100  epoch 50.00  loss 1.000"


def test_nothing_is_compiled_where_no_step_is_left(capsys):
    Console().begin(100, PLAN)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("step_s", "told"), [(1, ""), (21.4, " (about 21 s)")])
def test_long_steps_are_told_to_who_waits_for_one(step_s, told):
    console = Console()
    console._pace = Pace(clock(0, 60, 60 + step_s))
    assert console.wait == ""
    console._pace.step(1)
    console._pace.step(2)
    assert console.wait == told
