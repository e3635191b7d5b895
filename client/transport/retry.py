"""How long a call may take, and how it is repeated."""

from __future__ import annotations

import enum
import random
import sys
import threading
import time
from dataclasses import dataclass

from serving.plain_text import shortened

LONGEST_REPEATS_S = 300.0
"""Seconds for which a call without a deadline is repeated."""
_DOUBLINGS = 60
"""After these a delay is far beyond any longest one."""


class Unset(enum.Enum):
    """The value of an argument that was not given, where None means something."""

    UNSET = 0


UNSET = Unset.UNSET
Timeout = float | None | Unset
"""Seconds; None waits for ever, UNSET is the client's default."""


def check_timeout(timeout_s: float | None, name: str = "timeout_s") -> float | None:
    """Returns the seconds.

    Raises:
        ValueError: they are no positive, finite number.
    """
    if timeout_s is None:
        return None
    is_number = isinstance(timeout_s, (int, float)) and not isinstance(timeout_s, bool)
    if not is_number or not 0 < timeout_s <= sys.float_info.max:
        raise ValueError(
            f"{name}: expected a finite number of seconds above 0, got "
            f"{shortened(timeout_s)}"
        )
    return float(timeout_s)


@dataclass(frozen=True)
class RetryPolicy:
    """How calls are repeated while a server is unavailable, within their deadline.

    Attributes:
        retries: how often after the first attempt; None for as often as fits.
        first_delay_s: seconds before the first retry; each further one waits twice as
            long. Up to half of a delay is left out at random.
        max_delay_s: the longest delay, seconds.
    """

    retries: int | None = None
    first_delay_s: float = 0.1
    max_delay_s: float = 3.0

    def delay_s(self, attempt: int) -> float:
        """Returns the seconds to wait after a failed attempt, counted from 0."""
        doubled = self.first_delay_s * 2.0 ** min(attempt, _DOUBLINGS)
        return min(doubled, self.max_delay_s) * random.uniform(0.5, 1.0)

    def is_over(self, attempt: int) -> bool:
        """Says whether an attempt, counted from 0, was the last one."""
        return self.retries is not None and attempt >= self.retries


class Budget:
    """The time of one call, all its attempts together.

    Attributes:
        timeout_s: seconds in all; None for no deadline.
        started: when the call began, `time.monotonic`.
    """

    def __init__(self, timeout_s: float | None) -> None:
        """Starts the clock."""
        self.timeout_s = timeout_s
        now = self.started = time.monotonic()
        # Threads cannot wait as long as a float can say.
        is_endless = timeout_s is None or timeout_s > threading.TIMEOUT_MAX / 2
        self._end = None if is_endless else now + (timeout_s or 0.0)
        self._repeats_end = now + LONGEST_REPEATS_S

    def left_s(self) -> float | None:
        """Returns the seconds left for an answer; None without a deadline."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def repeats_left_s(self) -> float:
        """Returns the seconds left for repeating what is refused."""
        end = self._repeats_end if self._end is None else self._end
        return max(0.0, end - time.monotonic())
