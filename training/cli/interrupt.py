"""What Ctrl-C and SIGTERM do to a training, and what they may lose."""

from __future__ import annotations

from typing import NoReturn, Protocol

from serving.program.stop import INTERRUPTED, Stop, leave


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


def stop_of(console: Told) -> Stop:
    """Saves at the first signal if there is something to save; else ends the process.

    Args:
        console: shows the training to a person; called from another thread.
    """

    def quit_with(text: str) -> NoReturn:
        console.end()
        console.say(text)
        leave(INTERRUPTED)

    def save() -> None:
        if not console.has_stepped:
            quit_with("interrupted before the first step: there is nothing to save")
        console.say(
            f"saving after this step{console.wait}; Ctrl-C again to quit at once, "
            "without what came after the last checkpoint"
        )

    def quit_at_once(_number: int) -> NoReturn:
        quit_with("stopped without saving; checkpoints that are there are whole")

    return Stop(save, quit_at_once)
