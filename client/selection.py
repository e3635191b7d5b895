"""Which of a model's detections are kept, and what their classes and tags are called.

Every inference mode applies one selection to what the model finds.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from client.instance import Instance
from client.transport.answer import ServedDetections
from formats.problem_list import MOST, ProblemList
from formats.quoted import quoted
from formats.supervisely.annotation import tag_json
from formats.supervisely.meta import ANY_NUMBER, BITMAP, ClassMeta, ProjectMeta, TagMeta
from serving.contract import ModelClass, ModelInfo

CONFIDENCE_TAG_COLOR = "#7F7F7F"


@dataclass(frozen=True)
class NameRule:
    """Which names are kept, and what is appended to them.

    Attributes:
        names: the names to keep, None for all.
        suffix: appended to each.
    """

    names: frozenset[str] | None = None
    suffix: str = ""

    def keeps(self, name: str) -> bool:
        """Says whether a name is kept."""
        return self.names is None or name in self.names

    def rename(self, name: str) -> str:
        """Returns the name with its suffix."""
        return name + self.suffix

    def unknown(self, known: Iterable[str]) -> list[str]:
        """Returns the names to keep that are not known, sorted."""
        return sorted(self.names.difference(known)) if self.names is not None else []


@dataclass(frozen=True)
class Selection:
    """The filter of every mode; the default keeps everything under its own name.

    Attributes:
        classes: filter of the classes.
        tags: filter of the tags; a Mask R-CNN has one, its confidence.
        confidence_tag: name of that tag, before renaming.
        min_score: scores below are dropped, equal ones kept; None for no filter.
    """

    classes: NameRule = field(default_factory=NameRule)
    tags: NameRule = field(default_factory=NameRule)
    confidence_tag: str = "confidence"
    min_score: float | None = None

    @property
    def tag_name(self) -> str | None:
        """Name of the confidence tag in annotations, None if it is filtered out."""
        if self.tags.keeps(self.confidence_tag):
            return self.tags.rename(self.confidence_tag)
        return None

    def instances(self, detections: ServedDetections) -> tuple[Instance, ...]:
        """Returns the detections that are kept, in their order, renamed."""
        least = np.float32(self.min_score or 0.0)  # as the scores, so equal is equal
        return tuple(
            Instance(
                class_name=self.classes.rename(name),
                class_id=int(detections.class_ids[row]),
                score=float(detections.scores[row]),
                box=tuple(detections.boxes[row].tolist()),
                mask_box=tuple(detections.mask_boxes[row].tolist()),
                mask_png=detections.mask_pngs[row],
                image_size=detections.image_size,
            )
            for row, name in enumerate(detections.class_names)
            # A score that is missing (NaN) is not below.
            if self.classes.keeps(name) and not detections.scores[row] < least
        )

    def image_tags(self, detections: ServedDetections) -> list[dict[str, Any]]:
        """Returns the tags of the whole image that are kept, renamed."""
        return [
            tag_json(self.tags.rename(name), value)
            for name, value in detections.image_tags
            if self.tags.keeps(name)
        ]

    def rename_meta(self, model: ProjectMeta) -> ProjectMeta:
        """Returns the classes and tags that annotations may use.

        Args:
            model: all classes and tags of the model, under its own names.
        """
        return ProjectMeta(
            tuple(
                replace(entry, title=self.classes.rename(entry.title))
                for entry in model.classes
                if self.classes.keeps(entry.title)
            ),
            tuple(
                replace(entry, name=self.tags.rename(entry.name))
                for entry in model.tags
                if self.tags.keeps(entry.name)
            ),
        )

    def model_meta(self, classes: Sequence[ModelClass]) -> ProjectMeta:
        """Returns classes and tags of a served model, under its own names.

        Args:
            classes: all of them; the background counts as one.
        """
        tag = TagMeta(self.confidence_tag, ANY_NUMBER, CONFIDENCE_TAG_COLOR)
        titles = tuple(ClassMeta(c.title, BITMAP, c.color) for c in classes)
        return ProjectMeta(titles, (tag,))

    def warnings(self, info: ModelInfo) -> list[str]:
        """Returns what of this selection a model cannot do."""
        told = []
        classes = [c.title for c in info.classes]
        if unknown := self.classes.unknown(classes):
            told.append(
                f"the model has no class {asked(unknown, classes)} to save; its "
                f"classes are {listed(classes)}"
            )
        if unknown := self.tags.unknown({self.confidence_tag}):
            told.append(
                f"the model has no tag {asked(unknown, [self.confidence_tag])} to "
                f"save; its one tag is {quoted(self.confidence_tag)}"
            )
        if self.min_score is not None and self.min_score < info.score_threshold:
            told.append(
                f"min_confidence_threshold {self.min_score:g} has no effect: the model "
                f"itself drops scores below {info.score_threshold:g}"
            )
        return told


def asked(names: Sequence[str], known: Sequence[str]) -> str:
    """Returns names that are not known, each with the one it may be meant for."""
    # Near names are looked for as long as somebody reads them.
    first = [f"{quoted(name)}{_near_miss(name, known)}" for name in names[:MOST]]
    return ", ".join(ProblemList([*first, *names[MOST:]]))


def _near_miss(name: str, known: Sequence[str]) -> str:
    """Returns ` (did you mean "...")`, or nothing where no known name comes close."""
    lower = {entry.lower(): entry for entry in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    return f" (did you mean {quoted(lower[near[0]])}?)" if near else ""


def listed(names: Iterable[str]) -> str:
    """Returns names for a message, twenty at most and how many more there are."""
    return ", ".join(ProblemList(map(quoted, names)))
