"""Unpacks compressed archives once, counting what really comes out.

Everything goes into one file without a name in the folder for temporary files: nobody
else sees it, and it is gone when it is closed, however the process ends.
"""

from __future__ import annotations

import bz2
import errno
import lzma
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from formats.errors import FormatError
from formats.files.packed_files import PackedFiles, Places, open_tar
from formats.files.safe_path import check_path

MAX_ARCHIVE_BYTES = 20 * 2**30
"""What an archive may unpack to, if not told otherwise."""
MAX_RATIO = 200
"""What unpacks to more than this times its size is no data set, if it is large."""
FREE_BYTES = 2**28
"""So much may come out of any archive, however small it is."""
MAX_ZIP_ENTRIES = 2_000_000
MAX_ZIP_INDEX_BYTES = 2**28
SHARE_OF_DISK = 0.9
MOST_SHORT_STREAMS = 10_000
SHORT_STREAM_BYTES = 4096
_CHUNK = 2**20
_READ = 2**16
_LZMA_MEMORY = 2**28

COMPRESSIONS: dict[bytes, tuple[str, Callable[[], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda: zlib.decompressobj(wbits=31)),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
    b"\xfd7zXZ\0": ("xz", lambda: lzma.LZMADecompressor(memlimit=_LZMA_MEMORY)),
}
"""First bytes -> name, and what unpacks it."""
ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OTHERS = {
    b"7z\xbc\xaf'\x1c": "a 7z archive",
    b"Rar!": "a rar archive",
    b"(\xb5/\xfd": "a Zstandard file",
}
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    struct.error,
)


class _Budget:
    """Counts what comes out of an archive."""

    def __init__(self, name: str, packed_bytes: int, most: int) -> None:
        room = shutil.disk_usage(tempfile.gettempdir()).free * SHARE_OF_DISK
        self._name = name
        self._packed = packed_bytes
        self._most = most
        self._room = int(room)
        self._total = 0

    def take(self, count: int) -> None:
        self._total += count
        if self._total > self._most:
            raise FormatError(
                f"{self._name}: expected to unpack to at most {self._most:,} bytes, "
                "got more; allow more with --max-archive-bytes, or unpack it and name "
                "the folder"
            )
        if self._total > max(FREE_BYTES, MAX_RATIO * self._packed):
            raise FormatError(
                f"{self._name}: expected to unpack to at most {MAX_RATIO} times its "
                f"{self._packed:,} bytes, got more; unpack it and name the folder"
            )
        if self._total > self._room:
            raise FormatError(
                f"{self._name}: expected to unpack to at most {self._room:,} bytes, "
                f"for which {tempfile.gettempdir()} has room, got more; name a larger "
                "folder with TMPDIR, or unpack it and name the folder"
            )


def _damage(err: OSError) -> str:
    """Returns what an error says of the archive, "" where the system failed."""
    if err.errno is None:  # bzip2's word for it
        return str(err)
    if err.errno == errno.EINVAL:  # of a seek to before the begin
        return "it names a place outside of itself"
    return ""


def unpack_archive(path: Path, most: int) -> PackedFiles | None:
    """Unpacks a zip, or a tar that is compressed.

    Args:
        path: the archive; its content decides what it is.
        most: bytes that may come out.

    Returns:
        Its files, None where it is neither.

    Raises:
        FormatError: damaged, encrypted, too large, or with a member that is no file of
            its own below the root.
    """
    name = str(path)
    try:
        with path.open("rb") as file, tempfile.TemporaryFile() as made:
            start = file.read(8)
            file.seek(0)
            budget = _Budget(name, os.fstat(file.fileno()).st_size, most)
            if start.startswith(ZIPS):
                places = _unpack_zip(file, made, name, budget)
                made.flush()
                return PackedFiles(name, os.dup(made.fileno()), places)
            for signature, (_, unpacker) in COMPRESSIONS.items():
                if start.startswith(signature):
                    _unpack_stream(file, made, unpacker, budget)
                    made.seek(0)
                    return open_tar(made, name)
    except FormatError:
        raise
    except OSError as err:
        if damage := _damage(err):
            raise FormatError(f"{name}: the archive is damaged: {damage}") from err
        raise FormatError(f"{name}: cannot be unpacked: {err.strerror}") from err
    except _DAMAGED as err:
        raise FormatError(f"{name}: the archive is damaged: {err}") from err
    for signature, kind in OTHERS.items():
        if start.startswith(signature):
            raise FormatError(
                f"{name}: expected a folder, a tar, a tar.gz, tar.bz2 or tar.xz, or a "
                f"zip, got {kind}; unpack it and name the folder"
            )
    return None


