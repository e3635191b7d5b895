"""Reports as one HTML file that needs nothing else: no server, no network.

Written as its blocks and cards come, so that memory does not grow with the number of
images; the file appears under its name when it is complete. Works without scripts
too, then without filters.

    cards = (Card(name, drawn, [("car", 0.93)], {"AP": 0.1}) for name, drawn in worst)
    blocks = [
        Facts({"Images": 120, "AP": 0.41}),
        Section([Bars(...), Table(...)], "Classes"),
        Gallery("Worst pictures", cards, colors={"car": "#0060FF"}),
    ]
    write_report("report.html", "Evaluation", "street.json", blocks)
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike

from jinja2 import Environment, PackageLoader, StrictUndefined

from formats.files.atomic_file import replaced_file
from formats.report.gallery import Card, Gallery
from formats.report.parts import (
    Bars,
    Facts,
    Histogram,
    ImageBlock,
    Notices,
    Section,
    Table,
)
from formats.report.text import inline_image, is_rgb, percent, tick_text, value_text

Block = Facts | Notices | Section | Gallery

_TEMPLATES = Environment(
    loader=PackageLoader("formats.report"),
    autoescape=True,
    auto_reload=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    "inline": inline_image,
    "percent": percent,
    "shown": value_text,
    "tick": tick_text,
}
_TEMPLATES.tests["rgb"] = is_rgb


def write_report(
    path: str | PathLike[str], title: str, subtitle: str, blocks: Iterable[Block]
) -> None:
    """Writes a report; an exception while blocks are read leaves no file.

    What no encoding has, such as the bytes of a file's name that is no text, becomes
    "?".

    Args:
        path: of the file; replaced if it exists.
        title: of the page.
        subtitle: under it.
        blocks: each is read, and written, after the one before.

    Raises:
        OSError: the file cannot be written.
    """
    page = _TEMPLATES.get_template("page.html")
    with replaced_file(path) as file:
        for text in page.generate(title=title, subtitle=subtitle, blocks=blocks):
            file.write(text.replace("\0", "?").encode("utf-8", "replace"))


__all__ = [
    "Bars",
    "Block",
    "Card",
    "Facts",
    "Gallery",
    "Histogram",
    "ImageBlock",
    "Notices",
    "Section",
    "Table",
    "write_report",
]
