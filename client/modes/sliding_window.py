"""`sliding_window_det` and `sliding_window`: the model sees window after window.

Frame: the picture, pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from client.errors import ModeError
from client.image import Picture
from client.instance import Instance, Region
from client.modes.base import Given, Outcome, Predictor, found_in, kept
from client.modes.join import Part, join_parts
from client.modes.meta import merge_metas, region_class
from client.modes.suppress import Suppression
from client.modes.windows import Windows
from client.rect import whole
from client.selection import Selection
from formats.supervisely.meta import ProjectMeta


@dataclass(frozen=True)
class SlidingWindow:
    """The model sees window after window.

    Objects: those that were there, the windows if they are saved, what was found.

    Attributes:
        selection: which detections are kept, and their names.
        windows: what the model sees.
        suppression: what is done about things found several times, None for nothing.
        class_name: class of saved windows, None to save none.
    """

    selection: Selection = field(default_factory=Selection)
    windows: Windows = field(default_factory=Windows)
    suppression: Suppression | None = None
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
            regions = [(region_class(self.class_name), "the class of saved windows")]
        return merge_metas(given, model, self.selection, regions)

    def run(self, picture: Picture, predictor: Predictor, given: Given = ()) -> Outcome:
        """See `Mode`."""
        crops = self.windows.plan(picture.size)
        answers = predictor.detect_crops(picture, crops)
        parts: list[Part] = []
        saved: list[Region] = []
        for crop, detections in zip(crops, answers, strict=True):
            found = found_in(crop, detections, self.selection, picture.size)
            parts += [Part(instance, crop) for instance in found]
            if self.class_name is not None:
                tags = tuple(self.selection.image_tags(detections))
                saved.append(Region(self.class_name, crop, tags))
        instances = self._merge(parts, picture.size)
        return Outcome((*kept(given), *saved, *instances))

    def _merge(self, parts: list[Part], size: tuple[int, int]) -> list[Instance]:
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


__all__ = ["SlidingWindow"]
