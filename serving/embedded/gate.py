"""How many requests may run a model, and how many may wait for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from serving.embedded.errors import ServingError


class PendingCall:
    """One request's deadline, and whether anyone still waits for its answer."""

    def __init__(self, timeout_s: float | None) -> None:
        """Starts the clock; None, or longer than threads can wait, is no deadline."""
        if timeout_s is None or timeout_s > threading.TIMEOUT_MAX:
            self._deadline = None
        else:
            self._deadline = time.monotonic() + timeout_s
        self.cancelled = False

    def remaining_s(self) -> float | None:
        """Returns the seconds left, None without a deadline.

        Raises:
            ServingError: nobody waits any more, or the deadline has passed.
        """
        if self.cancelled:
            raise ServingError(grpc.StatusCode.CANCELLED, "The client went away.")
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise ServingError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "The request's deadline passed before the model could run it.",
            )
        return left


class Gate:
    """Admits a bounded number of requests and lets a bounded number run at once.

    A request is admitted once its message is there and before its tensors are decoded,
    so the bound is also one of the memory that tensors take; messages on their way are
    bounded by the threads that receive them. A request takes a slot, first come first
    served, only to run.
    """

    def __init__(self, *, max_running: int, max_queued: int) -> None:
        """Both are counts of requests; `max_running` at least 1."""
        self._max_running = max_running
        self._max_queued = max_queued
        self._admitted = 0
        self._running = 0
        self._waiting: deque[PendingCall] = deque()
        self._changed = threading.Condition()

    @property
    def capacity(self) -> int:
        """How many requests can be under way at once."""
        return self._max_running + self._max_queued

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Counts a request in for the time of its handling.

        Raises:
            ServingError: UNAVAILABLE, at once, when as many as fit are under way.
        """
        with self._changed:
            if self._admitted >= self.capacity:
                raise ServingError(
                    grpc.StatusCode.UNAVAILABLE,
                    "The queue to which this request was submitted is full; currently "
                    f"{self._admitted} requests are under way, and at most "
                    f"{self._max_running} run while {self._max_queued} wait.",
                )
            self._admitted += 1
        try:
            yield
        finally:
            with self._changed:
                self._admitted -= 1
                self._changed.notify_all()

    @contextmanager
    def slot(self, call: PendingCall) -> Iterator[None]:
        """Waits for a turn to run.

        Raises:
            ServingError: `call` was cancelled, or its deadline passed, while waiting.
        """
        self._take_slot(call)
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _take_slot(self, call: PendingCall) -> None:
        with self._changed:
            self._waiting.append(call)
            try:
                left = call.remaining_s()
                while (
                    self._running >= self._max_running or self._waiting[0] is not call
                ):
                    self._changed.wait(left)
                    left = call.remaining_s()
                self._running += 1
            finally:
                self._waiting.remove(call)
                self._changed.notify_all()

    def cancel(self, call: PendingCall) -> None:
        """Marks that nobody waits for `call` and, if it is queued, takes it out."""
        with self._changed:
            call.cancelled = True
            self._changed.notify_all()

    def wait_idle(self, timeout_s: float) -> bool:
        """Waits until no request is under way; returns False if time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._admitted == 0, timeout_s)
