"""A run over many images: several at a time, and a later run does what is missing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import grpc

from client.annotations import Dropped
from client.client import Client
from client.errors import (
    ClientError,
    ConnectError,
    DeadlineError,
    ServerError,
)
from client.pipeline import as_they_come
from client.result import Result
from client.runs.run_folder import RunFolder
from client.runs.work import Work, json_bytes
from formats.errors import FormatError
from formats.files.left_out import LeftOut

logger = logging.getLogger(__name__)


@dataclass
class Summary:
    """What became of a run.

    Attributes:
        done: images that got an annotation.
        skipped: images that had one of an earlier run.
        failed: path and error of the others that were tried.
        left: images that were not tried, as the run was stopped.
        instances: instances found in the images that were done.
        seconds: time from the first image to the last.
        warnings: each once, in the order of their first appearance.
        dropped: objects that new annotations do not have, by reason.
        left_out: what the user named and is no image, or belongs to none.
        stopped: why not all images were tried, "" if they were.
    """

    done: int = 0
    skipped: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    left: int = 0
    instances: int = 0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    dropped: LeftOut = field(default_factory=LeftOut)
    left_out: LeftOut = field(default_factory=LeftOut)
    stopped: str = ""

    @property
    def is_complete(self) -> bool:
        """Says whether every image has its results."""
        return not self.failed and not self.left

    def told(self) -> list[str]:
        """Returns one line for each kind of what is odd."""
        left_out = (f"left out: {line}" for line in self.left_out.lines())
        return [*self.warnings, *self.dropped.lines(), *left_out]

    def to_json(self, output: Path) -> dict[str, Any]:
        """Returns the summary for the standard output."""
        return {
            "output": str(output),
            "done": self.done,
            "skipped": self.skipped,
            "failed": [{"picture": p, "error": e} for p, e in self.failed],
            "left": self.left,
            "instances": self.instances,
            "seconds": round(self.seconds, 3),
            "warnings": [*self.warnings, *self.dropped.lines()],
            "left_out": self.left_out.to_json(),
        }


class Extra(Protocol):
    """What a run makes beside annotations. Safe to use from several threads."""

    @property
    def is_made(self) -> bool:
        """Says whether its one file of all images is there already."""

    def targets(self, index: int) -> list[str]:
        """Returns the files that it keeps of an image, within the run's folder."""

    def write(self, folder: RunFolder, index: int, result: Result) -> None:
        """Writes these files.

        Raises:
            ClientError: they cannot be written, or the image cannot be drawn.
        """

    def finish(self, folder: RunFolder, summary: Summary) -> None:
        """Makes one file of all images, if that is what it is for.

        Raises:
            ClientError: it cannot be written.
        """


@dataclass(frozen=True)
class _Outcome:
    """What became of one image; `number` is its index."""

    number: int
    was_tried: bool = True
    error: ClientError | FormatError | None = None
    instances: int = 0
    warnings: Sequence[str] = ()
    dropped: Mapping[str, Dropped] = field(default_factory=dict)


class _ModelChangedError(ClientError):
    """The server has another version of the model than at the start."""


def run_all(
    client: Client,
    work: Work,
    folder: RunFolder,
    extras: Sequence[Extra] = (),
    *,
    in_flight: int,
    server_wait_s: float,
    is_stopped: Callable[[], bool],
    tell: Callable[[str | None], None],
) -> Summary:
    """Predicts all images that have no results yet, and writes what becomes of them.

    Args:
        client: the model to ask.
        work: the images.
        folder: where results go.
        extras: what else is made of each image.
        in_flight: how many images are under way at a time.
        server_wait_s: seconds after its last answer that a server which is gone, or
            takes no image, is waited for.
        is_stopped: asked before each image; once true, only what has been sent is
            still written.
        tell: called for each image, with the error if there was one.

    Raises:
        ClientError: nothing can be written, or classes of model and project clash.
    """
    folder.write("meta.json", json_bytes(client.output_meta(work.meta).to_json()))
    if folder.was_complete and _all_done(folder, work):
        extras = [extra for extra in extras if not extra.is_made]
    running = _Run(client, work, folder, extras, server_wait_s, is_stopped, tell)
    started = time.monotonic()
    for outcome in as_they_come(running.attempt, running.to_do(), in_flight):
        running.note(outcome)
    summary = running.summary
    summary.left_out = work.left_out
    summary.seconds = time.monotonic() - started
    summary.failed = [(work.place(i), error) for i, error in sorted(running.failures)]
    if not summary.left:
        for extra in extras:
            extra.finish(folder, summary)
    return summary


