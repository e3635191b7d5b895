"""Tells a person how a training goes: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol

from serving.plain_text import visible
from training.plan import Plan

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
        self._bar: Any = None
        self._task: Any = None
        self._plan = Plan(1, 1, 1, 1)
        self._begun = (0.0, 0)
        self._told = 0.0

    def begin(self, step: int, plan: Plan) -> None:
        """Shows the bar on a terminal."""
        self._plan = plan
        self._begun = (time.monotonic(), step)
        self._told = time.monotonic()
        if not sys.stderr.isatty():
            return
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("loss {task.fields[loss]}"),
            console=RichConsole(stderr=True),
        )
        self._bar.start()
        self._task = self._bar.add_task(
            "training", total=plan.total, completed=step, epoch="", loss=""
        )

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Moves the bar, or writes a line from time to time."""
        epoch = f"{step / self._plan.per_epoch:.2f}"
        if self._bar is not None:
            loss = f"{values['loss']:.3f}"
            self._bar.update(self._task, completed=step, epoch=epoch, loss=loss)
            return
        now = time.monotonic()
        if now - self._told < LINE_EVERY_S and step != self._plan.total:
            return
        self._told = now
        begun, first = self._begun
        rate = (now - begun) / max(step - first, 1)
        left = rate * (self._plan.total - step)
        self.say(
            f"step {step}/{self._plan.total}  epoch {epoch}  loss {values['loss']:.3f}"
            f"  {rate:.2f} s/step  {left / 60:.1f} min left"
        )

    def say(self, text: str) -> None:
        """Writes a line."""
        text = visible(text, keep="\n")
        if self._bar is not None:
            self._bar.console.print(text, markup=False, soft_wrap=True, highlight=False)
        else:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def end(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


__all__ = ["Console", "Listener", "Quiet"]
