"""Keeps what TensorFlow's C++ side writes about itself away from the user's terminal.

Much of it is written while TensorFlow is loaded, before its log can be told a level,
and straight to descriptor 2. So that descriptor leads to a file meanwhile. Lines that
are none of that log are written out afterwards, and everything if loading fails; a
process of its own does that if this one dies meanwhile, as of an instruction that the
processor lacks.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

from serving.program.stop import BEFORE_LEAVING

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
ALL, FATAL = "0", "3"
"""Levels: errors of lower ones come as exceptions too, and with a reason."""
_PACKAGE = "tensorflow"
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\) .*\n|"
    rb"[IWE]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ [\w./-]+:\d+\] .*\n|"
    rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] [\w./-]+:\d+\] .*\n|"
    rb"To enable the following instructions: .*\n"
)
_GUARD = """
import os, sys
if not sys.stdin.buffer.read(1):
    held = int(sys.argv[1])
    os.write(2, os.pread(held, os.fstat(held).st_size, 0))
"""
"""Writes out what is held back, unless it is told that the import came to an end."""


def quiet_tensorflow(*, debug: bool) -> None:
    """Keeps TensorFlow quiet in this process, whenever it is imported.

    A level that the environment sets is left as it is; 0 shows everything.

    Args:
        debug: it is not to be quiet.
    """
    level = os.environ.setdefault(LEVEL, ALL if debug else FATAL)
    if debug or level == ALL:
        return
    for name in (_PACKAGE, "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds TensorFlow where the others find it, and has it loaded quietly."""

    def __init__(self) -> None:
        self._is_asking = False

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name != _PACKAGE or self._is_asking:
            return None
        self._is_asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._is_asking = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with _held_back():
            self._loader.exec_module(module)


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Holds back what a block writes to descriptor 2, and then its noise for good."""
    try:
        held = _Held()
    except OSError:  # no descriptor 2, or no process to be had: nothing is held back
        yield
        return
    # A thread may end this process meanwhile.
    BEFORE_LEAVING.append(held.release)
    try:
        yield
    except Exception:
        held.release(is_whole=True)
        raise
    finally:
        BEFORE_LEAVING.remove(held.release)
        held.release()


class _Held:
    """Descriptor 2 while it leads to a file in memory."""

    def __init__(self) -> None:
        self._real = os.dup(2)
        self._file = os.memfd_create("stderr")
        # In a session of its own: Ctrl-C is for this process.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD, str(self._file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[self._file],
            start_new_session=True,
        )
        os.dup2(self._file, 2)
        self._is_released = False

    def release(self, *, is_whole: bool = False) -> None:
        """Leads it back, and writes what is worth reading or the whole; once."""
        if self._is_released:
            return
        self._is_released = True
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(self._real, 2)
        self._guard.communicate(b".")
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        for descriptor in (self._real, self._file):
            os.close(descriptor)
        with open(2, "wb", closefd=False) as stderr:
            stderr.write(content if is_whole else _NOISE.sub(b"", content))
