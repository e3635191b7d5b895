"""Weight files: HDF5 and zip archives, broken or made to trick the reader."""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from examples.seeded_checkpoint import main as write_checkpoint
from models.checkpoint import inspect_checkpoint, read_arrays
from models.errors import WeightsError
from tests.stress.hostile.kind import Attempt, Bench, FindingError, Kind, Place, Rng
from tests.stress.hostile.mutations import (
    chance,
    evil_text,
    mutate_bytes,
    packed_zeros,
    pick,
    random_bytes,
)

SECRET = 12345.0
"""Fills an array of another file; must never come out of a checkpoint."""
_CHUNK = 1000
"""Side of the chunks of a bomb."""
_DTYPES = ("int32", "float16", "float64", "bool", "S8", "complex64")


def _datasets(file: Any) -> list[str]:
    found: list[str] = []
    file.visititems(
        lambda name, item: (
            found.append(name) if isinstance(item, h5py.Dataset) else None
        )
    )
    return found


def _replace(rng: Rng, file: Any) -> tuple[str, tuple[int, ...]]:
    """Takes an array out; returns its path and shape."""
    name = pick(rng, _datasets(file))
    shape = file[name].shape
    del file[name]
    return name, shape


def _other_dtype(rng: Rng, file: Any) -> None:
    name, shape = _replace(rng, file)
    dtype = pick(rng, (*_DTYPES, h5py.string_dtype(), h5py.ref_dtype))
    with contextlib.suppress(TypeError, ValueError):
        file.create_dataset(name, shape, dtype=dtype)


def _other_shape(rng: Rng, file: Any) -> None:
    name, shape = _replace(rng, file)
    kind = int(rng.integers(4))
    if kind == 0:
        file.create_dataset(name, data=np.float32(1))
    elif kind == 1:
        file.create_dataset(name, data=h5py.Empty("f4"))
    elif kind == 2:
        huge = pick(rng, ((10**12,), (2**31, 2**31), (10**9, 3), (1,) * 32))
        chunks = tuple(min(side, 64) for side in huge)
        with contextlib.suppress(ValueError):
            file.create_dataset(name, huge, "f4", chunks=chunks, compression="gzip")
    else:
        file.create_dataset(name, (*shape, 2), "f4")


def _bomb(rng: Rng, file: Any) -> None:
    name, _ = _replace(rng, file)
    side = pick(rng, (1000, 8000))
    places = range(0, side, _CHUNK)
    array = file.create_dataset(
        name, (side, side), "f4", chunks=(_CHUNK, _CHUNK), compression="gzip"
    )
    for place in itertools.product(places, places):
        array.id.write_direct_chunk(place, packed_zeros(4 * _CHUNK**2))


def _numbers(rng: Rng, file: Any) -> None:
    name = pick(rng, _datasets(file))
    array = file[name]
    if array.ndim and array.size:
        array[(0,) * array.ndim] = pick(rng, (np.nan, np.inf, 3e38, 0))


def _links(rng: Rng, file: Any) -> None:
    name, shape = _replace(rng, file)
    kind = int(rng.integers(5))
    elsewhere = pick(rng, ("elsewhere.h5", "../elsewhere.h5", "/etc/hostname"))
    if kind == 0:
        file[name] = h5py.ExternalLink(elsewhere, "/secret")
    elif kind == 1:
        file[name] = h5py.SoftLink(pick(rng, ("/nowhere", "/", f"/{name}")))
    elif kind == 2:
        layout = h5py.VirtualLayout(shape, "f4")
        layout[...] = h5py.VirtualSource("elsewhere.h5", "secret", shape=shape)
        file.create_virtual_dataset(name, layout, fillvalue=SECRET)
    elif kind == 3:
        raw = [("elsewhere.bin", 0, 4 * int(np.prod(shape)))]
        file.create_dataset(name, shape, "f4", external=raw)
    else:
        file[name.rpartition("/")[0] + "/loop"] = file["/"]


