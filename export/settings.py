"""Everything an export has to know, from flags, a config file and the weights.

A flag beats the file, the file beats Matterport's defaults.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.classes import assumed_classes, mapped_classes, named_classes
from export.errors import ExportError
from export.precisions import PRECISIONS
from formats.checkpoint_config import (
    KINDS_EXPECTED,
    CheckpointConfig,
    find_config,
    is_checkpoint_config,
)
from formats.class_names import read_class_names
from formats.config import load_config
from formats.errors import ConfigFileError
from formats.json_file import read_json
from models.architecture import Architecture
from models.checkpoint import Checkpoint
from models.config import ModelConfig
from models.errors import ModelConfigError
from models.matterport_config import MATTERPORT_NAMES, from_matterport
from serving.contract import ModelClass

logger = logging.getLogger(__name__)

_MODEL_NAME = re.compile("[A-Za-z0-9._-]*[A-Za-z0-9_-]")
DEFAULT_MAX_IMAGE_PIXELS = 100_000_000


@dataclass(frozen=True)
class Options:
    """What the command line says; None leaves the choice to config and defaults.

    Attributes:
        weights: the checkpoint.
        config: training `config.json` or flat JSON of Matterport's constants.
        classes: names from class 1 (or 0) in id order.
        output: base path that holds the version folders.
        model_name: name in `model_info`, and of the default base path.
        version: version folder; the next free one without it.
        overwrite: replace an existing `version`.
        verify_image: image to verify with, in place of the built-in ones.
        overrides: `ModelConfig` fields given as flags.
        max_image_pixels: larger images are refused.
        precision: what the model computes in.
    """

    weights: Path
    config: Path | None = None
    classes: tuple[str, ...] | None = None
    output: Path | None = None
    model_name: str = "mask_rcnn"
    version: int | None = None
    overwrite: bool = False
    verify_image: Path | None = None
    overrides: dict[str, Any] = dataclasses.field(default_factory=dict)
    max_image_pixels: int = DEFAULT_MAX_IMAGE_PIXELS
    precision: str = "float32"

    def __post_init__(self) -> None:
        """Refuses a name that a server could not be asked for, or no precision's.

        Raises:
            ExportError: says which characters a name may have, or the precisions.
        """
        if self.precision not in PRECISIONS:
            raise ExportError(
                f"precision: expected one of {', '.join(PRECISIONS)}, got "
                f"{self.precision!r}"
            )
        if not _MODEL_NAME.fullmatch(self.model_name):
            raise ExportError(
                "model name: expected letters, digits, '.', '_' and '-', got "
                f"{self.model_name!r}"
            )

    @property
    def base_path(self) -> Path:
        """The base path that holds the version folders."""
        return self.output or Path("exported") / self.model_name


@dataclass(frozen=True)
class Settings:
    """What a model is, resolved.

    Attributes:
        config: the network.
        classes: in id order.
        classes_from: the file or flag that named the classes; None if they are assumed.
    """

    config: ModelConfig
    classes: tuple[ModelClass, ...]
    classes_from: str | None

    @property
    def classes_assumed(self) -> bool:
        """No file or flag named the classes."""
        return self.classes_from is None


def resolve_settings(options: Options, checkpoint: Checkpoint) -> Settings:
    """Resolves options against what a checkpoint holds.

    Raises:
        ExportError: the config or the flags contradict the checkpoint or each other.
    """
    path, content = _read_config(options)
    architecture = checkpoint.architecture
    classes: tuple[ModelClass, ...] | None = None
    try:
        if path is None:
            config = ModelConfig(architecture=architecture)
        elif is_checkpoint_config(content):
            config, classes = _training(path, content, architecture)
        else:
            config = from_matterport(content, architecture)
        if options.overrides:
            config = dataclasses.replace(config, **options.overrides)
    except (ConfigFileError, ModelConfigError) as err:
        named = path is not None and str(path) in str(err)
        raise ExportError(str(err) if named or not path else f"{path}: {err}") from err
    classes_from = None if classes is None else str(path)
    if options.classes is not None:
        classes = named_classes(options.classes, architecture.num_classes)
        classes_from = "--classes"
    return Settings(
        config=config,
        classes=classes or assumed_classes(architecture.num_classes),
        classes_from=classes_from,
    )


def _read_config(options: Options) -> tuple[Path | None, Any]:
    """Returns the config that counts, and its content.

    One near the weights that is another program's does not count.

    Raises:
        ExportError: it is not readable as JSON, or the named one is of another kind.
    """
    path = options.config or find_config(options.weights)
    if path is None:
        return None, None
    try:
        content = read_json(path)
    except ConfigFileError as err:
        advice = "" if options.config else "; mend it or name another with --config"
        raise ExportError(f"{err}{advice}") from err
    is_flat = isinstance(content, dict) and MATTERPORT_NAMES & content.keys()
    if is_flat or is_checkpoint_config(content):
        return path, content
    if options.config is not None:
        raise ExportError(f"{path}: {KINDS_EXPECTED}")
    logger.info("%s: not used: %s", path, KINDS_EXPECTED)
    return None, None


def read_classes(text: str) -> tuple[str, ...]:
    """Reads class names from a flag: a file (JSON list or one a line) or "a,b,c".

    Raises:
        ExportError: the file is missing, not readable, or no list of names.
    """
    try:
        return read_class_names(text)
    except ConfigFileError as err:
        raise ExportError(str(err)) from err


def _training(
    path: Path, content: Any, architecture: Architecture
) -> tuple[ModelConfig, tuple[ModelClass, ...]]:
    training = load_config(content, CheckpointConfig, name=str(path))
    try:
        classes = mapped_classes(
            training.class_title_to_idx, training.colors, architecture.num_classes
        )
    except ExportError as err:
        raise ExportError(f"{path}: {err}") from err
    return from_matterport(training.constants, architecture), classes
