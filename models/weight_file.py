"""Opens weight files by their content, and says which array of the network is which."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from models.errors import WeightsError
from models.hdf5_guard import check_readable
from models.keras3_names import keras3_key
from models.layout import ARRAY_NAMES, Key, canonical_layer
from models.stored_arrays import Contents, StoredArray, list_arrays, printable
from models.weight_archive import unpacked_weights

ADVICE = (
    "Expected a Mask R-CNN (ResNet and FPN) weight file in Matterport's layout, such "
    "as mask_rcnn_coco.h5."
)
IGNORED_GROUPS = ("optimizer", "optimizer_weights", "top_level_model_weights")
_ZIP = b"PK"
_OTHERS = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file: git lfs pull",
    b"<!DOCTYPE": "is a web page, not the file: the download got something else",
    b"<html": "is a web page, not the file: the download got something else",
    b"\x1f\x8b": "is compressed by gzip: unpack it first",
    b"BZh": "is compressed by bzip2: unpack it first",
    b"\xfd7zXZ": "is compressed by xz: unpack it first",
    b"7z\xbc\xaf": "is a 7z archive: unpack it first",
    b"Rar!": "is a RAR archive: unpack it first",
}
"""What a file is instead, by its first bytes."""


@dataclass(frozen=True)
class WeightFile:
    """An open weight file.

    Attributes:
        hdf5: h5py's file.
        described_names: group -> name of its layer, of a .keras archive's description.
    """

    hdf5: Any
    described_names: Mapping[str, str]


@contextlib.contextmanager
def open_weight_file(path: Path) -> Iterator[WeightFile]:
    """Opens an HDF5 file, or the one in a zip file, for reading.

    The content decides, whatever the file is called.

    Raises:
        WeightsError: it is missing, truncated or something else, or something read from
            it turns out to be damaged.
    """
    start = _first_bytes(path)
    for beginning, told in _OTHERS.items():
        if start.lower().startswith(beginning.lower()):
            raise WeightsError(str(path), [told], ADVICE)
    with contextlib.ExitStack() as stack:
        place, names = path, dict[str, str]()
        if start.startswith(_ZIP):
            place, names = stack.enter_context(unpacked_weights(path))
        check_readable(path, place)
        yield stack.enter_context(_opened(path, place, names))


def checked_contents(path: Path, file: WeightFile) -> Contents:
    """Lists what a file holds.

    Raises:
        WeightsError: it links to other places, keeps numbers elsewhere, claims more
            than it can hold, or has no end.
    """
    contents = list_arrays(file.hdf5, path.stat().st_size)
    if contents.problems:
        raise WeightsError(str(path), contents.problems, ADVICE)
    return contents


def sort_arrays(
    path: Path, file: WeightFile
) -> tuple[dict[Key, StoredArray], list[str], list[str]]:
    """Sorts every array of a file into known, unexpected and ignored.

    Raises:
        WeightsError: see `checked_contents`.
    """
    contents = checked_contents(path, file)
    layer_names = contents.layer_names or file.described_names
    prefix = _top_group(file.hdf5)
    known: dict[Key, StoredArray] = {}
    unexpected: list[str] = []
    ignored: list[str] = []
    for array in contents.arrays:
        parts = array.path.split("/")
        if prefix and parts[0] == prefix:
            parts = parts[1:]
        owner = layer_names.get(array.path.rpartition("/vars/")[0], "")
        if parts[0] in IGNORED_GROUPS or _is_anchors([*parts, owner]):
            ignored.append(printable(array.path))
            continue
        key = _key(parts) or keras3_key(array.path, layer_names)
        if key is None or key in known:
            unexpected.append(printable(array.path))
        else:
            known[key] = array
    return known, unexpected, ignored


def _first_bytes(path: Path) -> bytes:
    if not path.is_file():
        is_other = path.exists() and not path.is_dir()
        what = "is no file but a device, pipe or socket" if is_other else "no such file"
        raise WeightsError(str(path), [what], ADVICE)
    try:
        with path.open("rb") as file:
            return file.read(32)
    except OSError as err:
        raise WeightsError(
            str(path), [f"cannot be read: {err.strerror}"], ADVICE
        ) from err


@contextlib.contextmanager
def _opened(path: Path, place: Path, names: Mapping[str, str]) -> Iterator[WeightFile]:
    try:
        file = h5py.File(place, "r")
    except (OSError, RuntimeError, ValueError) as err:
        raise WeightsError(
            str(path), [f"not a readable HDF5 file, or cut short: {err}"], ADVICE
        ) from err
    with file:
        try:
            yield WeightFile(file, names)
        except WeightsError:
            raise
        except (
            ArithmeticError,
            LookupError,
            MemoryError,
            OSError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as err:
            # What h5py raises where the structure of a file makes no sense.
            raise WeightsError(
                str(path), [f"damaged HDF5 file: {err}"], ADVICE
            ) from err


def _top_group(file: Any) -> str:
    """Returns the group that `model.save` puts all layers into, "" where it did not."""
    is_whole_model = "layer_names" not in file.attrs and "model_weights" in file
    return "model_weights" if is_whole_model else ""


def _is_anchors(names: list[str]) -> bool:
    return any(name.split("_")[0].split(":")[0] == "anchors" for name in names)


def _key(parts: list[str]) -> Key | None:
    """Returns what a path stands for: its last known layer and its array's name."""
    if len(parts) < 2:
        return None
    layers = [layer for part in parts[:-1] if (layer := canonical_layer(part))]
    array = parts[-1].split(":")[0]
    unnumbered = array.rstrip("0123456789").rstrip("_")
    name = array if array in ARRAY_NAMES else unnumbered
    return (layers[-1], name) if layers and name in ARRAY_NAMES else None
