"""Cards of images that a browser filters by class and score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from formats.images.image import Pixels
from formats.report.text import Value, is_rgb

THUMBNAIL_PX = 480


@dataclass(frozen=True)
class Card:
    """One image.

    Attributes:
        name: of the image.
        image: uint8[H, W, 3] RGB, everything drawn in.
        instances: class and score (0..1) of each; a score of None passes every filter.
        values: name -> value, such as the image's AP.
        note: a remark.
    """

    name: str
    image: Pixels = field(repr=False)
    instances: Sequence[tuple[str, float | None]] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    note: str = ""

    def counts(self) -> list[tuple[str, int]]:
        """Returns how often each class is there, in the order of its first instance."""
        return [*Counter(title for title, _ in self.instances).items()]


@dataclass(frozen=True)
class Gallery:
    """Cards, written one by one; what stays in memory is the list of classes.

    Attributes:
        title: above the cards.
        cards: read once, while they are written.
        note: a remark under the title.
        colors: class -> "#RRGGBB".
        thumbnail_px: longest side of the images.
        is_wide: cards twice as wide, for images with parts side by side.
    """

    template: ClassVar = "gallery.html"

    title: str
    cards: Iterable[Card]
    note: str = ""
    colors: Mapping[str, str] = field(default_factory=dict)
    thumbnail_px: int = THUMBNAIL_PX
    is_wide: bool = False
    _numbers: dict[str, int] = field(default_factory=dict, init=False)

    def number(self, title: str) -> int:
        """Returns the number of a class: the first one seen is 0."""
        return self._numbers.setdefault(title, len(self._numbers))

    def found(self, card: Card) -> str:
        """Returns "number:score" of each instance, without a score only the number."""
        return " ".join(
            f"{self.number(title)}" + ("" if score is None else f":{score:.4f}")
            for title, score in card.instances
        )

    def classes(self) -> list[tuple[str, str]]:
        """Returns the classes seen so far by number, each with its colour or ""."""
        colors = ((title, self.colors.get(title)) for title in self._numbers)
        return [(title, color if is_rgb(color) else "") for title, color in colors]