def _groups(rng: Rng, file: Any) -> None:
    kind = int(rng.integers(4))
    if kind == 0:
        file.create_group("/".join(["deep"] * pick(rng, (10, 500, 3000))))
    elif kind == 1:
        for number in range(pick(rng, (10, 3000))):
            file.create_group(f"group{number}")
    elif kind == 2:
        name, _ = _replace(rng, file)
        file.create_group(name)
    else:
        text = evil_text(rng).replace("\0", "0")[:2000] or "x"
        with contextlib.suppress(ValueError, UnicodeEncodeError, OSError):
            file.create_dataset(text, data=np.zeros(3, np.float32))


def _attributes(rng: Rng, file: Any) -> None:
    places = ["/", *_datasets(file)]
    target = file[pick(rng, places)]
    name = pick(rng, ("layer_names", "weight_names", "backend", "keras_version"))
    evil = (np.bytes_(b"x" * 1000), 5, np.zeros(9), "é" * 99, h5py.Empty("f4"), [b"a"])
    target.attrs[name] = pick(rng, evil)


_EDITS = (
    _other_dtype,
    _other_shape,
    _bomb,
    _numbers,
    _links,
    _links,
    _groups,
    _attributes,
)


def _archive(rng: Rng, sound: bytes) -> bytes:
    """Returns a zip with weights in it, or with something else."""
    stream = io.BytesIO()
    packing = pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    names = ("w.h5", "model.weights.h5", "../w.h5", "/abs.h5", "a/b/w.h5", "w.txt")
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for number in range(pick(rng, (0, 1, 1, 2))):
            content = pick(rng, (sound, sound[:5000], b"x", b"PK", bytes(100_000_000)))
            archive.writestr(f"{number}{pick(rng, names)}", content)
        if chance(rng, 0.3):
            archive.writestr("config.json", pick(rng, ("{", "[" * 9999, _LAMBDA)))
    data = stream.getvalue()
    return mutate_bytes(rng, data) if chance(rng, 0.3) else data


_LAMBDA = '{"class_name": "Lambda", "config": {"function": ["4wEAAAA=", null, null]}}'


def _write(rng: Rng, path: Path, sound: Path) -> str:
    kind = int(rng.integers(10))
    if kind <= 1:
        data = mutate_bytes(rng, sound.read_bytes())
        path.write_bytes(data)
        return "broken HDF5"
    if kind == 2:
        path.write_bytes(_archive(rng, sound.read_bytes()))
        return "zip"
    if kind == 3:
        signature = pick(rng, (b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"))
        path.write_bytes(signature + random_bytes(rng, 5000))
        return "garbage"
    shutil.copyfile(sound, path)
    labels = []
    with h5py.File(path, "r+") as file:
        for _ in range(int(rng.integers(1, 3))):
            edit = pick(rng, _EDITS)
            labels.append(edit.__name__.strip("_"))
            edit(rng, file)
    return "HDF5 with " + " and ".join(labels)


def _read(path: Path) -> None:
    checkpoint = inspect_checkpoint(path)
    arrays = read_arrays(checkpoint)
    for key, array in arrays.items():
        if array.size and (array == SECRET).any():
            raise FindingError(f"{key}: numbers of another file were read")


@contextlib.contextmanager
def _weights(place: Place) -> Iterator[Bench]:
    sound, path = place.folder / "sound.h5", place.folder / "w.h5"
    write_checkpoint([str(sound)])
    with h5py.File(place.folder / "elsewhere.h5", "w") as other:
        other["secret"] = np.full((64, 64), SECRET, np.float32)
    (place.folder / "elsewhere.bin").write_bytes(np.full(10**6, SECRET, "f4").tobytes())

    def make(rng: Rng) -> Attempt:
        path.unlink(missing_ok=True)
        label = _write(rng, path, sound)
        return Attempt(label, lambda: _read(path))

    yield Bench(make)


KINDS = {
    "weights": Kind("weight files", (WeightsError,), _weights, weight=0.4),
}
