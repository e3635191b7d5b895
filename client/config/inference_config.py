"""The inference config: which classes, which suffix, which part of the image.

The file is that of the Supervisely Mask R-CNN plugin. What a user writes is laid over
the defaults of its mode, and its older forms are understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Annotated, Any

from pydantic import Field, model_validator

from client.config.forms import complete
from client.errors import ConfigError
from client.modes.base import Mode
from client.modes.table import AnyMode, FullImageGroup
from client.modes.values import Group, NameGroup, Text
from client.selection import Selection
from formats.config import load_config
from formats.errors import ConfigFileError


class ModelGroup(Group):
    """What does not depend on the mode."""

    gpu_device: int = Field(
        default=0, ge=0, description="checked only: the server decides where it runs"
    )
    confidence_tag_name: Text = Field(
        default="confidence", description="tag of the scores, before its suffix"
    )
    min_confidence_threshold: float = Field(
        default=0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="scores below are dropped, equal ones kept",
    )


class InferenceConfig(Group):
    """An inference config; missing parts are the defaults of its mode."""

    model: ModelGroup = Field(
        default=ModelGroup(), description="what does not depend on the mode"
    )
    mode: Annotated[AnyMode, Field(discriminator="name")] = Field(
        default=FullImageGroup(),
        description="what part of the picture the model sees, and what is kept",
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, content: Any) -> Any:
        return complete(content) if isinstance(content, Mapping) else content

    @model_validator(mode="after")
    def _check_tag(self) -> InferenceConfig:
        self.mode.check_tag(self.model.confidence_tag_name)
        return self

    @classmethod
    def load(cls, source: str | PathLike[str] | Mapping[str, Any]) -> InferenceConfig:
        """Reads a config.

        Args:
            source: a JSON file, or its content.

        Raises:
            ConfigError: not readable, or not an inference config; every problem that
                was found is in `problems`.
        """
        try:
            return load_config(source, cls)
        except ConfigFileError as err:
            raise ConfigError(err.problems) from err

    @classmethod
    def plain(cls) -> InferenceConfig:
        """Returns the config that keeps everything under the model's own names."""
        own = {"add_suffix": ""}
        return cls.load({"mode": {"model_classes": own, "model_tags": own}})

    def changed(
        self,
        *,
        classes: Sequence[str] | None = None,
        suffix: str | None = None,
        min_score: float | None = None,
    ) -> InferenceConfig:
        """Returns the config with other values; what is None stays.

        Args:
            classes: names of the model's classes to keep.
            suffix: appended to the names of classes and tags.
            min_score: scores below are dropped, 0..1.
        """
        model, mode = self.model, self.mode
        if min_score is not None:
            changes = {"min_confidence_threshold": min_score}
            model = model.model_copy(update=changes)
        kept = mode.model_classes
        if classes is not None:
            kept = NameGroup(save_classes=tuple(classes), add_suffix=kept.add_suffix)
        tags = mode.model_tags
        if suffix is not None:
            kept, tags = (
                group.model_copy(update={"add_suffix": suffix})
                for group in (kept, tags)
            )
        mode = mode.model_copy(update={"model_classes": kept, "model_tags": tags})
        return self.model_copy(update={"model": model, "mode": mode})

    def to_mode(self) -> Mode:
        """Returns the mode that the config describes."""
        given = self.model.model_fields_set
        threshold = self.model.min_confidence_threshold
        selection = Selection(
            classes=self.mode.model_classes.rule(),
            tags=self.mode.model_tags.rule(),
            confidence_tag=self.model.confidence_tag_name,
            min_score=threshold if "min_confidence_threshold" in given else None,
        )
        return self.mode.to_mode(selection)

    def warnings(self) -> list[str]:
        """Returns what the config asks for in vain, whatever the model."""
        return self.mode.warnings()
