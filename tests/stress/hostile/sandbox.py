"""Writes projects as folders and archives, and watches what programs write where."""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import os
import shutil
import tarfile
import warnings
import zipfile
from pathlib import Path

from tests.stress.hostile.kind import FindingError, Rng
from tests.stress.hostile.mutations import chance, mutate_bytes, pick

LINK = "link:"
"""An entry whose text begins so is a link to what follows."""
FIFO = "fifo:"

_TAR_TYPES = (
    *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE),
    *(tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, b"Z"),
)
_ZIP_TYPES = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
_ZIP_MODES = (0o120777, 0o010777, 0o020777)
_PACKERS = (
    functools.partial(gzip.compress, compresslevel=1),
    bz2.compress,
    functools.partial(lzma.compress, preset=0),
)

Entries = list[tuple[str, "bytes | str"]]
"""Files of a project: path, and bytes, a link's target or a FIFO."""


def write_folder(root: Path, entries: Entries) -> None:
    """Writes what of a project a file system can hold, nothing of it outside."""
    for path, content in entries:
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            continue
        target = root.joinpath(*parts)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if root.resolve() not in target.parent.resolve().parents and (
                target.parent.resolve() != root.resolve()
            ):
                continue
            _write_entry(target, content)
        except OSError:
            continue


def _write_entry(target: Path, content: bytes | str) -> None:
    if isinstance(content, bytes):
        with target.open("xb") as file:  # never through a link, never into a FIFO
            file.write(content)
    elif content == FIFO:
        os.mkfifo(target)
    else:
        target.symlink_to(content.removeprefix(LINK))


def write_tar(path: Path, entries: Entries, rng: Rng) -> None:
    """Writes a tar, now and then packed, cut or broken."""
    stream = io.BytesIO()
    form = pick(rng, (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            data = b""
            if isinstance(content, bytes):
                data = content
                info.size = len(data)
            else:
                info.type = pick(rng, _TAR_TYPES)
                info.linkname = content.removeprefix(LINK)
            with contextlib.suppress(ValueError):  # no name of this format
                archive.addfile(info, io.BytesIO(data))
    data = _broken_at_times(rng, stream.getvalue())
    if chance(rng, 0.4):
        data += bytes(10_000_000 if chance(rng, 0.1) else 0)
        data = _broken_at_times(rng, pick(rng, _PACKERS)(data))
    path.write_bytes(data)


def write_zip(path: Path, entries: Entries, rng: Rng) -> None:
    """Writes a zip, now and then with a bomb, marked as encrypted, cut or broken."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in entries:
            info = zipfile.ZipInfo("x")
            info.filename = name  # a NUL and what follows it too
            info.compress_type = pick(rng, _ZIP_TYPES)
            data = content
            if isinstance(content, str):
                info.external_attr = pick(rng, _ZIP_MODES) << 16
                data = content.removeprefix(LINK).encode()
            with contextlib.suppress(ValueError):  # no name of a zip
                archive.writestr(info, data)
        if chance(rng, 0.1):
            bomb = bytes(60_000_000)
            archive.writestr("ds/img/bomb.png", bomb, zipfile.ZIP_DEFLATED)
    data = stream.getvalue()
    if chance(rng, 0.1):
        data = data.replace(
            b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"
        )
    path.write_bytes(_broken_at_times(rng, data))


def _broken_at_times(rng: Rng, data: bytes) -> bytes:
    return mutate_bytes(rng, data) if chance(rng, 0.15) else data


class Sandbox:
    """A folder for one input, and what lies in it beside project and output."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "case"
        self.work = self.root / "a" / "b"
        self.output = self.work / "out"

    def make(self, rng: Rng, entries: Entries) -> tuple[str, Path]:
        """Writes a project in some form; returns a label and its path."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.work.mkdir(parents=True)
        (self.work / "secret.txt").write_text("secret")
        (self.root / "up.png").write_text("not to be touched")
        form = pick(rng, ("folder", "folder", "tar", "tar", "zip"))
        ending = "" if form == "folder" else pick(rng, ("", ".bin", f".{form}"))
        path = self.work / f"project{ending}"
        if form == "folder":
            path.mkdir()
            write_folder(path, entries)
        else:
            (write_tar if form == "tar" else write_zip)(path, entries, rng)
        return f"{form} of {len(entries)} files", path

    def listing(self) -> dict[str, tuple[int, int]]:
        """Returns sizes and times of everything outside the output."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            if Path(folder) == self.work and "out" in folders:
                folders.remove("out")
            for name in files:
                path = Path(folder, name)
                status = path.lstat()
                found[str(path)] = (status.st_size, status.st_mtime_ns)
        return found

    def check(self, before: dict[str, tuple[int, int]]) -> None:
        """Looks for what was written outside the output, and for links in it.

        Raises:
            FindingError: there is some.
        """
        changed = {p for p, _ in before.items() ^ self.listing().items()}
        if changed:
            raise FindingError(f"changed outside the output: {sorted(changed)[:3]}")
        for folder, folders, files in os.walk(self.output):
            for name in (*folders, *files):
                if Path(folder, name).is_symlink():
                    raise FindingError(f"a link in the output: {folder}/{name}")
