"""The groups of an inference config: what each key may be, and what it means.

The reference for users and the JSON Schema for editors are made from these.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from client.config.values import ALL, Group, Name, NameGroup, Names, SidesGroup, Text
from client.modes import Suppression
from client.modes.windows import Windows
from client.rect import Length


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


class WindowGroup(Group):
    """Size of the windows."""

    width: int = Field(default=128, ge=1, description="pixels")
    height: int = Field(default=128, ge=1, description="pixels")


class OverlapGroup(Group):
    """What neighbouring windows share at least."""

    x: int = Field(default=0, ge=0, description="pixels; less than the window's width")
    y: int = Field(default=0, ge=0, description="pixels; less than the window's height")


class NmsGroup(Group):
    """What is done about things that several windows found."""

    enable: bool = Field(default=False, description="do it at all")
    iou_threshold: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="instances that overlap a more confident one of their class by "
        "more are dropped",
    )
    confidence_tag_name: Name = Field(
        default="confidence", description="the same as model.confidence_tag_name"
    )
    iou_type: Literal["box", "mask"] = Field(
        default="box",
        description="overlap of boxes or of masks. Not known to Supervisely",
    )
    join: bool = Field(
        default=False,
        description="put parts of one object that a window's border cut into one "
        "instance first. Not known to Supervisely",
    )

    def suppression(self) -> Suppression | None:
        """Returns the group as the client applies it, None where it is off."""
        if not self.enable:
            return None
        return Suppression(self.iou_threshold, self.iou_type == "mask", self.join)


class ModeGroup(Group):
    """What all modes have."""

    model_classes: NameGroup = Field(
        default=NameGroup(), description="which classes are kept, and their suffix"
    )
    model_tags: NameGroup = Field(
        default=NameGroup(),
        description="the same for tags; the only one is the confidence. An empty list "
        "leaves scores out of annotations",
    )
    save_probabilities: bool = Field(
        default=False, description="accepted; a Mask R-CNN has none to save"
    )


class FullImageGroup(ModeGroup):
    """The model sees the picture as a whole."""

    name: Literal["full_image"] = "full_image"


class RoiGroup(ModeGroup):
    """The model sees the picture without a border."""

    name: Literal["roi"]
    bounds: SidesGroup = Field(
        default=SidesGroup(),
        description="what is cut off at each side, percent of the picture's",
    )
    save: bool = Field(default=False, description="save what is left as a rectangle")
    class_name: Name = Field(
        default="inference_roi", description="class of that rectangle"
    )

    @field_validator("bounds")
    @classmethod
    def _check_bounds(cls, bounds: SidesGroup) -> SidesGroup:
        sides = bounds.sides()
        for name in ("top", "left"):
            length: Length = getattr(sides, name)
            if length.value < 0 and not length.is_percent:
                raise PydanticCustomError(
                    "bounds",
                    f"expected 0px or more at the {name}, got {length.value}px",
                )
        return bounds


class BboxesGroup(ModeGroup):
    """The model sees the surroundings of each object that is there already."""

    name: Literal["bboxes"]
    from_classes: Names = Field(
        default=None,
        json_schema_extra={"default": ALL},
        description="whose surroundings, by the classes of the project",
    )
    padding: SidesGroup = Field(
        default=SidesGroup(),
        description="what is added at each side of an object's box, percent of the "
        "box's; negative lengths shrink it",
    )
    save: bool = Field(
        default=False, description="save what the model saw as rectangles"
    )
    add_suffix: str = Field(
        default="_input_bbox",
        description="appended to an object's class, for that of its rectangle",
    )


class WindowsGroup(ModeGroup):
    """What the modes with windows share."""

    window: WindowGroup = Field(
        default=WindowGroup(), description="size of the windows"
    )
    min_overlap: OverlapGroup = Field(
        default=OverlapGroup(), description="what neighbouring windows share at least"
    )
    save: bool = Field(default=False, description="save the windows as rectangles")
    class_name: Name = Field(
        default="sliding_window", description="class of these rectangles"
    )
    nms_after: NmsGroup = Field(
        default=NmsGroup(),
        description="what is done about things that several windows found",
    )

    @model_validator(mode="after")
    def _check_overlap(self) -> WindowsGroup:
        for axis, side in (("x", "width"), ("y", "height")):
            overlap, size = getattr(self.min_overlap, axis), getattr(self.window, side)
            if overlap >= size:
                raise PydanticCustomError(
                    "overlap",
                    f"expected min_overlap.{axis} below window.{side} ({size}), got "
                    f"{overlap}",
                )
        return self

    def windows(self) -> Windows:
        """Returns the windows as the client applies them."""
        return Windows(
            (self.window.height, self.window.width),
            (self.min_overlap.y, self.min_overlap.x),
        )


class SlidingWindowGroup(WindowsGroup):
    """The same as `sliding_window_det`; Supervisely has it for segmentation only."""

    name: Literal["sliding_window"]


class SlidingWindowDetGroup(WindowsGroup):
    """The model sees window after window."""

    name: Literal["sliding_window_det"]


AnyMode = (
    FullImageGroup | RoiGroup | BboxesGroup | SlidingWindowDetGroup | SlidingWindowGroup
)

__all__ = [
    "AnyMode",
    "BboxesGroup",
    "FullImageGroup",
    "Group",
    "ModeGroup",
    "ModelGroup",
    "NameGroup",
    "RoiGroup",
    "SlidingWindowDetGroup",
    "SlidingWindowGroup",
    "WindowsGroup",
]
