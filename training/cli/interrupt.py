"""Ctrl-C and SIGTERM: the first saves and ends, the second ends at once.

Python runs a signal's handler between its own instructions, and a training step is one
call that may take a minute. So a thread of its own hears of a signal, at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn, Protocol

INTERRUPTED = 130
"""Exit code."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Told(Protocol):
    """Shows a training to a person."""

    @property
    def has_stepped(self) -> bool:
        """Says whether a step is done, so that there is something to save."""

    @property
    def wait(self) -> str:
        """About how long a step takes."""

    def say(self, text: str) -> None:
        """Something that a person should know."""

    def end(self) -> None:
        """Leaves the terminal as it was."""


class Interrupt:
    """What a signal has asked for, and what it may lose."""

    def __init__(self, console: Told) -> None:
        """Waits for nothing yet.

        Args:
            console: shows the training to a person; called from another thread.
        """
        self.is_stopped = False
        self._console = console

    def heard(self) -> None:
        """Takes note of a signal; ends the process where there is nothing to save."""
        if self.is_stopped:
            self._quit("stopped without saving; checkpoints that are there are whole")
        self.is_stopped = True
        if not self._console.has_stepped:
            self._quit("interrupted before the first step: there is nothing to save")
        self._console.say(
            f"saving after this step{self._console.wait}; Ctrl-C again to quit at "
            "once, without what came after the last checkpoint"
        )

    def _quit(self, text: str) -> NoReturn:
        self._console.end()
        self._console.say(text)
        leave(INTERRUPTED)


def leave(code: int) -> NoReturn:
    """Ends the process without waiting for threads, graphs and data pipelines."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def interruptible(interrupt: Interrupt) -> Iterator[None]:
    """Hands the signals of a block to an `Interrupt`; for the main thread."""
    reader, writer = socket.socketpair()
    writer.settimeout(0)
    before = {number: signal.signal(number, _ignore) for number in SIGNALS}
    descriptor = signal.set_wakeup_fd(writer.fileno())
    thread = threading.Thread(target=_listen, args=(reader, interrupt), daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        writer.close()
        thread.join()
        reader.close()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Keeps Python's own answer to a signal away; the thread has heard of it."""


def _listen(reader: socket.socket, interrupt: Interrupt) -> None:
    while received := reader.recv(64):
        for number in received:
            if number in SIGNALS:
                interrupt.heard()


__all__ = ["INTERRUPTED", "Interrupt", "interruptible", "leave"]
