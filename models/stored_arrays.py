"""Which arrays an HDF5 file holds, found in bounded time and memory.

No link is followed, so nothing outside of the file is ever read, and no circle of
groups is walked twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from models.layout import Shape

MAX_OBJECTS = 50_000
"""Groups and arrays of a file; a ResNet-101 with its optimiser's state has 3,000."""
MAX_DEPTH = 32
SMALL_BYTES = 64 << 20
"""What arrays may claim in any file."""
MAX_EXPANSION = 50
"""Bytes of arrays per byte of their file; no compression of weights comes near it."""
MAX_NAME = 200
"""Characters of a name of a layer."""
_BFLOAT16 = np.dtype("V2")


@dataclass(frozen=True)
class StoredArray:
    """One array of a file: where it lies, its shape and its numbers' type."""

    path: str
    shape: Shape
    dtype: str


@dataclass
class Contents:
    """What was found in a file.

    Attributes:
        arrays: all of them, in the order of their paths.
        layer_names: group -> name of its layer, where Keras 3 wrote it.
        problems: why the file may not be read: links, claims, objects.
        claimed: bytes of all arrays.
    """

    arrays: list[StoredArray] = field(default_factory=list)
    layer_names: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    claimed: int = 0


def list_arrays(file: Any, file_bytes: int) -> Contents:
    """Lists every array of an open HDF5 file.

    Args:
        file: h5py's.
        file_bytes: size on the disk, of the archive if it lies in one.
    """
    contents = Contents()
    limit = max(SMALL_BYTES, MAX_EXPANSION * file_bytes)
    for found in _objects(file):
        if isinstance(found, str):
            contents.problems.append(found)
            continue
        path, item = found
        if isinstance(item, h5py.Dataset):
            contents.arrays.append(_stored(path, item))
            contents.claimed += _claimed(item)
            if problem := _problem(item, limit):
                contents.problems.append(f"array {printable(path)} {problem}")
        elif path.endswith("/vars"):
            name = item.attrs.get("name")
            if isinstance(name, str) and len(name) <= MAX_NAME:
                contents.layer_names[path.removesuffix("/vars")] = name
    if contents.claimed > limit and not contents.problems:
        contents.problems.append(
            f"the arrays claim {contents.claimed} bytes, more than a file of "
            f"{file_bytes} bytes can hold"
        )
    return contents


def read_array(file: Any, stored: StoredArray) -> np.ndarray[Any, Any]:
    """Reads an array of floating-point numbers as float32.

    Raises:
        OSError: it is damaged.
    """
    if stored.dtype != "bfloat16":
        return np.asarray(file[stored.path], np.float32)
    upper = np.asarray(file[stored.path]).view("<u2").astype("<u4")
    return (upper << 16).view("<f4")


def _objects(file: Any) -> Iterator[tuple[str, Any] | str]:
    """Yields (path, group or array), each object once and the groups before theirs.

    In the place of what may not be read, the problem.
    """
    seen = {_address(file)}
    left = MAX_OBJECTS

    def walk(group: Any, prefix: str, depth: int) -> Iterator[tuple[str, Any] | str]:
        nonlocal left
        if left < 0:
            return
        left -= len(group)
        if left < 0:
            yield f"holds more than {MAX_OBJECTS:,} objects"
            return
        for name in group:
            path = prefix + name
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                yield _told_link(path, link)
                continue
            item = group[name]
            if _address(item) in seen:
                continue
            seen.add(_address(item))
            yield path, item
            if isinstance(item, h5py.Group):
                if depth == MAX_DEPTH:
                    yield f"group {printable(path)} lies deeper than {MAX_DEPTH} groups"
                    continue
                yield from walk(item, f"{path}/", depth + 1)

    yield from walk(file, "", 1)


def _address(item: Any) -> int:
    return int(h5py.h5o.get_info(item.id).addr)


def _told_link(path: str, link: Any) -> str:
    if link is None:
        return f"{printable(path)} is damaged: it leads nowhere"
    if isinstance(link, h5py.ExternalLink):
        target = f"another file, {printable(link.filename)}"
    else:
        target = f"{printable(link.path)} of the file"
    return f"{printable(path)} is a link to {target}; links are not followed"


def _stored(path: str, item: Any) -> StoredArray:
    is_bfloat16 = item.dtype == _BFLOAT16 and item.attrs.get("dtype") == "bfloat16"
    dtype = "bfloat16" if is_bfloat16 else item.dtype.name
    return StoredArray(path, tuple(item.shape or ()), dtype)


def _claimed(item: Any) -> int:
    """Returns the bytes of an array: read as float32, whatever the file has."""
    return math.prod(item.shape or ()) * int(max(item.dtype.itemsize, 4))


def _problem(item: Any, limit: int) -> str:
    if item.external or item.is_virtual:
        return "keeps its numbers in another file"
    if item.dtype.hasobject:
        return "holds objects, expected numbers"
    if _claimed(item) > limit:
        return f"claims {_claimed(item)} bytes, more than the file can hold"
    size = math.prod(item.shape or ())
    if size and not item.id.get_storage_size():
        return "was never written"
    if size and item.chunks:
        written = item.id.get_num_chunks()
        sides = zip(item.shape, item.chunks, strict=True)
        expected = math.prod(-(-length // side) for length, side in sides)
        if written != expected:
            return f"was written in part: {written} of {expected} chunks"
    return ""


def printable(name: str) -> str:
    """Returns a name as a terminal may show it, cut where it is long."""
    text = name if name.isprintable() else ascii(name)[1:-1]
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 3]}..."
