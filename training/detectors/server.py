"""A model on a running server as a candidate, through this project's client."""

from __future__ import annotations

import numpy as np

from client import Client, ClientError
from training.detectors.detector import Found, Picture, encode_mask
from training.detectors.model import (
    Candidate,
    Limits,
    check_exported,
    describe_exported,
    exported_classes,
)
from training.errors import TrainingError

TIMEOUT_S = 300.0
"""For one picture: the first one may wait for the model to warm up."""


def open_server(
    address: str,
    model_name: str,
    version: int | None,
    neutral: str | None,
    limits: Limits,
) -> Candidate:
    """Connects to a server.

    Args:
        address: host and gRPC port.
        model_name: the model's name on the server.
        version: the version to ask, the server's choice without it.
        neutral: title of what the set marks as not to be looked at.
        limits: which detections are wanted.

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
        return Candidate(
            _ServerDetector(client),
            exported_classes(info, neutral),
            {
                "kind": "server",
                "address": address,
                "model": model_name,
                **describe_exported(info, client.model_version),
            },
            client.close,
        )
    except ClientError as err:
        client.close()
        raise TrainingError(str(err)) from err
    except BaseException:
        client.close()
        raise


class _ServerDetector:
    """Asks a server, one picture at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._version = client.model_version

    def __call__(self, picture: Picture) -> Found:
        """Finds the instances of a picture.

        Raises:
            TrainingError: no answer, or the server has gone over to another version.
        """
        try:
            result = self._client.predict(picture.encoded())
            instances = result.instances
            masks = tuple(encode_mask(one.crop, picture.size) for one in instances)
        except ClientError as err:
            raise TrainingError(f"{picture.name}: {err}") from err
        if result.model_version != self._version:
            raise TrainingError(
                f"{picture.name}: version {result.model_version} of the model "
                f"answered, the pictures before were version {self._version}'s; name "
                "one with --model-version"
            )
        return Found(
            np.array([one.box for one in instances], np.float32).reshape(-1, 4),
            np.array([one.class_id for one in instances], np.int32),
            np.array([one.score for one in instances], np.float32),
            masks,
        )


__all__ = ["open_server"]
