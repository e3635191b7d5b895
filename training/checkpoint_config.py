"""`config.json` of a checkpoint: what was trained, on which classes.

Its first three keys are Supervisely's; `model` holds the network in Matterport's
constants, so that an export needs nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from formats.errors import ConfigError as FileConfigError
from formats.json_file import read_json
from models.matterport_config import to_matterport
from training.classes import ClassMap
from training.config import TrainConfig
from training.errors import TrainingError

CONFIG_NAME = "config.json"


def checkpoint_config(config: TrainConfig, classes: ClassMap) -> dict[str, Any]:
    """Returns the content of a checkpoint's `config.json`.

    Raises:
        ConfigError: no network can be built of the config.
    """
    return {
        "settings": config.settings(),
        **classes.to_json(),
        "model": to_matterport(config.network(classes.num_classes)),
    }


def earlier_config(weights: Path) -> dict[str, Any] | None:
    """Reads the `config.json` beside a weight file or one folder up.

    Returns:
        Its content, or None where there is none.

    Raises:
        TrainingError: it is there, but not readable.
    """
    folder = weights.absolute().parent
    for place in (folder, folder.parent):
        path = place / CONFIG_NAME
        if path.is_file():
            try:
                content = read_json(path)
            except FileConfigError as err:
                raise TrainingError(str(err)) from err
            if not isinstance(content, dict):
                raise TrainingError(f"{path}: expected an object, got {content!r:.60}")
            return content
    return None


__all__ = ["checkpoint_config", "earlier_config"]
