"""`bboxes`: the model sees the surroundings of each object that is there already.

Frame: the picture, pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from client.errors import ModeError
from client.image import Picture
from client.instance import Entry, Region
from client.modes.base import Given, Outcome, Predictor, found_in
from client.modes.meta import merge_metas, region_class
from client.rect import Rect, Sides, whole
from client.selection import NameRule, Selection, asked, quoted
from formats.supervisely.meta import ProjectMeta
from formats.supervisely.placed_objects import PlacedObject


@dataclass(frozen=True)
class Bboxes:
    """The model sees the surroundings of each object that is there already.

    Objects, for each that was there: what was found around it, its region if regions
    are saved, then itself.

    Attributes:
        selection: which detections are kept, and their names.
        sources: whose surroundings it sees by their class, and the suffix of the
            classes of saved regions.
        padding: how much is added at each side, in percent of the object's sides.
        saves: whether regions are saved.
    """

    selection: Selection = field(default_factory=Selection)
    sources: NameRule = field(default_factory=NameRule)
    padding: Sides = field(default_factory=Sides)
    saves: bool = False
    sends_whole: ClassVar[bool] = False
    needs_annotation: ClassVar[bool] = True

    def warnings(self, given: ProjectMeta) -> list[str]:
        """See `Mode`."""
        titles = [entry.title for entry in given.classes]
        if not (unknown := self.sources.unknown(titles)):
            return []
        return [
            f"from_classes: the project has no class {asked(unknown, titles)}; its "
            f"classes are {quoted(titles)}"
        ]

    def output_meta(self, given: ProjectMeta, model: ProjectMeta) -> ProjectMeta:
        """See `Mode`."""
        regions = []
        if self.saves:
            rule = self.sources
            regions = [
                (
                    region_class(rule.rename(entry.title), entry.color),
                    f'the class of saved boxes of "{entry.title}"',
                )
                for entry in given.classes
                if rule.keeps(entry.title)
            ]
        return merge_metas(given, model, self.selection, regions)

    def run(self, picture: Picture, predictor: Predictor, given: Given = ()) -> Outcome:
        """See `Mode`."""
        crops = [self._crop(placed, picture.size) for placed in given]
        answers = iter(
            predictor.detect_crops(
                picture, [crop for crop in crops if crop is not None]
            )
        )
        entries: list[Entry] = []
        for placed, crop in zip(given, crops, strict=True):
            if crop is None:
                entries.append(placed.content)
                continue
            detections = next(answers)
            entries += found_in(crop, detections, self.selection, picture.size)
            tags = self.selection.image_tags(detections)
            if self.saves:
                name = self.sources.rename(placed.class_title)
                entries.append(Region(name, crop, tuple(tags)))
            entries.append(_with_tags(placed.content, tags))
        return Outcome(tuple(entries))

    def _crop(self, placed: PlacedObject, size: tuple[int, int]) -> Rect | None:
        """Returns what the model sees of an object, None for nothing."""
        if not self.sources.keeps(placed.class_title):
            return None
        if placed.box is None:
            raise ModeError(
                f'bboxes: objects of the class "{placed.class_title}" have a shape '
                "without a box; leave the class out of from_classes"
            )
        return plan_bbox(Rect(*placed.box), self.padding, size)


def plan_bbox(box: Rect, padding: Sides, size: tuple[int, int]) -> Rect | None:
    """Returns the surroundings of an object, None where they lie off the picture.

    Args:
        box: around the object, within the picture.
        padding: how much is added at each side; may be negative.
        size: (height, width) of the picture, pixels.

    Raises:
        ModeError: a negative padding leaves nothing.
    """
    grown = padding.grow(box)
    if grown.is_empty:
        height, width = box.size
        raise ModeError(
            f"bboxes: the padding leaves nothing of an object of {width} x {height} "
            "pixels"
        )
    crop = grown.intersect(whole(size))
    return None if crop.is_empty else crop


def _with_tags(
    content: Mapping[str, Any], tags: list[dict[str, Any]]
) -> Mapping[str, Any]:
    if not tags:
        return content
    return {**content, "tags": [*(content.get("tags") or ()), *tags]}


__all__ = ["Bboxes", "plan_bbox"]
