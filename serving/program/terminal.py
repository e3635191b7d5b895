"""Lines for people on stderr, and a progress bar where that is a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from serving.plain_text import visible


def write(text: str) -> None:
    """Writes lines for people; nothing in them acts on their terminal."""
    sys.stderr.write(visible(text, keep="\n") + "\n")
    sys.stderr.flush()


class Bar:
    """A progress bar on a terminal; elsewhere only what is written beside it.

    Attributes:
        is_shown: whether there is a terminal to show it on.
    """

    def __init__(self, title: str, *, has_note: bool = False) -> None:
        """Shows nothing yet.

        Args:
            title: stands before the bar.
            has_note: the caller tells pace and time left; else the bar does.
        """
        self.is_shown = sys.stderr.isatty()
        self._title = title
        self._has_note = has_note
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Bar:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, done: int = 0, total: int | None = None) -> None:
        """Shows the bar, with what is done before."""
        if not self.is_shown:
            return
        from rich import progress
        from rich.console import Console
        from rich.text import Text

        class Rate(progress.ProgressColumn):
            """How many a second, of late."""

            def render(self, task: progress.Task) -> Text:
                speed = task.speed or task.finished_speed
                return Text("" if speed is None else f"{speed:.1f}/s")

        columns: tuple[progress.ProgressColumn, ...]
        if self._has_note:
            note = progress.TextColumn("{task.fields[note]}", markup=False)
            columns = (progress.TimeElapsedColumn(), note)
        else:
            columns = (Rate(), progress.TimeRemainingColumn())
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            *columns,
            console=Console(stderr=True),
        )
        self._bar.start()
        self._task = self._bar.add_task(
            self._title, total=total, completed=done, note=""
        )

    def move(
        self, done: int, total: int, *, title: str | None = None, note: str = ""
    ) -> None:
        """Shows how much is done."""
        if self._bar is not None:
            self._bar.update(
                self._task, completed=done, total=total, description=title, note=note
            )

    def write(self, text: str) -> None:
        """Writes lines, above the bar if there is one."""
        if self._bar is None:
            write(text)
            return
        shown = visible(text, keep="\n")
        self._bar.console.print(shown, markup=False, soft_wrap=True, highlight=False)

    def stop(self) -> None:
        """Leaves the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
