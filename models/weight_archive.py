"""Zip files around weights: one .h5 file, or Keras 3's .keras archive.

No name of a member is used as a path: the bytes go into a private temporary file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from models.errors import WeightsError
from models.keras3_names import names_from_description
from models.stored_arrays import MAX_EXPANSION, SMALL_BYTES, printable

KERAS_WEIGHTS = "model.weights.h5"
KERAS_DESCRIPTION = "config.json"
MAX_DESCRIPTION_BYTES = 16 << 20
MAX_MEMBERS = 1000
MAX_DIRECTORY_BYTES = 1 << 20
_BLOCK = 1 << 20
_END = b"PK\5\6"
_END_BYTES = 22
_MAX_COMMENT = 0xFFFF
_LOCATOR_64 = b"PK\6\7"
_LINK, _KIND_OF_FILE = 0o120000, 0o170000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    RuntimeError,
    ValueError,
)
"""What zipfile raises where an archive makes no sense."""
ZIP_ADVICE = "Expected a zip file around one HDF5 file (.h5), or a .keras archive."
KERAS_ADVICE = "Load it in Keras, write model.save('w.h5'), and use that file."


@contextlib.contextmanager
def unpacked_weights(path: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Unpacks the weights of a zip file.

    Yields:
        The file of the weights, which is there until the context ends, and group ->
        name of a layer as a .keras archive describes it (empty for other archives).

    Raises:
        WeightsError: it is damaged, encrypted or too large, holds links or more than
            one file, or there is no room to unpack it.
    """
    with tempfile.NamedTemporaryFile(prefix="weights-", suffix=".h5") as unpacked:
        try:
            _check_directory(path)
            with zipfile.ZipFile(path) as archive:
                member, description = _members(path, archive)
                _copy(path, archive, member, unpacked)
                names = _names(archive, description) if description else {}
            unpacked.flush()
        except WeightsError:
            raise
        except _DAMAGE as err:
            raise WeightsError(
                str(path), [f"damaged zip file: {err}"], ZIP_ADVICE
            ) from err
        except OSError as err:
            if err.errno == errno.EINVAL:  # a seek to where nothing can be
                raise WeightsError(
                    str(path), ["damaged zip file: a part lies outside it"], ZIP_ADVICE
                ) from err
            raise WeightsError(
                str(path),
                [f"cannot be unpacked into {tempfile.gettempdir()}: {err.strerror}"],
                "Set TMPDIR to a folder with room, or unpack the file yourself.",
            ) from err
        yield Path(unpacked.name), names


def _check_directory(path: Path) -> None:
    """Refuses a list of members too long to be read into memory."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _END_BYTES - _MAX_COMMENT))
        tail = file.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) - end < _END_BYTES:
        raise zipfile.BadZipFile("cut short, its end is missing")
    members, directory_bytes = struct.unpack("<HI", tail[end + 10 : end + 16])
    is_large = tail[max(0, end - 20) : end].startswith(_LOCATOR_64)
    if is_large or members > MAX_MEMBERS or directory_bytes > MAX_DIRECTORY_BYTES:
        raise WeightsError(
            str(path),
            [f"holds more than {MAX_MEMBERS:,} files or more than 4 GB"],
            ZIP_ADVICE,
        )


def _members(
    path: Path, archive: zipfile.ZipFile
) -> tuple[zipfile.ZipInfo, zipfile.ZipInfo | None]:
    """Returns the weights, and Keras' description of the model if there is one."""
    files = [info for info in archive.infolist() if not _is_beside(info)]
    names = [info.filename for info in files]
    by_name = dict(zip(names, files, strict=True))
    if len(by_name) < len(names):
        raise WeightsError(str(path), ["holds a name twice"], ZIP_ADVICE)
    if KERAS_WEIGHTS in by_name:
        return by_name[KERAS_WEIGHTS], by_name.get(KERAS_DESCRIPTION)
    if KERAS_DESCRIPTION in by_name:
        raise WeightsError(
            str(path),
            [
                "is an archive such as Keras 3 writes (.keras), but holds no "
                f"{KERAS_WEIGHTS}"
            ],
            KERAS_ADVICE,
        )
    if len(files) != 1:
        listed = ", ".join(map(printable, names[:5]))
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise WeightsError(
            str(path),
            [f"holds {len(files)} files, expected one: {listed or 'none'}{more}"],
            "Unpack it, and name the .h5 file.",
        )
    return files[0], None


def _is_beside(info: zipfile.ZipInfo) -> bool:
    """Says whether a member is a folder, or what macOS adds to every archive."""
    return info.is_dir() or info.filename.startswith("__MACOSX/")


def _copy(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: IO[bytes]
) -> None:
    problem = ""
    limit = max(SMALL_BYTES, MAX_EXPANSION * path.stat().st_size)
    if member.flag_bits & 1:
        problem = "is encrypted"
    elif member.external_attr >> 16 & _KIND_OF_FILE == _LINK:
        problem = "is a link"
    elif member.compress_type not in _METHODS:
        problem = "is compressed in a way that is not read (only deflate is)"
    elif member.file_size > limit:
        problem = f"claims {member.file_size} bytes, more than the archive can hold"
    if problem:
        raise WeightsError(
            str(path), [f"{printable(member.filename)} {problem}"], ZIP_ADVICE
        )
    done = 0
    with archive.open(member) as source:
        while block := source.read(_BLOCK):
            done += len(block)
            if done > limit:
                raise zipfile.BadZipFile(f"{done} bytes and more, expected {limit}")
            target.write(block)


def _names(archive: zipfile.ZipFile, description: zipfile.ZipInfo) -> dict[str, str]:
    if (
        description.flag_bits & 1
        or description.compress_type not in _METHODS
        or description.file_size > MAX_DESCRIPTION_BYTES
    ):
        return {}
    with archive.open(description) as source:
        text = source.read(MAX_DESCRIPTION_BYTES + 1)
    try:
        content: Any = json.loads(text)
    except RecursionError as err:
        raise ValueError(f"{KERAS_DESCRIPTION} is too deeply nested") from err
    return names_from_description(content)
