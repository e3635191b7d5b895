"""`config.json` of a checkpoint: where it lies, and what a use of the weights reads.

A training writes it beside the folder of the weights. Export and evaluation read the
network and the classes out of it; what else it holds is passed over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from formats.drawing.colors import COLOR_FORMS, read_color
from formats.quoted import quoted

CONFIG_NAME = "config.json"
CLASS_IDS = "class_title_to_idx"
"""Key by which the file is told from other configs."""
KINDS_EXPECTED = (
    f"expected a training config (settings, classes, {CLASS_IDS}) or a flat JSON of "
    "Matterport's constants (IMAGE_MIN_DIM, ...)"
)
"""What may describe the network of a checkpoint, for messages."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _InputSize(_Part):
    min_dim: int = Field(ge=1)
    max_dim: int = Field(ge=1)


class _SpecialClasses(_Part):
    neutral: str | None = None


class _Settings(_Part):
    input_size: _InputSize
    special_classes: _SpecialClasses = _SpecialClasses()


class _Class(_Part):
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


class CheckpointConfig(_Part):
    """The part of the file that describes the network.

    Attributes:
        settings: of the training.
        classes: of its data.
        class_title_to_idx: title -> id.
        model: Matterport's constants that differ from Matterport's defaults.
    """

    settings: _Settings
    classes: tuple[_Class, ...] = ()
    class_title_to_idx: dict[str, int]
    model: dict[str, Any] = Field(default_factory=dict)

    @property
    def constants(self) -> dict[str, Any]:
        """The network in Matterport's constants; `model` beats the settings."""
        size = self.settings.input_size
        sides = {"IMAGE_MIN_DIM": size.min_dim, "IMAGE_MAX_DIM": size.max_dim}
        return sides | self.model

    @property
    def colors(self) -> dict[str, str]:
        """Title -> "#RRGGBB", of the classes that have a colour."""
        return {c.title: c.color for c in self.classes if c.color}

    @property
    def neutral(self) -> str | None:
        """Title of what the training did not look at."""
        return self.settings.special_classes.neutral


def is_checkpoint_config(content: Any) -> bool:
    """Says whether a file's content is a training's `config.json`."""
    return isinstance(content, dict) and CLASS_IDS in content


def find_config(weights: Path) -> Path | None:
    """Returns the `config.json` beside a weight file or one folder up, if any."""
    folder = weights.absolute().parent
    for place in (folder, folder.parent):
        if (place / CONFIG_NAME).is_file():
            return place / CONFIG_NAME
    return None
