"""`roi`: the model sees the image without a border.

Frame: the image, pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from client.errors import ModeError
from client.instance import Region
from client.modes.base import Answers, Given, Mode, Outcome, Size, kept
from client.modes.group import ModeGroup
from client.modes.meta import SavedClass, region_class
from client.modes.values import Name, SidesGroup
from client.rect import Length, Rect, Sides, whole
from client.selection import Selection
from formats.supervisely.meta import ProjectMeta


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

    def to_mode(self, selection: Selection) -> Roi:
        """See `ModeGroup`."""
        name = self.class_name if self.save else None
        return Roi(selection, self.bounds.sides(), name)


@dataclass(frozen=True)
class Roi(Mode):
    """The model sees the picture without a border.

    Objects: those that were there, what was found, the region if it is saved.

    Attributes:
        bounds: how much is cut off at each side, in percent of the image's sides.
        class_name: class of the saved region, None to save none.
    """

    bounds: Sides = field(default_factory=Sides)
    class_name: str | None = None

    def saved_classes(self, given: ProjectMeta) -> list[SavedClass]:  # noqa: ARG002
        """See `Mode`."""
        if self.class_name is None:
            return []
        return [(region_class(self.class_name), "the class of the saved region")]

    def plan(self, size: Size, given: Given = ()) -> list[Rect]:  # noqa: ARG002
        """See `Mode`.

        A negative bound at the right or the bottom reaches over the image, which cuts
        it.
        """
        rect = self.bounds.shrink(whole(size))
        if rect.top < 0 or rect.left < 0:
            raise ModeError(
                "roi: expected bounds of 0 or more at the top and the left, got "
                f"{rect.top} and {rect.left} pixels in a picture of {size[1]} x "
                f"{size[0]}"
            )
        crop = rect.intersect(whole(size))
        if rect.is_empty or crop.is_empty:
            raise ModeError(
                f"roi: the bounds leave nothing of a picture of {size[1]} x {size[0]} "
                "pixels"
            )
        return [crop]

    def merge(self, answers: Answers, size: Size, given: Given = ()) -> Outcome:
        """See `Mode`."""
        ((crop, detections),) = answers
        found = self.found_in(crop, detections, size)
        tags = tuple(self.selection.image_tags(detections))
        saved = []
        if self.class_name is not None:
            saved = [Region(self.class_name, crop, tags)]
        return Outcome((*kept(given), *found, *saved), tags)
