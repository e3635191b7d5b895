"""A SavedModel as an evaluated model, run by the embedded server's session."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from client import Result
from client.image import load_image
from client.selection import Selection
from client.transport.answer import read_detections
from serving import contract
from serving.embedded.errors import ServingError
from serving.embedded.gate import PendingCall
from serving.embedded.predict import run_signature
from serving.embedded.session import SessionModel
from serving.protos.tensors import to_tensor_proto
from serving.version_dirs import SAVED_MODEL, list_models, version_number
from training.detectors.detector import DetectorImage
from training.detectors.exported import (
    ExportedDetector,
    check_exported,
    describe_exported,
    exported_classes,
)
from training.detectors.model import DetectionLimits, EvaluatedModel
from training.errors import DatasetError, TrainingError

ADVICE = "export it with this project: python -m export"


def open_saved_model(
    path: Path, version: int | None, limits: DetectionLimits
) -> EvaluatedModel:
    """Loads what `ModelFolder` describes.

    Raises:
        TrainingError: there is no such model, it does not keep the contract, or its own
            limits leave out what is wanted.
    """
    folder = _version_folder(path, version)
    info = _read_info(folder)
    check_exported(str(folder), info, limits)
    try:
        model = SessionModel(folder, max_batch_size=1)
    except ServingError as err:
        raise TrainingError(
            f"{folder}: not readable as a SavedModel: {err.message}"
        ) from err
    local = _LocalModel(model, info, version_number(folder.name))
    try:
        local.check(folder)
    except TrainingError:
        model.close()
        raise
    return EvaluatedModel(
        ExportedDetector(local.predict, local.version),
        exported_classes(info),
        {
            "kind": "saved_model",
            "path": str(folder),
            **describe_exported(info, local.version),
        },
        model.close,
    )


class _LocalModel:
    """Runs a model's signatures; what `Client` is to a server."""

    def __init__(
        self, model: SessionModel, info: contract.ModelInfo, version: int | None
    ) -> None:
        self._model = model
        self._info = info
        self.version = version

    def check(self, folder: Path) -> None:
        """Checks that a model has the outputs of the contract.

        Raises:
            TrainingError: lists what is missing.
        """
        signatures = self._model.signatures.signature_def
        for name in (contract.SERVING_DEFAULT, contract.IMAGE_TENSOR):
            expected = [tensor.name for tensor in contract.SIGNATURES[name].outputs]
            offered = signatures[name].outputs if name in signatures else ()
            missing = [alias for alias in expected if alias not in offered]
            if missing:
                raise TrainingError(
                    f"{folder}: signature {name}: expected the outputs "
                    f"{', '.join(expected)}, missing are {', '.join(missing)}; {ADVICE}"
                )

    def predict(self, image: DetectorImage) -> Result:
        """Finds the instances of an image.

        Raises:
            ClientError: the image is not readable, or the answer does not keep the
                contract.
            DatasetError: the model refuses the image.
        """
        sent = load_image(image.encoded(), self._info.input.max_image_pixels)
        if sent.encoded is not None:
            name, array = contract.SERVING_DEFAULT, np.array([sent.encoded], object)
        else:
            name, array = contract.IMAGE_TENSOR, sent.rgb()[None]
        expected = contract.SIGNATURES[name]
        try:
            answer = run_signature(
                self._model,
                self._model.signatures.signature_def[name],
                {expected.inputs[0].name: array},
                [tensor.name for tensor in expected.outputs],
                PendingCall(None),
            )
        except ServingError as err:
            reason = err.message.strip().splitlines()[0]
            raise DatasetError(
                [f"{image.name}: the model refuses it: {reason}"]
            ) from err
        outputs = {alias: to_tensor_proto(rows) for alias, rows in answer.items()}
        (detections,) = read_detections(
            outputs, expected, [sent.size], self.version, self._info
        )
        return Result(Selection().instances(detections), sent.size, self.version)


def _version_folder(path: Path, version: int | None) -> Path:
    """Returns the folder of a version.

    Raises:
        TrainingError: there is none, or not the one that is asked for.
    """
    if (path / SAVED_MODEL).is_file():
        if version is not None and version_number(path.name) != version:
            raise TrainingError(
                f"{path}: is a version itself, asked for is version {version}; name "
                "the folder that holds the versions"
            )
        return path
    if not path.is_dir():
        raise TrainingError(f"{path}: no such folder of a model")
    models = list_models(path)
    if not models:
        raise TrainingError(
            f"{path}: expected {SAVED_MODEL}, or folders of versions (1, 2, ...) that "
            f"have it, got neither; {ADVICE}"
        )
    if version is not None and version not in models:
        raise TrainingError(
            f"{path}: there is no version {version}; there are: "
            f"{', '.join(map(str, sorted(models)))}"
        )
    return models[max(models) if version is None else version]


def _read_info(folder: Path) -> contract.ModelInfo:
    path = folder / "assets.extra" / contract.MODEL_INFO_ASSET
    try:
        return contract.ModelInfo.from_json(path.read_bytes())
    except OSError as err:
        raise TrainingError(
            f"{path}: {err.strerror or err}; this is no model of the serving contract; "
            f"{ADVICE}"
        ) from err
    except contract.ModelInfoError as err:
        raise TrainingError(f"{path}: {err}; {ADVICE}") from err
