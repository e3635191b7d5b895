"""What the groups of all modes have: the keys, and what they make of a config."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import Field

from client.modes.base import Mode
from client.modes.values import Group, NameGroup
from client.selection import Selection


class ModeGroup(Group, ABC):
    """What all modes have."""

    twin_of: ClassVar[str | None] = None
    """The mode of which this is another name, with the same keys."""

    model_classes: NameGroup = Field(
        default=NameGroup(), description="which classes are kept, and their suffix"
    )
    model_tags: NameGroup = Field(
        default=NameGroup(),
        description="the same for tags; the only one is the confidence. An empty list "
        "leaves scores out of annotations",
    )
    save_probabilities: bool = Field(
        default=False, description="accepted; a Mask R-CNN has none to save"
    )

    @abstractmethod
    def to_mode(self, selection: Selection) -> Mode:
        """Returns the mode that the group describes.

        Args:
            selection: which detections are kept, and their names.
        """

    def check_tag(self, confidence_tag: str) -> None:
        """Checks what the mode says of the confidence tag.

        Args:
            confidence_tag: its name in the rest of the config.

        Raises:
            PydanticCustomError: the mode says something else.
        """

    def warnings(self) -> list[str]:
        """Returns what the group asks for in vain, whatever the model."""
        if not self.save_probabilities:
            return []
        return ["save_probabilities has no effect: a Mask R-CNN has no probabilities"]
