"""Reports as one HTML file that needs nothing else: no server, no network.

Written piece by piece, so that memory does not grow with the number of pictures; the
file appears under its name when it is complete. Works without scripts too, then without
filters.

    with html_report("report.html", "Evaluation", "street.json") as report:
        report.add(Facts({"Pictures": 120, "AP": 0.41}))
        report.section("Classes", Bars(...), Table(...))
        with report.gallery("Worst pictures", colors={"car": "#0060FF"}) as gallery:
            gallery.add(Card("a.jpg", drawn, [("car", 0.93)], {"AP": 0.1}))
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from os import PathLike

from formats.files.atomic_file import replaced_file
from formats.report.gallery import THUMBNAIL_PX, Card, Gallery
from formats.report.parts import (
    Bars,
    Facts,
    Histogram,
    Notices,
    Part,
    Picture,
    Table,
)
from formats.report.text import escape

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)
"""Has the browser refuse every request, whatever a text might smuggle in."""


class HtmlReport:
    """A report that is being written; made by `html_report`."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def add(self, *parts: Part) -> None:
        """Writes parts, side by side where there is room.

        Raises:
            OSError: the file cannot be written.
        """
        shown = [text for part in parts if (text := part.html())]
        if shown:
            self._write(f'<div class="row">{"".join(shown)}</div>\n')

    def section(self, title: str, *parts: Part) -> None:
        """Writes a heading and parts under it.

        Raises:
            OSError: the file cannot be written.
        """
        self._write(f"<h2>{escape(title)}</h2>\n")
        self.add(*parts)

    @contextlib.contextmanager
    def gallery(
        self,
        title: str,
        *,
        note: str = "",
        colors: Mapping[str, str] | None = None,
        thumbnail_px: int = THUMBNAIL_PX,
        wide: bool = False,
    ) -> Iterator[Gallery]:
        """Starts a gallery; the end of the block ends it.

        Args:
            title: above the cards.
            note: a remark under the title.
            colors: class -> "#RRGGBB".
            thumbnail_px: longest side of the pictures.
            wide: cards twice as wide, for pictures with parts side by side.

        Raises:
            OSError: the file cannot be written.
        """
        gallery = Gallery(
            self._write,
            title,
            note=note,
            colors=colors,
            thumbnail_px=thumbnail_px,
            wide=wide,
        )
        yield gallery
        gallery.close()


@contextlib.contextmanager
def html_report(
    path: str | PathLike[str], title: str, subtitle: str = ""
) -> Iterator[HtmlReport]:
    """Starts a report; an exception in the block leaves no file.

    Args:
        path: of the file; replaced if it exists.
        title: of the page.
        subtitle: under it.

    Raises:
        OSError: the file cannot be written.
    """
    with replaced_file(path) as file:

        def write(text: str) -> None:
            file.write(text.encode("utf-8"))

        below = f"<p>{escape(subtitle)}</p>" if subtitle else ""
        write(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(title)}</title><style>{_asset('report.css')}</style>"
            f"</head><body><header><h1>{escape(title)}</h1>{below}</header><main>\n"
        )
        yield HtmlReport(write)
        write(
            '</main><dialog><form method="dialog"><button aria-label="Close">'
            '<img alt=""></button></form></dialog>'
            f"<script>{_asset('report.js')}</script></body></html>\n"
        )


def _asset(name: str) -> str:
    return files("formats.report").joinpath(name).read_text("utf-8")


__all__ = [
    "Bars",
    "Card",
    "Facts",
    "Gallery",
    "Histogram",
    "HtmlReport",
    "Notices",
    "Part",
    "Picture",
    "Table",
    "html_report",
]
