"""Signals: the first saves, the second ends at once, and both are heard at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from serving.program.stop import heard_at_once
from training.cli.interrupt import stop_of

ROOT = Path(__file__).resolve().parents[4]
PROGRAM = """
import os, signal, sys, time
from serving.program.stop import heard_at_once
from training.cli.interrupt import stop_of

class Console:
    has_stepped = sys.argv[1] == "stepped"
    wait = " (about 20 s)"
    def say(self, text):
        print(text, file=sys.stderr)
    def end(self):
        print("end", file=sys.stderr)

stop = stop_of(Console())
with heard_at_once(stop.heard):
    for _ in range(int(sys.argv[2])):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
print("stopped", stop.is_asked())
"""
SAVING = (
    "saving after this step (about 20 s); Ctrl-C again to quit at once, without what "
    "came after the last checkpoint"
)


class Console:
    has_stepped = True
    wait = ""

    def __init__(self):
        self.told = []
        self.heard = threading.Event()

    def say(self, text):
        self.told.append(text)
        self.heard.set()

    def end(self):
        pass


@pytest.mark.parametrize(
    ("arguments", "code", "out", "told"),
    [
        (("stepped", "1"), 0, "stopped True", [SAVING]),
        (
            ("stepped", "2"),
            130,
            "",
            [
                SAVING,
                "end",
                "stopped without saving; checkpoints that are there are whole",
            ],
        ),
        (
            ("fresh", "1"),
            130,
            "",
            ["end", "interrupted before the first step: there is nothing to save"],
        ),
    ],
)
def test_signals_of_a_process(arguments, code, out, told):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code
    assert done.stdout.strip() == out
    assert done.stderr.splitlines() == told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_while_the_main_thread_is_busy(number):
    console = Console()
    stop = stop_of(console)
    before = signal.getsignal(number)
    with heard_at_once(stop.heard):
        os.kill(os.getpid(), number)
        assert console.heard.wait(60)
        assert stop.is_asked()
    assert len(console.told) == 1
    assert signal.getsignal(number) is before
    assert signal.set_wakeup_fd(-1) == -1


def test_nothing_is_left_of_a_block_without_a_signal():
    threads = threading.active_count()
    stop = stop_of(Console())
    with heard_at_once(stop.heard):
        time.sleep(0)
    assert not stop.is_asked()
    assert threading.active_count() == threads
