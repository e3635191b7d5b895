"""Which of a model's detections are kept, and what their classes and tags are called.

Every inference mode applies one selection to what the model finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from client.answer import Detections
from client.result import Instance
from formats.meta import ANY_NUMBER, BITMAP, ClassMeta, ProjectMeta, TagMeta
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

    def unknown(self, known: set[str]) -> list[str]:
        """Returns the names to keep that are not known, sorted."""
        return sorted(self.names - known) if self.names is not None else []


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

    def instances(self, detections: Detections) -> tuple[Instance, ...]:
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
            if self.classes.keeps(name) and detections.scores[row] >= least
        )

    def output_meta(self, model_classes: Sequence[ModelClass]) -> ProjectMeta:
        """Returns the classes and tags that annotations may use.

        Args:
            model_classes: all classes of the model; the background counts as one.
        """
        tag = self.tag_name
        return ProjectMeta(
            tuple(
                ClassMeta(self.classes.rename(c.title), BITMAP, c.color)
                for c in model_classes
                if self.classes.keeps(c.title)
            ),
            () if tag is None else (TagMeta(tag, ANY_NUMBER, CONFIDENCE_TAG_COLOR),),
        )

    def warnings(self, info: ModelInfo) -> list[str]:
        """Returns what of this selection a model cannot do."""
        told = []
        classes = [c.title for c in info.classes]
        if unknown := self.classes.unknown(set(classes)):
            told.append(
                f"the model has no class {_quoted(unknown)} to save; its classes are "
                f"{_quoted(classes)}"
            )
        if unknown := self.tags.unknown({self.confidence_tag}):
            told.append(
                f"the model has no tag {_quoted(unknown)} to save; its one tag is "
                f'"{self.confidence_tag}"'
            )
        if self.min_score is not None and self.min_score < info.score_threshold:
            told.append(
                f"min_confidence_threshold {self.min_score:g} has no effect: the model "
                f"itself drops scores below {info.score_threshold:g}"
            )
        return told


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


__all__ = ["NameRule", "Selection"]
