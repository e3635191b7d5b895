"""`sliding_window_det` and `sliding_window`: the model sees window after window.

Frame: the image, pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from client.errors import ModeError
from client.instance import Instance, Region
from client.modes.base import Answers, Given, Mode, Outcome, Size, kept
from client.modes.group import ModeGroup
from client.modes.join import Part, join_parts
from client.modes.meta import SavedClass, region_class
from client.modes.suppress import Suppression
from client.modes.values import Group, Name
from client.modes.windows import Windows
from client.rect import Rect, whole
from client.selection import Selection
from formats.quoted import quoted
from formats.supervisely.meta import ProjectMeta


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

    def check_tag(self, confidence_tag: str) -> None:
        """See `ModeGroup`."""
        nms = self.nms_after
        if nms.enable and nms.confidence_tag_name != confidence_tag:
            raise PydanticCustomError(
                "tag",
                "mode.nms_after.confidence_tag_name: expected "
                f"{quoted(confidence_tag)} as in model.confidence_tag_name, got "
                f"{quoted(nms.confidence_tag_name)}",
            )

    def warnings(self) -> list[str]:
        """See `ModeGroup`."""
        told = super().warnings()
        if self.nms_after.join and not self.nms_after.enable:
            told.append("nms_after.join has no effect: nms_after is not enabled")
        return told

    def to_mode(self, selection: Selection) -> SlidingWindow:
        """See `ModeGroup`."""
        windows = Windows(
            (self.window.height, self.window.width),
            (self.min_overlap.y, self.min_overlap.x),
        )
        name = self.class_name if self.save else None
        return SlidingWindow(selection, windows, self.nms_after.suppression(), name)


class SlidingWindowGroup(WindowsGroup):
    """The same as `sliding_window_det`; Supervisely has it for segmentation only."""

    twin_of: ClassVar[str | None] = "sliding_window_det"

    name: Literal["sliding_window"]


class SlidingWindowDetGroup(WindowsGroup):
    """The model sees window after window."""

    name: Literal["sliding_window_det"]


@dataclass(frozen=True)
class SlidingWindow(Mode):
    """The model sees window after window.

    Objects: those that were there, the windows if they are saved, what was found.

    Attributes:
        windows: what the model sees.
        suppression: what is done about things found several times, None for nothing.
        class_name: class of saved windows, None to save none.
    """

    windows: Windows = field(default_factory=Windows)
    suppression: Suppression | None = None
    class_name: str | None = None

    def saved_classes(self, given: ProjectMeta) -> list[SavedClass]:  # noqa: ARG002
        """See `Mode`."""
        if self.class_name is None:
            return []
        return [(region_class(self.class_name), "the class of saved windows")]

    def plan(self, size: Size, given: Given = ()) -> list[Rect]:  # noqa: ARG002
        """See `Mode`."""
        return self.windows.plan(size)

    def merge(self, answers: Answers, size: Size, given: Given = ()) -> Outcome:
        """See `Mode`."""
        parts: list[Part] = []
        saved: list[Region] = []
        for crop, detections in answers:
            found = self.found_in(crop, detections, size)
            parts += [Part(instance, crop) for instance in found]
            if self.class_name is not None:
                tags = tuple(self.selection.image_tags(detections))
                saved.append(Region(self.class_name, crop, tags))
        return Outcome((*kept(given), *saved, *self._once(parts, size)))

    def _once(self, parts: list[Part], size: Size) -> list[Instance]:
        """Returns what all windows found, each thing once if the config says so."""
        suppression = self.suppression
        if suppression is None:
            return [part.instance for part in parts]
        if any(math.isnan(part.instance.score) for part in parts):
            raise ModeError(
                "nms_after: expected a score for every instance, got some without; "
                "use a model that gives scores, or switch nms_after off"
            )
        if suppression.joins:
            instances = join_parts(parts, whole(size))
        else:
            instances = [part.instance for part in parts]
        return suppression.apply(instances)