def _unpack_stream(
    file: BinaryIO, made: BinaryIO, unpacker: Callable[[], Any], budget: _Budget
) -> None:
    """Unpacks streams that follow each other."""
    streams = total = 0
    for is_new, part in _parts(file, unpacker):
        budget.take(len(part))
        made.write(part)
        total += len(part)
        streams += is_new
        # Each costs a copy of what follows it; no program makes shorter ones.
        if streams > MOST_SHORT_STREAMS + total // SHORT_STREAM_BYTES:
            raise ValueError("it has very many streams with hardly anything in them")


def _parts(file: BinaryIO, unpacker: Callable[[], Any]) -> Iterator[tuple[bool, bytes]]:
    """Yields whether a stream begins, and bytes that come out."""
    data = b""
    while data := data or file.read(_READ):
        data = data.lstrip(b"\0")  # what pads an archive to whole blocks
        if not data:
            continue
        stream, is_new = unpacker(), True
        while not stream.eof:
            part = stream.decompress(data, _CHUNK)
            yield is_new, part
            is_new = False
            # zlib gives back what it did not read, the others keep it.
            data = getattr(stream, "unconsumed_tail", b"")
            if not (data or stream.eof) and getattr(stream, "needs_input", True):
                data = file.read(_READ)
                if not (data or part):
                    raise EOFError("it is cut off")
        data = stream.unused_data


def _unpack_zip(file: BinaryIO, made: BinaryIO, name: str, budget: _Budget) -> Places:
    _check_index(file, name)
    places: Places = {}
    with zipfile.ZipFile(file) as archive:
        if len(archive.filelist) > MAX_ZIP_ENTRIES:
            raise FormatError(
                f"{name}: expected at most {MAX_ZIP_ENTRIES:,} files, got "
                f"{len(archive.filelist):,}; pack a tar"
            )
        for member in archive.infolist():
            path = _member_path(member, name)
            if not path:
                continue
            if path in places:
                raise FormatError(
                    f"{name}: member {path}: expected every name once, got it twice"
                )
            start = made.tell()
            with archive.open(member) as content:
                while part := content.read(_CHUNK):
                    budget.take(len(part))
                    made.write(part)
            places[path] = (start, made.tell() - start)
    return places


def _member_path(member: zipfile.ZipInfo, name: str) -> str:
    """Returns the path of a member of a zip; "" for a folder."""
    path = member.orig_filename
    if "/" not in path:
        path = path.replace("\\", "/")  # as some programs for Windows write it
    is_folder = path.endswith("/")
    path = path.removeprefix("./").removesuffix("/")
    if not path and is_folder:
        return ""
    check_path(path, f"{name}: member")
    if member.flag_bits & 1:
        raise FormatError(
            f"{name}: member {path}: expected no password, got an encrypted file"
        )
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "a device or a pipe"
        raise FormatError(
            f"{name}: member {path}: expected files and folders, got {what}"
        )
    return "" if is_folder else path


def _check_index(file: BinaryIO, name: str) -> None:
    """Refuses a zip whose index, all of which is held, is too large.

    Raises:
        FormatError: it is.
    """
    size = os.fstat(file.fileno()).st_size
    file.seek(max(0, size - 66_000))
    end = file.read()
    file.seek(0)
    position = end.rfind(b"PK\x05\x06")
    if position < 0:
        return
    (index_bytes,) = struct.unpack_from("<I", end, position + 12)
    place = end.rfind(b"PK\x06\x06", 0, position)
    if index_bytes == 0xFFFFFFFF and place >= 0:
        (index_bytes,) = struct.unpack_from("<Q", end, place + 40)
    if index_bytes > min(MAX_ZIP_INDEX_BYTES, size):
        raise FormatError(
            f"{name}: expected an index of at most {MAX_ZIP_INDEX_BYTES:,} bytes, got "
            f"{index_bytes:,}; pack a tar"
        )
