"""What every inference mode is given, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from client.image import Picture
from client.instance import Entry, Instance
from client.rect import Rect
from client.selection import Selection
from client.transport.answer import Detections
from formats.supervisely.meta import ProjectMeta
from formats.supervisely.placed_objects import PlacedObject

Given = Sequence[PlacedObject]
"""The objects that a picture has already, in their order."""


class Predictor(Protocol):
    """What a mode needs of a model."""

    def detect(self, picture: Picture) -> Detections:
        """Returns what the model finds, in the frame of this picture."""

    def detect_crops(
        self, picture: Picture, crops: Sequence[Rect]
    ) -> Sequence[Detections]:
        """Returns what the model finds in each crop, in the frame of that crop."""


@dataclass(frozen=True)
class Outcome:
    """What becomes of a picture's annotation.

    Attributes:
        entries: all its objects, those that were there too, in their order.
        tags: tags of the picture to add to its own.
    """

    entries: tuple[Entry, ...]
    tags: tuple[Mapping[str, Any], ...] = ()


class Mode(Protocol):
    """What every mode offers."""

    @property
    def selection(self) -> Selection:
        """Which detections are kept, and their names."""

    @property
    def sends_whole(self) -> bool:
        """Says whether the model sees the picture as a whole, not parts of it."""

    @property
    def needs_annotation(self) -> bool:
        """Says whether there is nothing to do without an annotation."""

    def warnings(self, given: ProjectMeta) -> list[str]:
        """Returns what the mode asks of a project in vain.

        Args:
            given: classes and tags of the project.
        """

    def output_meta(self, given: ProjectMeta, model: ProjectMeta) -> ProjectMeta:
        """Returns the classes and tags that annotations may use.

        Args:
            given: those that are there already.
            model: those of the model, under its own names.

        Raises:
            AnnotationError: a name would be there twice.
        """

    def run(self, picture: Picture, predictor: Predictor, given: Given = ()) -> Outcome:
        """Finds instances in a picture.

        Args:
            picture: as people see it.
            predictor: the model.
            given: objects of its annotation.

        Returns:
            Objects in the frame of the picture.

        Raises:
            ModeError: the mode cannot be applied to this picture.
            ClientError: whatever the predictor raises.
        """


def kept(given: Given) -> tuple[Entry, ...]:
    """Returns the objects that were there, as they are."""
    return tuple(placed.content for placed in given)


def found_in(
    crop: Rect, detections: Detections, selection: Selection, size: tuple[int, int]
) -> list[Instance]:
    """Returns what was found in a crop, in the frame of the picture.

    Args:
        crop: where it lies in the picture.
        detections: in the frame of the crop.
        selection: which of them are kept.
        size: (height, width) of the picture, pixels.
    """
    origin = (crop.top, crop.left)
    return [i.moved(origin, size) for i in selection.instances(detections)]


__all__ = ["Given", "Mode", "Outcome", "Predictor", "found_in", "kept"]
