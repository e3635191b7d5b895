"""How many calls a client has under way: fewer when refused, more when answered."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from dataclasses import dataclass, field


@dataclass(order=True)
class Turn:
    """A call that wants to be sent; those that began first go first.

    Attributes:
        number: its place among all calls.
        round: the number of halvings before it was sent.
        is_sent: it counts among those under way.
    """

    number: int
    round: int = field(default=0, compare=False)
    is_sent: bool = field(default=False, compare=False)
    woken: threading.Event = field(
        default_factory=threading.Event, compare=False, repr=False
    )


class Limiter:
    """One limit of calls under way, for all threads of a client.

    There is none before a server refuses a call. Then it is half of what was under way,
    and grows by one with each answer.

    Attributes:
        limit: most calls under way.
        refusal: what the server said when it refused a call, "" once it answers one.
        answered_at: when it last answered one, `time.monotonic`.
    """

    def __init__(self) -> None:
        self.limit = math.inf
        self.refusal = ""
        self.answered_at = time.monotonic()
        self._busy = 0
        self._round = 0
        self._waiting: list[Turn] = []
        self._numbers = itertools.count()
        self._is_closed = False
        self._lock = threading.Lock()

    def turn(self) -> Turn:
        """Returns the turn of a new call, for all its attempts."""
        return Turn(next(self._numbers))

    def enter(self, turn: Turn, timeout_s: float | None) -> bool:
        """Waits until a call may be sent.

        Args:
            turn: of the call.
            timeout_s: seconds; None waits for ever.

        Returns:
            False if time ran out, or the limiter was closed.
        """
        with self._lock:
            if self._is_closed:
                return False
            turn.is_sent = False
            turn.woken.clear()
            heapq.heappush(self._waiting, turn)
            self._wake()
        try:
            turn.woken.wait(timeout_s)
        except BaseException:  # Ctrl-C
            if self._is_sent(turn):
                self.leave(turn)
            raise
        return self._is_sent(turn)

    def _is_sent(self, turn: Turn) -> bool:
        """Says whether a call may be sent, and else takes it out."""
        with self._lock:
            if not turn.is_sent and turn in self._waiting:
                self._waiting.remove(turn)
                heapq.heapify(self._waiting)
            return turn.is_sent

    def leave(self, turn: Turn, *, answered: bool = False, refusal: str = "") -> None:
        """Counts a call out that was under way.

        Args:
            turn: of the call.
            answered: by the server, be it with an error.
            refusal: what the server said, if it refused the call for now.
        """
        with self._lock:
            if answered:
                self.refusal = ""
                self.answered_at = time.monotonic()
                self.limit += 1
            elif refusal:
                self.refusal = refusal
                # Calls that were sent before the last halving know nothing new.
                if turn.round == self._round:
                    self._round += 1
                    self.limit = max(1, min(self.limit, self._busy) // 2)
            self._busy -= 1
            self._wake()

    def close(self) -> None:
        """Lets nobody in any more."""
        with self._lock:
            self._is_closed = True
            for turn in self._waiting:
                turn.woken.set()
            self._waiting.clear()

    def _wake(self) -> None:
        while self._waiting and self._busy < self.limit:
            turn = heapq.heappop(self._waiting)
            self._busy += 1
            turn.round, turn.is_sent = self._round, True
            turn.woken.set()
