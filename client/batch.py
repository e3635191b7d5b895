"""Pictures of a command line in, a folder of annotations out.

`OUTPUT/meta.json`, `OUTPUT/ann/<picture>.json`, `OUTPUT/overlay/<picture>.png`; a
picture from a folder keeps its path within that folder.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from client.client import Client
from client.errors import ClientError
from client.paths import holds, resolve
from client.result import Result
from formats.image_header import read_header

EXTENSIONS = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"}
)
"""Names that make a file of a folder a picture, whatever its content."""
HEADER_BYTES = 64


class OutputError(ClientError):
    """Results that cannot be written, or would replace others."""


@dataclass(frozen=True)
class Job:
    """One picture to predict.

    Attributes:
        path: the file.
        name: what its results are called: its path within the folder given, or its
            file name.
    """

    path: Path
    name: PurePath


@dataclass
class Summary:
    """What became of a run.

    Attributes:
        done: pictures with an annotation.
        failed: path and error of the others.
        instances: instances found in all pictures.
        seconds: time from the first picture to the last.
        warnings: each once, in the order of their first appearance.
    """

    done: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    instances: int = 0
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def to_json(self, output: Path) -> dict[str, Any]:
        """Returns the summary for the standard output."""
        return {
            "output": str(output),
            "done": self.done,
            "failed": [{"picture": p, "error": e} for p, e in self.failed],
            "instances": self.instances,
            "seconds": round(self.seconds, 3),
            "warnings": self.warnings,
        }


class Output:
    """The folder that results go to."""

    def __init__(self, folder: Path, *, overlays: bool, overwrite: bool) -> None:
        self.folder = folder
        self.overlays = overlays
        self._overwrite = overwrite

    def annotation(self, job: Job) -> Path:
        """Returns where a picture's annotation goes."""
        return self.folder / "ann" / f"{job.name}.json"

    def overlay(self, job: Job) -> Path:
        """Returns where a picture's overlay goes."""
        return self.folder / "overlay" / f"{job.name}.png"

    def check(self, jobs: Sequence[Job]) -> None:
        """Checks that nothing would be replaced, before anything is written.

        Raises:
            OutputError: results are there already, and may not be replaced.
        """
        targets = [self.folder / "meta.json", *map(self.annotation, jobs)]
        if self.overlays:
            targets += map(self.overlay, jobs)
        there = [path for path in targets if holds(path.exists)]
        if there and not self._overwrite:
            raise OutputError(
                f"{there[0]}: expected no earlier results, got {len(there)} files; "
                "choose another --output, or replace them with --overwrite"
            )

    def write_meta(self, content: dict[str, Any]) -> None:
        """Writes `meta.json`."""
        _write(self.folder / "meta.json", _json(content))

    def write(self, job: Job, result: Result) -> None:
        """Writes what a picture is asked for.

        Raises:
            ClientError: a mask is damaged, or the files cannot be written.
        """
        _write(self.annotation(job), _json(result.to_annotation()))
        if self.overlays:
            import cv2  # drawing has brought it already

            bgr = result.draw()[..., ::-1]
            _write(self.overlay(job), cv2.imencode(".png", bgr)[1].tobytes())


def find_jobs(inputs: Iterable[Path], output: Path) -> list[Job]:
    """Returns the pictures among files and folders, folders with all within them.

    What is named is taken as it is, hidden or not; of a folder's content those files
    that are pictures by content or by name, nothing hidden, and no earlier results.

    Args:
        inputs: files and folders.
        output: the folder of the results; nothing in it is taken from a folder.

    Raises:
        OutputError: nothing is there, or two pictures would share their results.
    """
    jobs: dict[Path, Job] = {}
    for path in inputs:
        named = not holds(path.is_dir)
        for job in [Job(path, PurePath(path.name))] if named else _in_folder(path):
            resolved = resolve(job.path)
            if named or resolve(output) not in resolved.parents:
                jobs.setdefault(resolved, job)
    names: dict[PurePath, Path] = {}
    for job in jobs.values():
        other = names.setdefault(job.name, job.path)
        if other != job.path:
            raise OutputError(
                f"{other} and {job.path}: expected pictures with different names, got "
                f"{job.name} twice; run them apart, or give the folder above both"
            )
    if not jobs:
        raise OutputError("expected at least one picture, got none")
    return list(jobs.values())


def _in_folder(folder: Path) -> Iterator[Job]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and holds(path.is_file) and _is_picture(path):
            yield Job(path, path.relative_to(folder))


def _is_picture(path: Path) -> bool:
    if path.suffix.lower() in EXTENSIONS:
        return True
    try:
        with path.open("rb") as file:
            return read_header(file.read(HEADER_BYTES)) is not None
    except ValueError:  # a known beginning; the rest of the header lies further on
        return True
    except OSError:
        return False


def run(
    client: Client,
    jobs: Sequence[Job],
    output: Output,
    *,
    in_flight: int,
    is_stopped: Callable[[], bool],
    tell: Callable[[Job, str | None], None],
) -> Summary:
    """Predicts all pictures and writes what becomes of them.

    Args:
        client: the model to ask.
        jobs: the pictures.
        output: where results go.
        in_flight: how many requests are under way at a time.
        is_stopped: asked before each picture; once true, only what has been sent is
            still written.
        tell: called after each picture, with the error if there was one.
    """
    output.write_meta(client.output_meta().to_json())
    summary = Summary()
    started = time.monotonic()
    by_path = {job.path: job for job in jobs}

    def paths() -> Iterator[Path]:
        for job in jobs:
            if is_stopped():
                return
            yield job.path

    for path, answer in client.predict_many(paths(), in_flight=in_flight):
        job, error = by_path[path], None
        try:
            if isinstance(answer, ClientError):
                raise answer
            output.write(job, answer)
            summary.done += 1
            summary.instances += len(answer.instances)
            _add_new(summary.warnings, answer.warnings)
        except ClientError as err:
            error = str(err)
            summary.failed.append((str(path), error))
        tell(job, error)
    summary.seconds = time.monotonic() - started
    return summary


def _add_new(known: list[str], texts: Iterable[str]) -> None:
    known.extend(text for text in texts if text not in known)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def _write(path: Path, data: bytes) -> None:
    """Writes a file so that nobody ever sees half of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as err:
        raise OutputError(f"{path}: {err.strerror or err}") from err


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


__all__ = ["Job", "Output", "OutputError", "Summary", "find_jobs", "run"]
