"""`roi`: the model sees the picture without a border.

Frame: the picture, pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from client.errors import ModeError
from client.image import Picture
from client.instance import Region
from client.modes.base import Given, Outcome, Predictor, found_in, kept
from client.modes.meta import merge_metas, region_class
from client.rect import Rect, Sides, whole
from client.selection import Selection
from formats.supervisely.meta import ProjectMeta


@dataclass(frozen=True)
class Roi:
    """The model sees the picture without a border.

    Objects: those that were there, what was found, the region if it is saved.

    Attributes:
        selection: which detections are kept, and their names.
        bounds: how much is cut off at each side, in percent of the picture's sides.
        class_name: class of the saved region, None to save none.
    """

    selection: Selection = field(default_factory=Selection)
    bounds: Sides = field(default_factory=Sides)
    class_name: str | None = None
    sends_whole: ClassVar[bool] = False
    needs_annotation: ClassVar[bool] = False

    def warnings(self, given: ProjectMeta) -> list[str]:  # noqa: ARG002
        """See `Mode`."""
        return []

    def output_meta(self, given: ProjectMeta, model: ProjectMeta) -> ProjectMeta:
        """See `Mode`."""
        regions = []
        if self.class_name is not None:
            regions = [(region_class(self.class_name), "the class of the saved region")]
        return merge_metas(given, model, self.selection, regions)

    def run(self, picture: Picture, predictor: Predictor, given: Given = ()) -> Outcome:
        """See `Mode`."""
        crop = plan_roi(picture.size, self.bounds)
        (detections,) = predictor.detect_crops(picture, [crop])
        found = found_in(crop, detections, self.selection, picture.size)
        tags = tuple(self.selection.image_tags(detections))
        saved = []
        if self.class_name is not None:
            saved = [Region(self.class_name, crop, tags)]
        return Outcome((*kept(given), *found, *saved), tags)


def plan_roi(size: tuple[int, int], bounds: Sides) -> Rect:
    """Returns the part of a picture that a model sees.

    A negative bound at the right or the bottom reaches over the picture, which cuts it.

    Args:
        size: (height, width) of the picture, pixels.
        bounds: how much is cut off at each side.

    Raises:
        ModeError: nothing is left, or it would begin outside of the picture.
    """
    rect = bounds.shrink(whole(size))
    if rect.top < 0 or rect.left < 0:
        raise ModeError(
            f"roi: expected bounds of 0 or more at the top and the left, got {rect.top}"
            f" and {rect.left} pixels in a picture of {size[1]} x {size[0]}"
        )
    crop = rect.intersect(whole(size))
    if rect.is_empty or crop.is_empty:
        raise ModeError(
            f"roi: the bounds leave nothing of a picture of {size[1]} x {size[0]} "
            "pixels"
        )
    return crop


__all__ = ["Roi", "plan_roi"]
