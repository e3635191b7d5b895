"""Reads weight files, and writes them in Matterport's HDF5 layout.

Reads what Keras 2 and Keras 3 wrote in that layout: weights only or a whole model
(`model_weights` at the top, optimiser state ignored), the nested `rpn_model`,
time-distributed heads, one wrapper model around everything, numbered names, and the
`anchors` variable that some ports store; Keras 3's own `.weights.h5` and `.keras`,
where they name their layers; any of them in a zip file. Only arrays are read: a model
description inside the file is never run. Needs no TensorFlow until weights enter a
network.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from models.architecture import Architecture
from models.config import ModelConfig
from models.detect_architecture import find_architecture
from models.errors import WeightsError
from models.keras3_names import is_keras3_path
from models.layout import Arrays, Key, Shape, array_shapes, file_layers
from models.stored_arrays import StoredArray, read_array
from models.weight_archive import KERAS_ADVICE
from models.weight_file import ADVICE, open_weight_file, sort_arrays

if TYPE_CHECKING:
    from models.mask_rcnn import MaskRCNN

KERAS_VERSION = "2.15.0"
"""Written into files, as the last Keras whose layout this is."""


@dataclass(frozen=True)
class Checkpoint:
    """What a weight file holds, before any number is read.

    Attributes:
        path: the file.
        architecture: read off the shapes; what they do not tell is ResNet-101's.
        arrays: (layer, array) -> stored array, for all that the network knows.
        missing: arrays of the architecture that the file lacks.
        unexpected: paths of arrays that the network has no place for.
        misshapen: one sentence per array whose shape contradicts the architecture.
        ignored: paths of arrays that no network needs (optimiser state, anchors).
    """

    path: Path
    architecture: Architecture
    arrays: Mapping[Key, StoredArray]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that keeps the file from being a whole network, as sentences."""
        return (
            *(f"missing array {name}" for name in self.missing),
            *(f"unexpected array {name}" for name in self.unexpected),
            *self.misshapen,
        )

    @property
    def parameters(self) -> int:
        """Numbers in the arrays of the network."""
        return sum(int(np.prod(array.shape)) for array in self.arrays.values())


def inspect_checkpoint(path: str | Path) -> Checkpoint:
    """Finds out what a weight file holds.

    Raises:
        WeightsError: the file is missing, truncated, no HDF5, points to other files,
            or holds no layer of a Mask R-CNN at all. Partial files are reported in the
            result instead.
    """
    path = Path(path)
    with open_weight_file(path) as file:
        known, unexpected, ignored = sort_arrays(path, file)
    if not known:
        raise _not_a_mask_rcnn(path, unexpected)
    shapes = {key: array.shape for key, array in known.items()}
    architecture, contradictions = find_architecture(shapes)
    expected = {
        (layer, array): shape
        for layer, arrays in array_shapes(architecture).items()
        for array, shape in arrays.items()
    }
    misshapen = [
        f"{_text(key)}: expected {_shape(expected[key])}, got {_shape(array.shape)}"
        for key, array in known.items()
        if key in expected and array.shape != expected[key]
    ]
    return Checkpoint(
        path=path,
        architecture=architecture,
        arrays={key: array for key, array in known.items() if key in expected},
        missing=tuple(_text(key) for key in expected if key not in known),
        unexpected=(
            *(array.path for key, array in known.items() if key not in expected),
            *unexpected,
        ),
        misshapen=(*contradictions, *misshapen),
        ignored=tuple(ignored),
    )


def read_arrays(checkpoint: Checkpoint) -> Arrays:
    """Reads every array of a whole checkpoint as float32.

    Raises:
        WeightsError: the checkpoint has problems, or an array holds numbers that are
            not finite or no numbers at all; all of them are listed.
    """
    problems = list(checkpoint.problems)
    arrays: dict[Key, np.ndarray[Any, Any]] = {}
    if not problems:
        with open_weight_file(checkpoint.path) as file:
            for key, stored in checkpoint.arrays.items():
                if not stored.dtype.startswith(("float", "bfloat")):
                    problems.append(
                        f"{_text(key)}: expected floating-point numbers, got "
                        f"{stored.dtype}"
                    )
                    continue
                try:
                    arrays[key] = read_array(file.hdf5, stored)
                except OSError as err:
                    problems.append(f"{_text(key)}: unreadable, {err}")
                    continue
                problems += _wrong_numbers(key, arrays[key])
        if problems:
            raise WeightsError(
                str(checkpoint.path),
                problems,
                "The file is damaged, or its training diverged: use an earlier one.",
            )
    if problems:
        raise WeightsError(str(checkpoint.path), problems, ADVICE)
    return arrays


