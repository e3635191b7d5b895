"""Tells of a run while it goes on."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from serving.plain_text import visible


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[str | None], None]]:
    """Yields what is called for each picture, with its error if there was one.

    On a terminal there is a bar with the rate and the time that is left; else only
    failures are told.

    Args:
        total: pictures.
    """
    if not sys.stderr.isatty():
        yield _tell_failure
        return
    from rich.console import Console
    from rich.progress import (
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Pictures per second, of late."""

        def render(self, task: Any) -> Text:
            speed = task.speed or task.finished_speed
            return Text("" if speed is None else f"{speed:.1f}/s")

    console = Console(stderr=True)
    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("pictures", total=total)

        def tell(error: str | None) -> None:
            if error:
                text = visible(f"failed: {error}", keep="\n")
                console.print(text, markup=False, soft_wrap=True)
            bar.advance(task)

        yield tell


def _tell_failure(error: str | None) -> None:
    if error:
        write(f"failed: {error}")


def write(text: str) -> None:
    """Writes a line for people; nothing in it acts on their terminal."""
    sys.stderr.write(visible(text, keep="\n") + "\n")
    sys.stderr.flush()


__all__ = ["progress", "write"]
