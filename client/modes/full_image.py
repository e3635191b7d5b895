"""`full_image`: the model sees the picture as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from client.image import Picture
from client.modes.base import Given, Outcome, Predictor, kept
from client.modes.meta import merge_metas
from client.selection import Selection
from formats.supervisely.meta import ProjectMeta


@dataclass(frozen=True)
class FullImage:
    """The model sees the picture as a whole.

    Objects: those that were there, then what was found.

    Attributes:
        selection: which detections are kept, and their names.
    """

    selection: Selection = field(default_factory=Selection)
    sends_whole: ClassVar[bool] = True
    needs_annotation: ClassVar[bool] = False

    def warnings(self, given: ProjectMeta) -> list[str]:  # noqa: ARG002
        """See `Mode`."""
        return []

    def output_meta(self, given: ProjectMeta, model: ProjectMeta) -> ProjectMeta:
        """See `Mode`."""
        return merge_metas(given, model, self.selection)

    def run(self, picture: Picture, predictor: Predictor, given: Given = ()) -> Outcome:
        """See `Mode`."""
        detections = predictor.detect(picture)
        found = self.selection.instances(detections)
        return Outcome(
            (*kept(given), *found), tuple(self.selection.image_tags(detections))
        )


__all__ = ["FullImage"]
