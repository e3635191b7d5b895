"""The inference config: which classes, which suffix, which part of the picture.

The file is that of the Supervisely Mask R-CNN plugin. What a user writes is laid over
the defaults of its mode, and its older forms are understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from client.errors import ConfigError
from client.modes import FullImage, Mode
from client.selection import NameRule, Selection
from formats.config import load_config
from formats.errors import ConfigError as FileConfigError

ALL = "__all__"
FULL_IMAGE = "full_image"
LATER_MODES = ("roi", "bboxes", "sliding_window", "sliding_window_det")
"""Modes of the plugin that this client does not have."""

SUFFIX = "_maskrcnn"
DEPLOY_SUFFIX = "_model"
"""Suffix where the config is one of a deployed model (it has `connection`)."""


def _check_names(value: Any) -> Any:
    if value != ALL and not isinstance(value, (list, tuple)):
        raise PydanticCustomError(
            "names", f'expected "{ALL}" or a list of names, got {value!r}'
        )
    return None if value == ALL else tuple(value)


Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...] | None, BeforeValidator(_check_names)]
"""Names to keep; "__all__" in the file is None here."""


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelGroup(_Group):
    """The `model` group.

    Attributes:
        gpu_device: checked only; the server decides where its model runs.
        confidence_tag_name: tag of the scores in annotations, before its suffix.
        min_confidence_threshold: scores below are dropped, equal ones kept.
    """

    gpu_device: int = Field(default=0, ge=0)
    confidence_tag_name: str = "confidence"
    min_confidence_threshold: float = Field(
        default=0.0, ge=0, le=1, allow_inf_nan=False
    )


class NameGroup(_Group):
    """`model_classes` or `model_tags`: a filter and a suffix.

    Attributes:
        save_classes: names to keep, None for all.
        save_names: the same under its other name; wins where both are written.
        add_suffix: appended to each name.
    """

    save_classes: Names = None
    save_names: Names = None
    add_suffix: str = ""

    def rule(self) -> NameRule:
        """Returns the group as the client applies it."""
        if "save_names" in self.model_fields_set:
            names = self.save_names
        else:
            names = self.save_classes
        return NameRule(None if names is None else frozenset(names), self.add_suffix)


class FullImageGroup(_Group):
    """The `mode` group of `full_image`.

    Attributes:
        name: "full_image".
        model_classes: filter and suffix of the classes.
        model_tags: filter and suffix of the tags.
        save_probabilities: accepted; a Mask R-CNN has none to save.
    """

    name: Literal["full_image"] = "full_image"
    model_classes: NameGroup = NameGroup()
    model_tags: NameGroup = NameGroup()
    save_probabilities: bool = False


def _check_mode(value: Any) -> Any:
    name = value.get("name") if isinstance(value, Mapping) else None
    if name in LATER_MODES:
        raise PydanticCustomError(
            "mode", f'the mode "{name}" is not supported yet; use "{FULL_IMAGE}"'
        )
    return value


class InferenceConfig(_Group):
    """An inference config; missing parts are the defaults of its mode.

    Attributes:
        model: what the model group says.
        mode: what part of the picture the model sees, and what is kept.
    """

    model: ModelGroup = ModelGroup()
    mode: Annotated[FullImageGroup, BeforeValidator(_check_mode)] = FullImageGroup()

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, content: Any) -> Any:
        return _with_defaults(content) if isinstance(content, Mapping) else content

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

    def to_mode(self) -> Mode:
        """Returns the mode that the config describes."""
        given = self.model.model_fields_set
        threshold = self.model.min_confidence_threshold
        return FullImage(
            Selection(
                classes=self.mode.model_classes.rule(),
                tags=self.mode.model_tags.rule(),
                confidence_tag=self.model.confidence_tag_name,
                min_score=threshold if "min_confidence_threshold" in given else None,
            )
        )

    def warnings(self) -> list[str]:
        """Returns what the config asks for in vain, whatever the model."""
        if not self.mode.save_probabilities:
            return []
        return ["save_probabilities has no effect: a Mask R-CNN has no probabilities"]


def _with_defaults(content: Mapping[str, Any]) -> dict[str, Any]:
    """Brings a config into its present form and completes its mode."""
    suffix = DEPLOY_SUFFIX if "connection" in content else SUFFIX
    content = _present_form(content)
    mode = content.get("mode", {})
    if isinstance(mode, Mapping) and mode.get("name", FULL_IMAGE) == FULL_IMAGE:
        renamed = {"add_suffix": suffix}
        defaults = {
            "name": FULL_IMAGE,
            "model_classes": renamed,
            "model_tags": renamed,
        }
        content["mode"] = _merge(defaults, mode)
    return content


def _present_form(content: Mapping[str, Any]) -> dict[str, Any]:
    """Moves the keys of the older forms to where they are now.

    The deploy form has `connection` and `model_settings`. The first form has no `model`
    group: its keys, and `model_classes` of the mode, are at the top.
    """
    present = dict(content)
    if "connection" in present:
        del present["connection"]
        if "model_settings" in present:
            present["model"] = present.pop("model_settings")
        return present
    mode = present.get("mode", {})
    if "model" in present or not isinstance(mode, Mapping):
        return present
    mode = dict(mode)
    if "source" in mode and "name" not in mode:
        mode["name"] = mode.pop("source")
    if "model_classes" in present:
        mode["model_classes"] = present.pop("model_classes")
    model = {k: present.pop(k) for k in ModelGroup.model_fields if k in present}
    return present | {"mode": mode, "model": model}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lays one config over another; lists are replaced, groups merged."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


__all__ = [
    "FullImageGroup",
    "InferenceConfig",
    "ModelGroup",
    "NameGroup",
]
