"""How the programs end: exit codes, and an error in one line."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NoReturn

from serving.program.quiet_tensorflow import quiet_tensorflow
from serving.program.stop import INTERRUPTED, leave
from serving.program.terminal import write
from serving.siblings import SiblingError, check_siblings

DONE, FAILED = 0, 1


def run_program(
    program: Callable[[], int],
    *,
    package: str,
    errors: Callable[[], tuple[type[Exception], ...]],
    needed: Collection[str] = (),
    debug: bool,
) -> int:
    """Runs a program and tells what went wrong, without a traceback.

    Args:
        program: returns the exit code.
        package: where it lives; the extra of this name installs what it needs.
        errors: imports those whose text is meant for users, when there is one to tell.
        needed: modules of the extra.
        debug: errors are raised on, and TensorFlow's own log is shown.

    Returns:
        What the program returned, 1 after an error, 130 after Ctrl-C.
    """
    quiet_tensorflow(debug=debug)
    try:
        check_siblings(package)
        return program()
    except KeyboardInterrupt:
        write("interrupted")
        return INTERRUPTED
    except ModuleNotFoundError as err:
        name = (err.name or "").partition(".")[0]
        if name not in needed:
            raise
        write(
            f"error: {name} is not installed: pip install '.[{package}]' in the "
            "project's folder"
        )
    except Exception as err:
        if debug or not isinstance(err, (SiblingError, *errors())):
            raise
        write(f"error: {err}")
    return FAILED


def end(code: int) -> NoReturn:
    """Ends the process; after Ctrl-C without waiting for what goes on in threads."""
    if code == INTERRUPTED:
        leave(code)
    raise SystemExit(code)
