"""A SavedModel as a candidate: run in this process through its serving signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from formats.errors import FormatError
from formats.images.image import checked_header
from formats.mask_crop import MaskCrop
from serving import contract
from training.detectors.detector import Found, Picture, encode_mask
from training.detectors.model import (
    Candidate,
    Limits,
    check_exported,
    describe_exported,
    exported_classes,
)
from training.errors import DatasetError, TrainingError

ADVICE = "export it with this project: python -m export"
_GRAPH = "saved_model.pb"
_FAST = [cv2.IMWRITE_PNG_COMPRESSION, 1]


def open_saved_model(
    path: Path, version: int | None, neutral: str | None, limits: Limits
) -> Candidate:
    """Loads a SavedModel of the serving contract.

    Args:
        path: the folder of a version, or the base path that holds versions.
        version: the one to take of a base path; the latest without it.
        neutral: title of what the set marks as not to be looked at.
        limits: which detections are wanted.

    Raises:
        TrainingError: there is no such model, it does not keep the contract, or its own
            limits leave out what is wanted.
    """
    folder = _version_folder(path, version)
    info = _read_info(folder)
    check_exported(str(folder), info, limits)
    try:
        loaded: Any = tf.saved_model.load(str(folder))
    except Exception as err:
        # The loader raises protobuf's errors and many others for broken files.
        raise TrainingError(f"{folder}: not readable as a SavedModel: {err}") from err
    expected = contract.SIGNATURES[contract.SERVING_DEFAULT]
    signature = loaded.signatures.get(expected.name)
    offered = set(signature.structured_outputs) if signature else set()
    missing = [t.name for t in expected.outputs if t.name not in offered]
    if missing:
        raise TrainingError(
            f"{folder}: signature {expected.name}: expected the outputs "
            f"{', '.join(t.name for t in expected.outputs)}, missing are "
            f"{', '.join(missing)}; {ADVICE}"
        )
    return Candidate(
        _SavedModelDetector(loaded, signature),
        exported_classes(info, neutral),
        {
            "kind": "saved_model",
            "path": str(folder),
            **describe_exported(info, _as_version(folder)),
        },
    )


class _SavedModelDetector:
    """Sends pictures through `serving_default`, one at a time."""

    def __init__(self, loaded: Any, signature: Any) -> None:
        self._loaded = loaded  # a signature alone does not keep its variables alive
        self._signature = signature

    def __call__(self, picture: Picture) -> Found:
        """Finds the instances of a picture.

        Raises:
            DatasetError: the picture cannot be read, or the model refuses it.
        """
        request = tf.constant([_plain_file(picture)])
        try:
            answer = self._signature(**{contract.IMAGE_BYTES.name: request})
        except tf.errors.OpError as err:
            reason = (err.message or str(err)).strip().splitlines()[0]
            raise DatasetError(
                [f"{picture.name}: the model refuses it: {reason}"]
            ) from err
        rows = {name: tensor.numpy()[0] for name, tensor in answer.items()}
        size = tuple(int(side) for side in rows[contract.IMAGE_SIZE.name])
        if size != picture.size:
            raise DatasetError(
                [
                    f"{picture.name}: the model saw {size[1]} x {size[0]} pixels, its "
                    f"annotation is for {picture.size[1]} x {picture.size[0]}"
                ]
            )
        count = int(rows[contract.NUM_DETECTIONS.name])
        boxes = rows[contract.DETECTION_BOXES.name][:count]
        pngs = rows[contract.DETECTION_MASKS_PNG.name][:count]
        masks = []
        for corners, png in zip(contract.round_boxes(boxes), pngs, strict=True):
            encoded = np.frombuffer(png, np.uint8)
            mask = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
            if mask is None:
                raise TrainingError(
                    f"{picture.name}: the model answers with a damaged mask; {ADVICE}"
                )
            crop = MaskCrop(int(corners[0]), int(corners[1]), np.asarray(mask > 127))
            masks.append(encode_mask(crop, size))
        return Found(
            boxes,
            rows[contract.DETECTION_CLASSES.name][:count],
            rows[contract.DETECTION_SCORES.name][:count],
            tuple(masks),
        )


def _plain_file(picture: Picture) -> bytes:
    """Returns a file that TensorFlow decodes to what people see.

    The picture's own where it does, else its pixels as PNG, which loses nothing.
    """
    data = picture.encoded()
    try:
        if checked_header(data, picture.name).plain:
            return data
    except FormatError as err:
        raise DatasetError([str(err)]) from err
    _, encoded = cv2.imencode(".png", picture.pixels()[..., ::-1], _FAST)
    return encoded.tobytes()


def _version_folder(path: Path, version: int | None) -> Path:
    """Returns the folder of a version.

    Raises:
        TrainingError: there is none, or not the one that is asked for.
    """
    if (path / _GRAPH).is_file():
        if version is not None and _as_version(path) != version:
            raise TrainingError(
                f"{path}: is a version itself, asked for is version {version}; name "
                "the folder that holds the versions"
            )
        return path
    if not path.is_dir():
        raise TrainingError(f"{path}: no such folder of a model")
    versions = {
        number: folder
        for folder in path.iterdir()
        if (number := _as_version(folder)) is not None and (folder / _GRAPH).is_file()
    }
    if not versions:
        raise TrainingError(
            f"{path}: expected {_GRAPH}, or folders of versions (1, 2, ...) that have "
            f"it, got neither; {ADVICE}"
        )
    if version is not None and version not in versions:
        raise TrainingError(
            f"{path}: there is no version {version}; there are: "
            f"{', '.join(map(str, sorted(versions)))}"
        )
    return versions[max(versions) if version is None else version]


def _as_version(folder: Path) -> int | None:
    return int(folder.name) if folder.name.isdecimal() else None


def _read_info(folder: Path) -> contract.ModelInfo:
    path = folder / "assets.extra" / contract.MODEL_INFO_ASSET
    try:
        return contract.ModelInfo.from_json(path.read_bytes())
    except OSError as err:
        raise TrainingError(
            f"{path}: {err.strerror or err}; this is no model of the serving contract; "
            f"{ADVICE}"
        ) from err
    except contract.ContractError as err:
        raise TrainingError(f"{path}: {err}; {ADVICE}") from err


__all__ = ["open_saved_model"]
