"""Tells a person how a training goes: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

from serving.program.terminal import Bar
from training.engine.pace import Pace
from training.engine.plan import Plan

TOLD_STEP_S = 5.0
"""Steps below it are not told to somebody who waits for one."""
LINE_EVERY_S = 30.0
"""Seconds between lines where there is no terminal."""


class Listener(Protocol):
    """Is told how a training goes."""

    def begin(self, step: int, plan: Plan) -> None:
        """Steps follow."""

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """A step is done; its losses by name."""

    def say(self, text: str) -> None:
        """Something that a person should know."""

    def end(self) -> None:
        """No steps follow."""


class Quiet:
    """Says nothing."""

    def begin(self, step: int, plan: Plan) -> None:
        """Ignores it."""

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Ignores it."""

    def say(self, text: str) -> None:
        """Ignores it."""

    def end(self) -> None:
        """Ignores it."""


class Console:
    """Writes to stderr."""

    def __init__(self) -> None:
        self._bar = Bar("epoch", has_note=True)
        self._plan = Plan(1, 1, 1, 1)
        self._pace = Pace()
        self._told = 0.0

    @property
    def has_stepped(self) -> bool:
        """Says whether a step is done."""
        return self._pace.has_begun

    @property
    def wait(self) -> str:
        """About how long a step takes, as " (about 20 s)"; "" where it is short."""
        step_s = self._pace.step_s or 0.0
        return f" (about {step_s:.0f} s)" if step_s >= TOLD_STEP_S else ""

    def begin(self, step: int, plan: Plan) -> None:
        """Shows the bar on a terminal."""
        self._plan = plan
        self._pace = Pace()
        self._told = time.monotonic()
        if step < plan.total:
            self.say(
                "the first step compiles the network, which takes half a minute to a "
                "few minutes"
            )
        self._bar.start(step, plan.total)

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Moves the bar, or writes a line from time to time."""
        is_first = not self._pace.has_begun
        self._pace.step(step)
        left = self._pace.left(self._plan.total)
        epoch = f"{step / self._plan.per_epoch:.2f}"
        loss = f"loss {values['loss']:.3f}"
        if self._bar.is_shown:
            note = f"{left} left  {loss}" if left else loss
            self._bar.move(step, self._plan.total, title=f"epoch {epoch}", note=note)
            return
        if is_first:
            self.say(f"the first step took {self._pace.first_s:.0f} s")
        now = time.monotonic()
        if now - self._told < LINE_EVERY_S and step != self._plan.total:
            return
        self._told = now
        pace = f"  {self._pace.step_s:.2f} s/step  {left} left" if left else ""
        self.say(f"step {step}/{self._plan.total}  epoch {epoch}  {loss}{pace}")

    def say(self, text: str) -> None:
        """Writes a line."""
        self._bar.write(text)

    def end(self) -> None:
        """Takes the bar away."""
        self._bar.stop()
