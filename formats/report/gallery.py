"""Cards of pictures that a browser filters by class and score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from formats.report.text import (
    Pixels,
    Value,
    escape,
    img,
    script_json,
    swatch,
    value_text,
)

THUMBNAIL_PX = 480


@dataclass(frozen=True)
class Card:
    """One picture.

    Attributes:
        name: of the picture.
        image: uint8[H, W, 3] RGB, everything drawn in.
        instances: class and score (0..1) of each; a score of None passes every filter.
        values: name -> value, such as the picture's AP.
        note: a remark.
    """

    name: str
    image: Pixels = field(repr=False)
    instances: Sequence[tuple[str, float | None]] = ()
    values: Mapping[str, Value] = field(default_factory=dict)
    note: str = ""


class Gallery:
    """Writes cards one by one; what stays in memory is the list of classes."""

    def __init__(
        self,
        write: Callable[[str], None],
        title: str,
        *,
        note: str = "",
        colors: Mapping[str, str] | None = None,
        thumbnail_px: int = THUMBNAIL_PX,
        wide: bool = False,
    ) -> None:
        """Starts a gallery.

        Args:
            write: takes HTML.
            title: above the cards.
            note: a remark under the title.
            colors: class -> "#RRGGBB".
            thumbnail_px: longest side of the pictures.
            wide: cards twice as wide, for pictures with parts side by side.
        """
        self._write = write
        self._colors = dict(colors or {})
        self._thumbnail_px = thumbnail_px
        self._classes: dict[str, int] = {}
        below = f"<p>{escape(note)}</p>" if note else ""
        kind = "gallery wide" if wide else "gallery"
        write(
            f'<section class="{kind}"><h2>{escape(title)}</h2>{below}'
            '<form class="filter" hidden><div class="classes"></div>'
            '<label class="score">Score at least '
            '<input type="range" min="0" max="1" step="0.01" value="0">'
            '<output>0.00</output></label><p class="shown" role="status"></p></form>'
            '<div class="cards">'
        )

    def add(self, card: Card) -> None:
        """Writes a card.

        Raises:
            OSError: the file cannot be written.
        """
        found = [
            (self._classes.setdefault(title, len(self._classes)), score)
            for title, score in card.instances
        ]
        data = " ".join(
            f"{number}" if score is None else f"{number}:{score:.4f}"
            for number, score in found
        )
        values = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value_text(value))}</dd></div>"
            for name, value in card.values.items()
        )
        counts = "".join(
            f'<li data-class="{self._classes[title]}">{self._dot(title)}'
            f"{escape(title)} <b>{count:,}</b></li>"
            for title, count in Counter(t for t, _ in card.instances).items()
        )
        shown = img(card.image, card.name, max_side_px=self._thumbnail_px)
        name = escape(card.name)
        self._write(
            f'<article class="card" data-found="{data}">'
            f'<button type="button" class="shot">{shown}</button>'
            f'<h3 title="{name}">{name}</h3>'
            + (f'<dl class="values">{values}</dl>' if values else "")
            + (f'<p class="note">{escape(card.note)}</p>' if card.note else "")
            + (f'<ul class="counts">{counts}</ul>' if counts else "")
            + (
                "<details hidden><summary>Instances</summary><ol></ol></details>"
                if counts
                else ""
            )
            + "</article>\n"
        )

    def close(self) -> None:
        """Ends the gallery."""
        classes = [[title, self._color(title)] for title in self._classes]
        self._write(
            '</div><p class="none" hidden>No picture passes the filter.</p>'
            f'<script type="application/json">{script_json(classes)}</script></section>'
        )

    def _dot(self, title: str) -> str:
        return swatch(self._colors.get(title))

    def _color(self, title: str) -> str:
        color = self._colors.get(title)
        return color if color and swatch(color) else ""


__all__ = ["THUMBNAIL_PX", "Card", "Gallery"]
