"""The version of this project, and the flag with which every program tells it."""

from __future__ import annotations

import argparse
import importlib.metadata
from typing import Any

DISTRIBUTION = "maskrcnn-serving"


def program_version() -> str:
    """Returns the installed version, or that this is a source tree without one."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unknown (not installed)"


def version_line() -> str:
    """Returns what `--version` prints."""
    return f"{DISTRIBUTION} {program_version()}"


class ShowVersion(argparse.Action):
    """Prints the version and ends the program."""

    def __init__(self, option_strings: list[str], dest: str, **_: Any) -> None:
        super().__init__(
            option_strings, dest, nargs=0, help="show the version of this, and stop"
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Prints it on the standard output."""
        print(version_line())  # noqa: T201 - the result of the program
        parser.exit()
