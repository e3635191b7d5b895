"""`full_image`: the model sees the image as a whole.

Its group is in `client.modes.table`: this is what a client without a config does, which
needs no pydantic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from client.modes.base import Answers, Given, Mode, Outcome, Size, kept
from client.rect import Rect, whole


@dataclass(frozen=True)
class FullImage(Mode):
    """The model sees the image as a whole.

    Objects: those that were there, then what was found.
    """

    sends_whole: ClassVar[bool] = True

    def plan(self, size: Size, given: Given = ()) -> list[Rect]:  # noqa: ARG002
        """See `Mode`."""
        return [whole(size)]

    def merge(self, answers: Answers, size: Size, given: Given = ()) -> Outcome:  # noqa: ARG002
        """See `Mode`."""
        ((_, detections),) = answers
        found = self.selection.instances(detections)
        return Outcome(
            (*kept(given), *found), tuple(self.selection.image_tags(detections))
        )
