"""`bboxes`: the model sees the surroundings of each object that is there already.

Frame: the image, pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import Field

from client.errors import ModeError
from client.instance import Entry, Region
from client.modes.base import Answers, Given, Mode, Outcome, Size
from client.modes.group import ModeGroup
from client.modes.meta import SavedClass, region_class
from client.modes.values import ALL, Names, SidesGroup
from client.rect import Rect, Sides, whole
from client.selection import NameRule, Selection, asked, listed
from formats.quoted import quoted
from formats.supervisely.meta import ProjectMeta
from formats.supervisely.placed_objects import PlacedObject


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

    def to_mode(self, selection: Selection) -> Bboxes:
        """See `ModeGroup`."""
        names = None if self.from_classes is None else frozenset(self.from_classes)
        rule = NameRule(names, self.add_suffix)
        return Bboxes(selection, rule, self.padding.sides(), self.save)


@dataclass(frozen=True)
class Bboxes(Mode):
    """The model sees the surroundings of each object that is there already.

    Objects, for each that was there: what was found around it, its region if regions
    are saved, then itself.

    Attributes:
        sources: whose surroundings it sees by their class, and the suffix of the
            classes of saved regions.
        padding: how much is added at each side, in percent of the object's sides.
        saves: whether regions are saved.
    """

    sources: NameRule = field(default_factory=NameRule)
    padding: Sides = field(default_factory=Sides)
    saves: bool = False
    needs_annotation: ClassVar[bool] = True

    def warnings(self, given: ProjectMeta) -> list[str]:
        """See `Mode`."""
        titles = [entry.title for entry in given.classes]
        if not (unknown := self.sources.unknown(titles)):
            return []
        return [
            f"from_classes: the project has no class {asked(unknown, titles)}; its "
            f"classes are {listed(titles)}"
        ]

    def saved_classes(self, given: ProjectMeta) -> list[SavedClass]:
        """See `Mode`."""
        if not self.saves:
            return []
        return [
            (
                region_class(self.sources.rename(entry.title), entry.color),
                f"the class of saved boxes of {quoted(entry.title)}",
            )
            for entry in given.classes
            if self.sources.keeps(entry.title)
        ]

    def plan(self, size: Size, given: Given = ()) -> list[Rect]:
        """See `Mode`."""
        crops = (self._crop(placed, size) for placed in given)
        return [crop for crop in crops if crop is not None]

    def merge(self, answers: Answers, size: Size, given: Given = ()) -> Outcome:
        """See `Mode`."""
        entries: list[Entry] = []
        coming = iter(answers)
        for placed in given:
            if self._crop(placed, size) is None:
                entries.append(placed.content)
                continue
            crop, detections = next(coming)
            entries += self.found_in(crop, detections, size)
            tags = self.selection.image_tags(detections)
            if self.saves:
                name = self.sources.rename(placed.class_title)
                entries.append(Region(name, crop, tuple(tags)))
            entries.append(_with_tags(placed.content, tags))
        return Outcome(tuple(entries))

    def _crop(self, placed: PlacedObject, size: Size) -> Rect | None:
        """Returns what the model sees of an object, None where that is no pixel."""
        if not self.sources.keeps(placed.class_title):
            return None
        if placed.box is None:
            raise ModeError(
                f"bboxes: objects of the class {quoted(placed.class_title)} have a "
                "shape without a box; leave the class out of from_classes"
            )
        box = Rect(*placed.box)
        grown = self.padding.grow(box)
        if grown.is_empty:
            height, width = box.size
            raise ModeError(
                f"bboxes: the padding leaves nothing of an object of {width} x {height}"
                " pixels"
            )
        crop = grown.intersect(whole(size))
        return None if crop.is_empty else crop


def _with_tags(
    content: Mapping[str, Any], tags: list[dict[str, Any]]
) -> Mapping[str, Any]:
    if not tags:
        return content
    return {**content, "tags": [*(content.get("tags") or ()), *tags]}
