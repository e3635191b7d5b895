"""Runs the project's programs in this process, as their command lines do."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

from tests.stress.hostile.kind import FindingError, ProgramRefusalError

_TRACE = "Traceback (most recent call last)"


def run_program(main: Callable[[list[str]], int], line: list[str]) -> None:
    """Runs a program to its end.

    Raises:
        ProgramRefusalError: it ended with 1 or 2 and said why.
        FindingError: it printed a traceback, said nothing, or had another exit code.
    """
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(line)
        except SystemExit as err:
            code = err.code
    text = told.getvalue()
    if _TRACE in text:
        raise FindingError(f"a traceback: {text[-400:]}")
    if code == 0:
        return
    if code not in (1, 2) or not text.strip():
        raise FindingError(f"exit code {code}, text {text[-300:]!r}")
    raise ProgramRefusalError(f"exit code {code}: {text.strip()}")