def _wrong_numbers(key: Key, array: np.ndarray[Any, Any]) -> list[str]:
    """Returns what is wrong with the numbers of an array: one sentence or none."""
    infinite = int(np.size(array) - np.isfinite(array).sum())
    if infinite:
        return [f"{_text(key)}: {infinite} of {array.size} numbers are NaN or infinite"]
    negative = int((array < 0).sum()) if key[1] == "moving_variance" else 0
    if negative:
        return [f"{_text(key)}: {negative} of {array.size} variances are negative"]
    return []


def load_weights(network: MaskRCNN, checkpoint: Checkpoint) -> None:
    """Puts a checkpoint's weights into a network of its architecture.

    Raises:
        WeightsError: the network is another one, or the checkpoint is not whole.
    """
    wanted = network.config.architecture
    if wanted != checkpoint.architecture:
        differing = [
            f"{field.name}: the network has {getattr(wanted, field.name)}, the file "
            f"{getattr(checkpoint.architecture, field.name)}"
            for field in dataclasses.fields(Architecture)
            if getattr(wanted, field.name)
            != getattr(checkpoint.architecture, field.name)
        ]
        raise WeightsError(
            str(checkpoint.path), differing, "Use a configuration that fits the file."
        )
    network.set_arrays(read_arrays(checkpoint))


def load_network(
    path: str | Path, config: ModelConfig | None = None
) -> tuple[MaskRCNN, Checkpoint]:
    """Builds the network that a weight file holds, and loads it.

    Args:
        path: the file.
        config: everything the arrays do not tell; Matterport's defaults without it.

    Raises:
        WeightsError: see `inspect_checkpoint`, `read_arrays` and `load_weights`.
    """
    from models.mask_rcnn import MaskRCNN

    checkpoint = inspect_checkpoint(path)
    if checkpoint.problems:
        raise WeightsError(str(path), checkpoint.problems, ADVICE)
    network = MaskRCNN(config or ModelConfig(architecture=checkpoint.architecture))
    load_weights(network, checkpoint)
    return network, checkpoint


def save_weights(network: MaskRCNN, path: str | Path) -> None:
    """Writes a network in Matterport's layout, by one atomic rename.

    Raises:
        ValueError: the network has no batch normalisation layers of its own.
        OSError: the file cannot be written.
    """
    if not network.batch_norm:
        raise ValueError("a network with folded normalisation has no file layout")
    write_arrays(network.arrays(), network.config.architecture, path)


def write_arrays(arrays: Arrays, architecture: Architecture, path: str | Path) -> None:
    """Writes arrays in Matterport's layout, by one atomic rename.

    Raises:
        KeyError: an array of the architecture is not given.
        OSError: the file cannot be written.
    """
    path = Path(path)
    # Not straight to the disk: where that is full, HDF5 takes the process down.
    content = io.BytesIO()
    with h5py.File(content, "w", libver="earliest") as file:
        _write_layers(file, arrays, architecture)
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as temporary:
        try:
            temporary.write(content.getbuffer())
            temporary.flush()
            os.fsync(temporary.fileno())
            Path(temporary.name).chmod(0o644)
            Path(temporary.name).replace(path)
        except BaseException:
            Path(temporary.name).unlink(missing_ok=True)
            raise


def sha256(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write_layers(file: Any, arrays: Arrays, architecture: Architecture) -> None:
    layers = file_layers(architecture)
    file.attrs["backend"] = np.bytes_("tensorflow")
    file.attrs["keras_version"] = np.bytes_(KERAS_VERSION)
    file.attrs["layer_names"] = np.array([name for name, _ in layers], "S")
    for name, weights in layers:
        group = file.create_group(name)
        group.attrs["weight_names"] = np.array(weights, "S" if weights else "f8")
        for weight in weights:
            layer, array = weight.removesuffix(":0").split("/")
            group.create_dataset(weight, data=np.asarray(arrays[layer, array], "<f4"))


def _not_a_mask_rcnn(path: Path, arrays: list[str]) -> WeightsError:
    problems = ["holds no layer of a Mask R-CNN"]
    if not any(map(is_keras3_path, arrays)):
        return WeightsError(str(path), [*problems, *_sample(arrays)], ADVICE)
    problems.append(
        "is a Keras 3 .weights.h5 file whose groups name no such layer; Keras before "
        "3.6 wrote no names of layers"
    )
    return WeightsError(str(path), [*problems, *_sample(arrays)], KERAS_ADVICE)


def _text(key: Key) -> str:
    return "/".join(key)


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def _sample(paths: list[str], limit: int = 5) -> list[str]:
    listed = [f"holds array {path}" for path in paths[:limit]]
    if len(paths) > limit:
        listed.append(f"and {len(paths) - limit} more arrays")
    return listed
