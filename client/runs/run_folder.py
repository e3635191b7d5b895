"""The folder of a run: files appear whole or not at all, and a later run can go on.

`.maskrcnn-run.json` says what made the results; `.maskrcnn-run/` holds what is being
written, and goes when everything is done.

What is called for each of very many files takes texts: pathlib would keep each part of
every path in one table of the interpreter, which grows with them.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from client.errors import OutputError
from client.runs.output_links import check_links, noted, remove_tree
from client.runs.paths import holds
from formats.errors import FormatError
from formats.files.regular_file import MAX_JSON_BYTES, read_regular
from formats.files.safe_path import RUN_SCRATCH, RUN_STATE, is_inside, path_problem
from formats.files.writing import writing
from formats.json_file import parse_json

STATE = RUN_STATE
SCRATCH = RUN_SCRATCH
LONGEST_VALUE = 60
"""Characters that a message quotes of what has changed."""


class RunFolder:
    """Where results go; made by `open_run`.

    Safe to use from several threads.

    Attributes:
        path: the folder.
        was_complete: an earlier run left nothing to do.
    """

    def __init__(self, path: Path, *, was_complete: bool = False) -> None:
        self.path = path
        self.was_complete = was_complete
        self._numbers = itertools.count()

    @property
    def scratch(self) -> Path:
        """The folder of what is needed only until everything is done."""
        return self.path / SCRATCH

    def has(self, path: str) -> bool:
        """Says whether a file is there; a link, which may show another, is none."""
        try:
            return stat.S_ISREG(os.lstat(f"{self.path}/{path}").st_mode)
        except OSError:
            return False

    def write(self, path: str, data: bytes) -> None:
        """Writes a file; nobody ever sees half of it.

        Args:
            path: relative to the folder.
            data: its content.

        Raises:
            OutputError: it cannot be written.
        """
        with self._replacing(path) as temporary, open(temporary, "xb") as file:
            file.write(data)

    def link(self, source: str, path: str) -> None:
        """Makes a file a hard link to another one, or its copy where links are not had.

        Args:
            source: the other one.
            path: relative to the folder.

        Raises:
            OutputError: it cannot be written.
        """
        with self._replacing(path) as temporary:
            try:
                os.link(os.path.realpath(source), temporary)
            except OSError:
                shutil.copyfile(source, temporary)

    @contextlib.contextmanager
    def _replacing(self, path: str) -> Iterator[str]:
        """Yields a new name; what is there at the end becomes the file."""
        target = f"{self.path}/{path}"
        temporary = f"{self.path}/{SCRATCH}/new/{next(self._numbers)}"
        self._check(path)
        with writing(target, OutputError):
            try:
                yield temporary
                try:
                    os.replace(temporary, target)
                except FileNotFoundError:
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    os.replace(temporary, target)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise

    def _check(self, path: str) -> None:
        """Checks that a file will lie in the folder, all links followed.

        Raises:
            OutputError: it will not.
        """
        target = f"{self.path}/{path}"
        problem = path_problem(path)
        if not problem and not is_inside(os.path.dirname(target), self.path):
            problem = "a link leads out of it"
        if problem:
            raise OutputError(
                f"{target}: expected a file inside {self.path}; {problem}"
            )

    def finish(self, origin: Mapping[str, Any]) -> None:
        """Notes that everything is done, and removes what is not needed any more.

        Raises:
            OutputError: the note cannot be written.
        """
        self._note(origin, is_complete=True)
        shutil.rmtree(self.scratch, ignore_errors=True)

    def close(self) -> None:
        """Removes what no later run needs."""
        shutil.rmtree(self.scratch / "new", ignore_errors=True)
        with contextlib.suppress(OSError):
            (self.scratch / "lock").unlink(missing_ok=True)
            self.scratch.rmdir()  # if nothing is in it

    def _note(self, origin: Mapping[str, Any], *, is_complete: bool) -> None:
        content = {"made_by": origin, "complete": is_complete}
        self.write(STATE, json.dumps(content, indent=1).encode())

    def start(self, origin: Mapping[str, Any]) -> None:
        """Makes the folders, and forgets what a run that was killed was writing.

        Raises:
            OutputError: they cannot be made.
        """
        with writing(self.path, OutputError):
            remove_tree(self.scratch / "new")
            (self.scratch / "new").mkdir(parents=True, exist_ok=True)
        self._note(origin, is_complete=False)


@contextlib.contextmanager
def open_run(
    path: Path,
    origin: Mapping[str, Any],
    targets: Iterable[str],
    *,
    overwrite: bool,
) -> Iterator[RunFolder]:
    """Opens the folder of a run, a new one or one that another run began.

    Args:
        path: the folder.
        origin: JSON values: all that results depend on, input, config and model.
        targets: files that the run will write, relative to the folder.
        overwrite: whether results of another origin are replaced.

    Yields:
        The folder; no other process may write to it meanwhile.

    Raises:
        OutputError: it cannot be written, another run writes to it, or it has results
            of something else that may not be replaced.
    """
    made_by, was_complete = _read_state(path)
    if not overwrite and made_by is not None and made_by != origin:
        raise OutputError(
            f"{path}: expected results of the same run, got others: "
            f"{_changes(made_by, origin)}; choose another --output, or replace them "
            "with --overwrite"
        )
    folders: set[str] = set()
    earlier = [
        target
        for target in (noted(targets, folders) if holds(path.exists) else ())
        if overwrite or (made_by is None and os.path.lexists(f"{path}/{target}"))
    ]
    check_links(path, folders | {SCRATCH})
    if earlier and not overwrite:
        raise OutputError(
            f"{path / earlier[0]}: expected no earlier results, got {len(earlier)} "
            "files; choose another --output, or replace them with --overwrite"
        )
    folder = RunFolder(path, was_complete=was_complete and not overwrite)
    with contextlib.closing(_lock(folder)):
        if overwrite:
            _remove(folder, earlier)
        folder.start(origin)
        try:
            yield folder
        finally:
            folder.close()


def _remove(folder: RunFolder, targets: Iterable[str]) -> None:
    """Removes results, first the note that they are of one run."""
    with writing(folder.path, OutputError):
        for name in (STATE, *targets):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder.path}/{name}")
        for part in folder.scratch.iterdir():
            if part.is_dir():
                remove_tree(part)


def _lock(folder: RunFolder) -> IO[str]:
    """Keeps other processes out until the file that is returned is closed."""
    with writing(folder.path, OutputError):
        folder.scratch.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(folder.scratch / "lock", flags, 0o666), "w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        file.close()
        raise OutputError(f"{folder.path}: another run writes there") from err
    except OSError:  # a file system without locks
        pass
    return file


def _read_state(path: Path) -> tuple[Any, bool]:
    """Returns what made the results, None if nothing is known, and if all are there."""
    place = f"{path}/{STATE}"
    try:
        content = parse_json(read_regular(place, MAX_JSON_BYTES), place)
        return content["made_by"], bool(content["complete"])
    except (FormatError, KeyError, TypeError):
        return None, False


def _changes(before: Any, now: Mapping[str, Any]) -> str:
    """Returns what differs, for people."""
    known = before if isinstance(before, dict) else {}
    told = []
    for key in {**now, **known}:
        old, new = known.get(key), now.get(key)
        if old != new:
            told.append(f"{key} {_short(old)}, now {_short(new)}")
    return "; ".join(told)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
