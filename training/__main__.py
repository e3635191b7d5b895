"""`python -m training`: trains; `inspect` looks at data, `evaluate` at results."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from serving.program.run import DONE, end, run_program
from serving.program_version import version_line

VERBS = ("train", "inspect", "evaluate")
"""Each has a module in `training.cli`; the first is meant where none is named."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0, 1 after an error, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        print(version_line())
        return DONE
    if arguments[:1] in [[verb] for verb in VERBS[1:]]:
        verb = arguments.pop(0)
        return run_verb(verb, arguments, prog=f"python -m training {verb}")
    return run_verb(VERBS[0], arguments, prog="python -m training")


def run_verb(verb: str, arguments: Sequence[str], *, prog: str) -> int:
    """Runs one of the verbs.

    Args:
        verb: its name.
        arguments: what follows it.
        prog: how it was called.

    Returns:
        0, 1 after an error, 130 after Ctrl-C.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    return run_program(
        lambda: import_module(f"training.cli.{verb}").run(arguments, prog),
        package="training",
        errors=_errors,
        needed=(
            *("tensorflow", "keras", "h5py"),
            *("matplotlib", "pycocotools", "tensorboard"),
        ),
        debug="--debug" in arguments,
    )


def _errors() -> tuple[type[Exception], ...]:
    from training.errors import TrainingError

    return (TrainingError,)


if __name__ == "__main__":
    end(main())
