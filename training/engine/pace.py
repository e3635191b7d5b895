"""How long the rest of a training takes, from the steps behind it."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Seconds of a step: validations and checkpoints count, the first step does not.

    The first step compiles the network, which takes as long as many steps.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts without a step.

        Args:
            clock: seconds.
        """
        self._clock = clock
        self._start = clock()
        self._first: tuple[float, int] | None = None
        self._last = (self._start, 0)

    @property
    def has_begun(self) -> bool:
        """Says whether a step is done."""
        return self._first is not None

    @property
    def first_s(self) -> float:
        """Seconds that the first step took."""
        return 0.0 if self._first is None else self._first[0] - self._start

    @property
    def step_s(self) -> float | None:
        """Seconds of a step, None before the second one is done."""
        if self._first is None or self._last[1] == self._first[1]:
            return None
        seconds = self._last[0] - self._first[0]
        return seconds / (self._last[1] - self._first[1])

    def step(self, number: int) -> None:
        """Takes note that a step is done."""
        self._last = (self._clock(), number)
        if self._first is None:
            self._first = self._last

    def left(self, total: int) -> str:
        """Returns how long the steps up to a total take; "" where there are none.

        Nor is it known before the second step.
        """
        steps, step_s = total - self._last[1], self.step_s
        if step_s is None or not steps:
            return ""
        minutes = step_s * steps / 60
        return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.1f} min"
