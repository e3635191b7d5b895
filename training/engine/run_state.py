"""What resuming a training needs beside the weights, and whether it may."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.config.train_config import TrainConfig
from training.datasets.splits import Splits
from training.errors import TrainingError

FREE_KEYS = frozenset({"check_images", "data_workers", "keep_last"})
"""Keys of the config that may differ when a training is resumed: they change neither
the weights nor which of them are the best."""
_OPTIMIZER = "optimizer/"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Identity:
    """What a training is; resuming it as another one is refused.

    Attributes:
        settings: the config as JSON.
        train: fingerprint of the training set.
        val: fingerprint of the validation set.
        weights: SHA-256 of the file it began with, "" without one.
        replicas: devices that learn together.
    """

    settings: Mapping[str, Any]
    train: str
    val: str
    weights: str
    replicas: int

    def differences(self, other: Identity) -> list[str]:
        """Returns what differs, one line each: `self` was, `other` is asked for."""
        before, after = _flat(self.settings), _flat(other.settings)
        lines = [
            f"config {key}: was {_json(before.get(key))}, is {_json(after.get(key))}"
            for key in sorted(before.keys() | after.keys())
            if before.get(key) != after.get(key)
            and key.partition(".")[0] not in FREE_KEYS
        ]
        for name in ("train", "val"):
            if getattr(self, name) != getattr(other, name):
                lines.append(f"{name} set: its pictures or annotations have changed")
        if self.weights != other.weights:
            lines.append(
                "first weights: "
                f"was {self.weights[:12] or 'none'}, is {other.weights[:12] or 'none'} "
                "(SHA-256)"
            )
        if self.replicas != other.replicas:
            lines.append(f"devices: was {self.replicas}, is {other.replicas}")
        return lines


@dataclass(frozen=True)
class RunState:
    """Where a training stands.

    Everything random is a function of the seed, the epoch and the image, so the step
    is the whole random state.

    Attributes:
        identity: what it is.
        step: steps done.
        best: value of the best metric, None before the first validation.
        best_number: number of the checkpoint that has it.
        seconds: of all processes so far.
        waited: of these, seconds that the loop waited for batches.
        owes_validation: one was due at this step, and was given up.
    """

    identity: Identity
    step: int = 0
    best: float | None = None
    best_number: int | None = None
    seconds: float = 0.0
    waited: float = 0.0
    owes_validation: bool = False

    def to_arrays(self, optimizer: Sequence[Any]) -> dict[str, Array]:
        """Returns everything as arrays.

        Args:
            optimizer: Keras variables of the optimiser, in their order.
        """
        arrays = {
            f"{_OPTIMIZER}{i}": np.asarray(variable.numpy())
            for i, variable in enumerate(optimizer)
        }
        text = json.dumps(asdict(self)).encode()
        return {"state": np.frombuffer(text, np.uint8), **arrays}


def from_arrays(arrays: Mapping[str, Array]) -> tuple[RunState, list[Array]]:
    """Returns the state and the optimiser's arrays.

    Raises:
        TrainingError: they are no state of a training.
    """
    try:
        content = json.loads(arrays["state"].tobytes())
        content["identity"] = Identity(**content["identity"])
        state = RunState(**content)
        count = sum(name.startswith(_OPTIMIZER) for name in arrays)
        return state, [arrays[f"{_OPTIMIZER}{i}"] for i in range(count)]
    except (KeyError, TypeError, ValueError) as err:
        raise TrainingError(f"training state: not one of this program: {err}") from err


def make_identity(
    config: TrainConfig, splits: Splits, weights_hash: str, replicas: int
) -> Identity:
    """Returns what a training is."""
    return Identity(
        config.settings(),
        splits.train.fingerprint(),
        splits.val.fingerprint(),
        weights_hash,
        replicas,
    )


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _json(value: Any) -> str:
    return json.dumps(value)
