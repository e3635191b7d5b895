"""The inference config: which classes, which suffix, which part of the picture.

The file is that of the Supervisely Mask R-CNN plugin. What a user writes is laid over
the defaults of its mode, and its older forms are understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from client.config.forms import complete
from client.config.groups import (
    AnyMode,
    BboxesGroup,
    FullImageGroup,
    Group,
    ModelGroup,
    NameGroup,
    RoiGroup,
    WindowsGroup,
)
from client.errors import ConfigError
from client.modes import Bboxes, FullImage, Mode, Roi, SlidingWindow
from client.selection import NameRule, Selection
from formats.config import load_config
from formats.errors import ConfigError as FileConfigError
from formats.quoted import quoted


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
        mode, tag = self.mode, self.model.confidence_tag_name
        if not isinstance(mode, WindowsGroup) or not mode.nms_after.enable:
            return self
        if mode.nms_after.confidence_tag_name != tag:
            raise PydanticCustomError(
                "tag",
                "mode.nms_after.confidence_tag_name: expected "
                f"{quoted(tag)} as in model.confidence_tag_name, got "
                f"{quoted(mode.nms_after.confidence_tag_name)}",
            )
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
        except FileConfigError as err:
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
        mode = self.mode
        selection = Selection(
            classes=mode.model_classes.rule(),
            tags=mode.model_tags.rule(),
            confidence_tag=self.model.confidence_tag_name,
            min_score=threshold if "min_confidence_threshold" in given else None,
        )
        if isinstance(mode, RoiGroup):
            name = mode.class_name if mode.save else None
            return Roi(selection, mode.bounds.sides(), name)
        if isinstance(mode, BboxesGroup):
            names = None if mode.from_classes is None else frozenset(mode.from_classes)
            rule = NameRule(names, mode.add_suffix)
            return Bboxes(selection, rule, mode.padding.sides(), mode.save)
        if isinstance(mode, WindowsGroup):
            name = mode.class_name if mode.save else None
            nms = mode.nms_after.suppression()
            return SlidingWindow(selection, mode.windows(), nms, name)
        return FullImage(selection)

    def warnings(self) -> list[str]:
        """Returns what the config asks for in vain, whatever the model."""
        told = []
        if self.mode.save_probabilities:
            told.append(
                "save_probabilities has no effect: a Mask R-CNN has no probabilities"
            )
        if isinstance(self.mode, WindowsGroup):
            nms = self.mode.nms_after
            if nms.join and not nms.enable:
                told.append("nms_after.join has no effect: nms_after is not enabled")
        return told


__all__ = [
    "FullImageGroup",
    "InferenceConfig",
    "ModelGroup",
    "NameGroup",
]
