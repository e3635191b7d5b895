"""A running server as an evaluated model: TensorFlow Serving or the embedded one."""

from __future__ import annotations

from client import Client, ClientError
from training.detectors.exported import (
    ExportedDetector,
    check_exported,
    describe_exported,
    exported_classes,
)
from training.detectors.model import DetectionLimits, EvaluatedModel
from training.errors import TrainingError

TIMEOUT_S = 300.0
"""For one image: the first one may wait for the model to warm up."""


def open_server(
    address: str, model_name: str, version: int | None, limits: DetectionLimits
) -> EvaluatedModel:
    """Connects to what `ModelServer` describes.

    Raises:
        TrainingError: no server answers, it does not have the model, the model does not
            keep the contract, or its own limits leave out what is wanted.
    """
    try:
        client = Client(
            address, model_name=model_name, version=version, timeout_s=TIMEOUT_S
        )
    except (ClientError, ValueError) as err:
        raise TrainingError(str(err)) from err
    try:
        info = client.info()
        check_exported(f"{address}: model {model_name}", info, limits)
        served = client.model_version
        return EvaluatedModel(
            ExportedDetector(lambda image: client.predict(image.encoded()), served),
            exported_classes(info),
            {
                "kind": "server",
                "address": address,
                "model": model_name,
                **describe_exported(info, served),
            },
            client.close,
        )
    except ClientError as err:
        client.close()
        raise TrainingError(str(err)) from err
    except BaseException:
        client.close()
        raise
