"""`python -m training`: trains; `inspect` looks at data, `evaluate` at results."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from serving.plain_text import visible
from serving.program_version import version_line
from serving.siblings import SiblingError, check_siblings
from training.cli.interrupt import INTERRUPTED, leave

FAILED = 1
_NEEDED = frozenset(
    {"tensorflow", "keras", "h5py", "matplotlib", "pycocotools", "tensorboard"}
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0, 1 after an error, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        print(version_line())
        return 0
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    try:
        check_siblings("training")
        return _run(arguments)
    except SiblingError as err:
        sys.stderr.write(f"error: {err}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except ModuleNotFoundError as err:
        name = (err.name or "").partition(".")[0]
        if name not in _NEEDED:
            raise
        sys.stderr.write(
            f"error: {name} is not installed: "
            "pip install '.[training]' in a checkout of maskrcnn-serving\n"
        )
        return FAILED


def _run(arguments: list[str]) -> int:
    from training.errors import TrainingError

    command, rest = arguments[:1], arguments[1:]
    try:
        if command == ["inspect"]:
            from training.cli.inspect import run as inspect

            return inspect(rest)
        _silence_tensorflow()
        if command == ["evaluate"]:
            from training.cli.evaluate import run as evaluate

            return evaluate(rest)
        from training.cli.train import run as train

        return train(arguments)
    except TrainingError as err:
        if "--debug" in arguments:
            raise
        sys.stderr.write(visible(f"error: {err}\n", keep="\n"))
        return FAILED


def _silence_tensorflow() -> None:
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    code = main()
    if code == INTERRUPTED:
        leave(code)
    raise SystemExit(code)