def _is_stopping(error: Exception | None) -> bool:
    """Says whether there is no use in trying the rest."""
    if isinstance(error, ServerError):
        return error.code is grpc.StatusCode.NOT_FOUND
    return isinstance(error, (ConnectError, _ModelChangedError))


class _Run:
    """The parts of `run_all`; `attempt` is called from several threads."""

    def __init__(
        self,
        client: Client,
        work: Work,
        folder: RunFolder,
        extras: Sequence[Extra],
        server_wait_s: float,
        is_stopped: Callable[[], bool],
        tell: Callable[[str | None], None],
    ) -> None:
        self.summary = Summary()
        self.failures: list[tuple[int, str]] = []
        self._client = client
        self._version = client.model_version
        self._work = work
        self._folder = folder
        self._extras = extras
        self._server_wait_s = server_wait_s
        self._asked_to_stop = is_stopped
        self._tell = tell
        self._lock = threading.Lock()
        self._is_waiting = False

    def _is_stopped(self) -> bool:
        return bool(self.summary.stopped) or self._asked_to_stop()

    def to_do(self) -> Iterator[int]:
        """Yields images without results."""
        for index in range(len(self._work)):
            if self._is_stopped():
                self.summary.left += 1
            elif _is_done(self._folder, self._work, self._extras, index):
                self.summary.skipped += 1
                self._tell(None)
            else:
                yield index

    def attempt(self, index: int) -> _Outcome:
        """Predicts an image and writes its results."""
        if self._is_stopped():
            return _Outcome(index, was_tried=False)
        try:
            result = self._predict(index)
            self._check_version(result)
            for extra in self._extras:
                extra.write(self._folder, index, result)
            self._work.write(self._folder, index, result)
        except (ClientError, FormatError) as err:
            return _Outcome(index, error=err)
        found = len(result.instances)
        objects = result.dropped
        about = {text for entry in objects.values() for text in entry.texts}
        warnings = [text for text in result.warnings if text not in about]
        return _Outcome(index, instances=found, warnings=warnings, dropped=objects)

    def _predict(self, index: int) -> Result:
        """Predicts an image; again where it ends because the server is gone."""
        while True:
            try:
                result = self._work.predict(self._client, index)
            except (ConnectError, DeadlineError) as err:
                # A server that went without a word is noticed by the deadline alone.
                if isinstance(err, DeadlineError) and self._client.is_answering():
                    raise
                silent_s = self._client.silent_s
                is_over = silent_s >= self._server_wait_s or self._client.is_closed
                if is_over or self._is_stopped():
                    raise ConnectError(str(err)) from err
                self._note_waiting(str(err))
            else:
                self._note_waiting("")
                return result

    def _note_waiting(self, told: str) -> None:
        """Logs once that the server is waited for, and once that it is back."""
        with self._lock:
            if self._is_waiting == bool(told):
                return
            self._is_waiting = bool(told)
        if told:
            wait = f"waiting until {self._server_wait_s:g} s after its last answer"
            logger.warning("%s; %s", told, wait)
        else:
            logger.warning("the server answers again")

    def _check_version(self, result: Result) -> None:
        if result.model_version != self._version:
            raise _ModelChangedError(
                f"the model's version was {self._version}, now it is "
                f"{result.model_version}; name the one to use (--model-version), or "
                "start again with --overwrite"
            )

    def note(self, outcome: _Outcome) -> None:
        """Adds to the summary what became of an image."""
        summary, error = self.summary, outcome.error
        if _is_stopping(error) and not self._asked_to_stop():
            summary.stopped = summary.stopped or str(error)
        if _is_stopping(error) or not outcome.was_tried:
            summary.left += 1
        elif error is None:
            summary.done += 1
            summary.instances += outcome.instances
            _add_new(summary.warnings, outcome.warnings)
            for reason, entry in outcome.dropped.items():
                label = self._work.label(outcome.number)
                summary.dropped.add("object", reason, label, entry.number)
            self._tell(None)
        else:
            self.failures.append((outcome.number, str(error)))
            self._tell(str(error))


def all_targets(work: Work, extras: Sequence[Extra]) -> Iterator[str]:
    """Yields all files that a run writes, relative to its folder."""
    yield "meta.json"
    for index in range(len(work)):
        yield from work.targets(index)
        for extra in extras:
            yield from extra.targets(index)


def _all_done(folder: RunFolder, work: Work) -> bool:
    return all(_is_done(folder, work, (), index) for index in range(len(work)))


def _is_done(
    folder: RunFolder, work: Work, extras: Sequence[Extra], index: int
) -> bool:
    targets = work.targets(index)
    for extra in extras:
        targets += extra.targets(index)
    return all(map(folder.has, targets))


def _add_new(known: list[str], texts: Iterable[str]) -> None:
    known.extend(text for text in texts if text not in known)
