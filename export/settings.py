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

from pydantic import BaseModel, ConfigDict, Field, field_validator

from export.classes import assumed_classes, mapped_classes, named_classes
from export.errors import ExportError
from export.precisions import PRECISIONS
from formats.class_names import read_class_names
from formats.config import load_config
from formats.drawing.colors import COLOR_FORMS, read_color
from formats.errors import ConfigError
from formats.json_file import read_json
from formats.quoted import quoted
from models.architecture import Architecture
from models.checkpoint import Checkpoint
from models.config import ModelConfig
from models.errors import ModelConfigError
from models.matterport_config import MATTERPORT_NAMES, from_matterport
from serving.contract import ModelClass

logger = logging.getLogger(__name__)

CONFIG_NAME = "config.json"
_KINDS_EXPECTED = (
    "expected a training config (settings, classes, class_title_to_idx) or a flat JSON "
    "of Matterport's constants (IMAGE_MIN_DIM, ...)"
)
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
        verify_image: picture to verify with, in place of the built-in ones.
        overrides: `ModelConfig` fields given as flags.
        max_image_pixels: larger pictures are refused.
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


class _InputSize(BaseModel):
    min_dim: int = Field(ge=1)
    max_dim: int = Field(ge=1)


class _TrainingSettings(BaseModel):
    input_size: _InputSize


class _ProjectClass(BaseModel):
    title: str
    color: str | None = None

    @field_validator("color", mode="before")
    @classmethod
    def _read_color(cls, value: Any) -> str | None:
        """Takes what older trainings copied out of a project as it was."""
        if value in (None, ""):
            return None
        color = read_color(value)
        if color is None:
            raise ValueError(f"expected {COLOR_FORMS}, got {quoted(value)}")
        return color


class _TrainingConfig(BaseModel):
    """The part of a training's `config.json` that an export reads.

    `model` holds Matterport constants that differ from Matterport's defaults.
    """

    model_config = ConfigDict(frozen=True)

    settings: _TrainingSettings
    classes: tuple[_ProjectClass, ...] = ()
    class_title_to_idx: dict[str, int]
    model: dict[str, Any] = Field(default_factory=dict)


def resolve(options: Options, checkpoint: Checkpoint) -> Settings:
    """Resolves options against what a checkpoint holds.

    Raises:
        ExportError: the config or the flags contradict the checkpoint or each other.
    """
    path = options.config or _find_own_config(options.weights)
    architecture = checkpoint.architecture
    classes: tuple[ModelClass, ...] | None = None
    try:
        if path is None:
            config = ModelConfig(architecture=architecture)
        else:
            config, classes = _from_file(path, architecture)
        if options.overrides:
            config = dataclasses.replace(config, **options.overrides)
    except (ConfigError, ModelConfigError) as err:
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


def _find_own_config(weights: Path) -> Path | None:
    """Returns the config near a weight file, unless it is another program's.

    Raises:
        ExportError: it is not readable as JSON.
    """
    path = find_config(weights)
    try:
        if path is None or _kind(path) is not None:
            return path
    except ConfigError as err:
        raise ExportError(f"{err}; mend it or name another with --config") from err
    logger.info("%s: not used: %s", path, _KINDS_EXPECTED)
    return None


def find_config(weights: Path) -> Path | None:
    """Returns the `config.json` beside a weight file or one folder up, if any."""
    folder = weights.absolute().parent
    for place in (folder, folder.parent):
        if (place / CONFIG_NAME).is_file():
            return place / CONFIG_NAME
    return None


def read_classes(text: str) -> tuple[str, ...]:
    """Reads class names from a flag: a file (JSON list or one a line) or "a,b,c".

    Raises:
        ExportError: the file is missing, not readable, or no list of names.
    """
    try:
        return read_class_names(text)
    except ConfigError as err:
        raise ExportError(str(err)) from err


def _kind(path: Path) -> str | None:
    """Returns "training", "matterport", or None for another kind of JSON.

    Raises:
        ConfigError: the file is not readable as JSON.
    """
    content = read_json(path)
    if isinstance(content, dict) and "class_title_to_idx" in content:
        return "training"
    if isinstance(content, dict) and MATTERPORT_NAMES & set(content):
        return "matterport"
    return None


def _from_file(
    path: Path, architecture: Architecture
) -> tuple[ModelConfig, tuple[ModelClass, ...] | None]:
    kind = _kind(path)
    if kind == "matterport":
        return from_matterport(read_json(path), architecture), None
    if kind == "training":
        return _training(path, architecture)
    raise ConfigError([f"{path}: {_KINDS_EXPECTED}"])


def _training(
    path: Path, architecture: Architecture
) -> tuple[ModelConfig, tuple[ModelClass, ...]]:
    training = load_config(path, _TrainingConfig)
    size = training.settings.input_size
    constants = {
        "IMAGE_MIN_DIM": size.min_dim,
        "IMAGE_MAX_DIM": size.max_dim,
        **training.model,
    }
    colors = {c.title: c.color for c in training.classes if c.color}
    try:
        classes = mapped_classes(
            training.class_title_to_idx, colors, architecture.num_classes
        )
    except ExportError as err:
        raise ExportError(f"{path}: {err}") from err
    return from_matterport(constants, architecture), classes
