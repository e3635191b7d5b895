"""What is told about sets that can be used: what is left out, and what is odd."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from formats.files.left_out import LeftOut
from training.datasets.check import ImageFacts
from training.datasets.sources import WITHOUT_A_PIXEL, Source


class SetNotes:
    """Collects over all sets of a training; an item of two sets counts once.

    Attributes:
        left_out: what is not learnt, and why.
        odd: what looks wrong, but is learnt.
    """

    def __init__(self) -> None:
        """Starts with nothing."""
        self.left_out = LeftOut()
        self.odd = LeftOut()

    def add_items(
        self, source: Source, facts: Mapping[int, ImageFacts], items: Iterable[int]
    ) -> None:
        """Adds what was noted of items.

        Args:
            source: all items.
            facts: index of an item -> what is remembered of it.
            items: those of all sets, each once.
        """
        for item in items:
            for kept, notes in (
                (self.left_out, facts[item].left_out),
                (self.odd, facts[item].odd),
            ):
                for note in notes:
                    name = source.name(item)
                    kept.add(note.noun, note.reason, name, note.number)

    def add_leaving(
        self,
        source: Source,
        facts: Mapping[int, ImageFacts],
        items: Iterable[int],
        name: str,
    ) -> None:
        """Adds items that leave a set, as there is nothing to learn in them.

        Args:
            source: all items.
            facts: index of an item -> what is remembered of it.
            items: those that leave.
            name: of the set.
        """
        for item in items:
            reason = f"without an object to learn, not in the {name} set"
            if any(note.reason == WITHOUT_A_PIXEL for note in facts[item].left_out):
                reason = f"whose objects draw no pixel, not in the {name} set"
            self.left_out.add("image", reason, source.name(item))

    def lines(self) -> list[str]:
        """Returns one line for each reason."""
        return [
            *(f"left out: {line}" for line in self.left_out.lines()),
            *self.odd.lines(),
        ]
