"""The modes that a config can name, each by the group that makes it."""

from __future__ import annotations

from typing import Literal

from client.modes.bboxes import BboxesGroup
from client.modes.full_image import FullImage
from client.modes.group import ModeGroup
from client.modes.roi import RoiGroup
from client.modes.sliding_window import SlidingWindowDetGroup, SlidingWindowGroup
from client.selection import Selection


class FullImageGroup(ModeGroup):
    """The model sees the picture as a whole."""

    name: Literal["full_image"] = "full_image"

    def to_mode(self, selection: Selection) -> FullImage:
        """See `ModeGroup`."""
        return FullImage(selection)


AnyMode = (
    FullImageGroup | RoiGroup | BboxesGroup | SlidingWindowDetGroup | SlidingWindowGroup
)
"""In the order of the reference."""
FULL_IMAGE = FullImageGroup().name
"""The mode where a config names none."""
