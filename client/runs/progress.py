"""Tells of a run while it goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from serving.program.terminal import Bar


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[str | None], None]]:
    """Yields what is called for each image, with its error if there was one.

    On a terminal there is a bar with the rate and the time that is left; else only
    failures are told.

    Args:
        total: images.
    """
    done = 0
    with Bar("pictures") as bar:
        bar.move(0, total)

        def tell(error: str | None) -> None:
            nonlocal done
            if error:
                bar.write(f"failed: {error}")
            done += 1
            bar.move(done, total)

        yield tell
