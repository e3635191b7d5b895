"""Ctrl-C and SIGTERM: the first lets a program finish, the second ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
"""Exit code after Ctrl-C."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
BEFORE_LEAVING: list[Callable[[], None]] = []
"""Called by `leave`: what would otherwise be lost."""


class Stop:
    """What signals have asked of a program.

    Attributes:
        number: the first signal, 0 before there is one.
    """

    def __init__(
        self,
        first: Callable[[], None] = lambda: None,
        again: Callable[[int], None] = lambda number: leave(128 + number),
    ) -> None:
        """Has heard nothing.

        Args:
            first: is called at the first signal, to tell what is finished.
            again: is called at each other one, to end the program.
        """
        self.number = 0
        self._first = first
        self._again = again

    def is_asked(self) -> bool:
        """Says whether the program is to stop."""
        return self.number != 0

    def heard(self, number: int) -> None:
        """Takes note of a signal."""
        if self.is_asked():
            self._again(number)
            return
        self.number = number
        self._first()


@contextlib.contextmanager
def handled(
    handler: Callable[[int], None], numbers: Sequence[int] = SIGNALS
) -> Iterator[None]:
    """Hands the signals of a block to a handler, between two Python instructions.

    For the main thread, which is also where the handler is called, so that it can raise
    an exception there.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        handler(number)

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


@contextlib.contextmanager
def heard_at_once(handler: Callable[[int], None]) -> Iterator[None]:
    """Hands the signals of a block to a handler, in a thread of its own.

    For the main thread. Python runs a signal's handler between its own instructions,
    and a training step is one call that may take a minute.
    """
    reader, writer = socket.socketpair()
    writer.settimeout(0)
    # Python's own answer to a signal is kept away: the thread has heard of it.
    with handled(lambda _number: None):
        descriptor = signal.set_wakeup_fd(writer.fileno())
        thread = threading.Thread(target=_listen, args=(reader, handler), daemon=True)
        thread.start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(descriptor)
            writer.close()
            thread.join()
            reader.close()


def _listen(reader: socket.socket, handler: Callable[[int], None]) -> None:
    while received := reader.recv(64):
        for number in received:
            if number in SIGNALS:
                handler(number)


def leave(code: int) -> NoReturn:
    """Ends the process without waiting for threads, graphs and data pipelines."""
    for release in (*BEFORE_LEAVING,):
        release()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
