"""What lies in an HDF5 weight file, and which array of the network each thing is."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from models.errors import WeightsError
from models.layout import Key, Shape, canonical_layer

ADVICE = (
    "Expected a Mask R-CNN (ResNet and FPN) weight file in Matterport's layout, such "
    "as mask_rcnn_coco.h5."
)
MAX_EXPANSION = 1000
"""Bytes of an array per byte of its file; no compression of weights comes near it."""
IGNORED_GROUPS = ("optimizer_weights", "top_level_model_weights")


@dataclass(frozen=True)
class StoredArray:
    """One array of a file: where it lies and its shape."""

    path: str
    shape: Shape
    dtype: str


@contextlib.contextmanager
def open_weight_file(path: Path) -> Iterator[Any]:
    """Opens a file for reading.

    Raises:
        WeightsError: it is missing, truncated or no HDF5, or something read from it
            turns out to be damaged.
    """
    if not path.is_file():
        raise WeightsError(str(path), ["no such file"], ADVICE)
    if zipfile.is_zipfile(path):
        raise WeightsError(
            str(path),
            ["is an archive such as Keras 3 writes (.keras), no HDF5 file"],
            "Load it in Keras, write model.save('w.h5'), and use that file.",
        )
    try:
        file = h5py.File(path, "r")
    except OSError as err:
        raise WeightsError(
            str(path), [f"not a readable HDF5 file, or cut short: {err}"], ADVICE
        ) from err
    with file:
        try:
            yield file
        except WeightsError:
            raise
        except (OSError, RuntimeError, KeyError, ValueError) as err:
            # What h5py raises where the structure of a file makes no sense.
            raise WeightsError(
                str(path), [f"damaged HDF5 file: {err}"], ADVICE
            ) from err


def sort_arrays(
    path: Path, file: Any
) -> tuple[dict[Key, StoredArray], list[str], list[str]]:
    """Sorts every array of a file into known, unexpected and ignored."""
    top = file
    if "layer_names" not in file.attrs and _is_own_group(file, "model_weights"):
        top = file["model_weights"]
    prefix = top.name.strip("/")
    known: dict[Key, StoredArray] = {}
    unexpected: list[str] = []
    ignored: list[str] = []
    for array in _stored_arrays(path, file):
        parts = array.path.split("/")
        if prefix and parts[0] == prefix:
            parts = parts[1:]
        if parts[0] in IGNORED_GROUPS or _is_anchors(parts):
            ignored.append(array.path)
            continue
        key = _key(parts)
        if key is None or key in known:
            unexpected.append(array.path)
        else:
            known[key] = array
    return known, unexpected, ignored


def _stored_arrays(path: Path, file: Any) -> list[StoredArray]:
    """Lists every array of a file, following no link."""
    found: list[StoredArray] = []
    elsewhere: list[str] = []

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(StoredArray(name, tuple(item.shape or ()), item.dtype.name))
            claimed = math.prod(item.shape or ()) * item.dtype.itemsize
            if claimed > MAX_EXPANSION * path.stat().st_size:
                elsewhere.append(
                    f"array {name} claims {claimed} bytes, more than the file can hold"
                )
            if item.external or item.is_virtual:
                elsewhere.append(f"array {name} keeps its numbers in another file")

    file.visititems(visit)
    if elsewhere:
        raise WeightsError(str(path), elsewhere, ADVICE)
    return found


def _is_own_group(file: Any, name: str) -> bool:
    """Returns whether a group lies in this file, not behind a link to another."""
    return isinstance(file.get(name, getlink=True), h5py.HardLink) and isinstance(
        file[name], h5py.Group
    )


def _is_anchors(parts: list[str]) -> bool:
    return any(part.split("_")[0].split(":")[0] == "anchors" for part in parts)


def _key(parts: list[str]) -> Key | None:
    """Returns what a path stands for: its last known layer and its array's name."""
    if len(parts) < 2:
        return None
    layers = [layer for part in parts[:-1] if (layer := canonical_layer(part))]
    array = parts[-1].split(":")[0]
    unnumbered = array.rstrip("0123456789").rstrip("_")
    names = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
    name = array if array in names else unnumbered
    return (layers[-1], name) if layers and name in names else None
