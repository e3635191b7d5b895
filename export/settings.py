"""Everything an export has to know, from flags, a config file and the weights.

A flag beats the file, the file beats Matterport's defaults.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from export.classes import assumed_classes, mapped_classes, named_classes
from export.errors import ExportError
from formats.config import load_config
from formats.errors import ConfigError
from formats.json_file import read_json
from models.architecture import Architecture
from models.checkpoint import Checkpoint
from models.config import ModelConfig
from models.errors import ModelConfigError
from models.matterport_config import MATTERPORT_NAMES, from_matterport
from serving.contract import ModelClass

CONFIG_NAME = "config.json"
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
        config_path: the config file that was read.
    """

    config: ModelConfig
    classes: tuple[ModelClass, ...]
    classes_from: str | None
    config_path: Path | None

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
    color: str | None = Field(default=None, pattern="^#[0-9A-Fa-f]{6}$")


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
    path = options.config or find_config(options.weights)
    architecture = checkpoint.architecture
    classes: tuple[ModelClass, ...] | None = None
    try:
        if path is None:
            config = ModelConfig(architecture=architecture)
        elif _is_flat(path):
            config = from_matterport(read_json(path), architecture)
        else:
            config, classes = _training(path, architecture)
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
        config_path=path,
    )


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
    path = Path(text)
    if not path.is_file():
        if path.suffix in {".txt", ".json"}:
            raise ExportError(f"{path}: no such file of class names")
        return tuple(name.strip() for name in text.split(","))
    if path.suffix == ".json":
        try:
            names: Any = read_json(path)
        except ConfigError as err:
            raise ExportError(str(err)) from err
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise ExportError(f"{path}: expected a JSON list of class names")
        return tuple(names)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ExportError(f"{path}: not readable as text: {err}") from err
    return tuple(line.strip() for line in lines if line.strip())


def _is_flat(path: Path) -> bool:
    """Tells a flat file of Matterport's constants from a training config.

    Raises:
        ConfigError: the file is neither.
    """
    content = read_json(path)
    if isinstance(content, dict) and "class_title_to_idx" in content:
        return False
    if isinstance(content, dict) and MATTERPORT_NAMES & set(content):
        return True
    raise ConfigError(
        [
            f"{path}: expected a training config (settings, classes, "
            "class_title_to_idx) or a flat JSON of Matterport's constants "
            "(IMAGE_MIN_DIM, ...); name the right file with --config"
        ]
    )


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
