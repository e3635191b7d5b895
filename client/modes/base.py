"""What every inference mode is given, and what it returns.

Whoever sends asks a mode for its plan, has the model look at each crop of it, in
whatever requests, and lets the mode merge the answers. What a mode sends does not
depend on answers, so there is one round.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from client.instance import Entry, Instance
from client.modes.meta import SavedClass, merge_metas
from client.rect import Rect
from client.selection import Selection
from client.transport.answer import ServedDetections
from formats.supervisely.meta import ProjectMeta
from formats.supervisely.placed_objects import PlacedObject

Size = tuple[int, int]
"""(height, width) of the image as people see it, pixels."""
Given = Sequence[PlacedObject]
"""The objects that an image has already, in their order."""
Answers = Sequence[tuple[Rect, ServedDetections]]
"""Each crop of a plan, in its order, with what the model finds in it, in the frame of
the crop."""


@dataclass(frozen=True)
class Outcome:
    """What becomes of an image's annotation.

    Attributes:
        entries: all its objects, those that were there too, in their order.
        tags: tags of the image to add to its own.
    """

    entries: tuple[Entry, ...]
    tags: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Mode(ABC):
    """What every mode offers.

    Attributes:
        selection: which detections are kept, and their names.
        sends_whole: whether the model sees the image as a whole and as its file has
            it, not pixels of parts.
        needs_annotation: whether there is nothing to do without an annotation.
    """

    selection: Selection = field(default_factory=Selection)
    sends_whole: ClassVar[bool] = False
    needs_annotation: ClassVar[bool] = False

    @abstractmethod
    def plan(self, size: Size, given: Given = ()) -> list[Rect]:
        """Returns what the model has to see, none of it empty.

        Args:
            size: of the image.
            given: objects of its annotation.

        Raises:
            ModeError: the mode cannot be applied to this image.
        """

    @abstractmethod
    def merge(self, answers: Answers, size: Size, given: Given = ()) -> Outcome:
        """Makes objects in the frame of the image out of what the model found.

        Args:
            answers: to the plan for the same size and objects.
            size: of the image.
            given: objects of its annotation.

        Raises:
            ModeError: the mode cannot be applied to these answers.
            ContractError: the server sent a damaged mask.
        """

    def warnings(self, given: ProjectMeta) -> list[str]:  # noqa: ARG002
        """Returns what the mode asks of a project in vain.

        Args:
            given: classes and tags of the project.
        """
        return []

    def saved_classes(self, given: ProjectMeta) -> list[SavedClass]:  # noqa: ARG002
        """Returns the classes of saved regions.

        Args:
            given: classes and tags of the project.
        """
        return []

    def output_meta(self, given: ProjectMeta, model: ProjectMeta) -> ProjectMeta:
        """Returns the classes and tags that annotations may use.

        Args:
            given: those that are there already.
            model: those of the model, under its own names.

        Raises:
            AnnotationError: a name would be there twice.
        """
        return merge_metas(given, model, self.selection, self.saved_classes(given))

    def found_in(
        self, crop: Rect, detections: ServedDetections, size: Size
    ) -> list[Instance]:
        """Returns what is kept of a crop's detections, in the frame of the image."""
        origin = (crop.top, crop.left)
        return [i.moved(origin, size) for i in self.selection.instances(detections)]


def kept(given: Given) -> tuple[Entry, ...]:
    """Returns the objects that were there, as they are."""
    return tuple(placed.content for placed in given)
