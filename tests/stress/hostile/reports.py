"""Names with HTML and worse inside reports, overlays and summaries."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import numpy as np

from formats.report.report import (
    Bars,
    Card,
    Facts,
    Gallery,
    Histogram,
    ImageBlock,
    Notices,
    Section,
    Table,
    write_report,
)
from tests.stress.hostile.kind import Attempt, Bench, FindingError, Kind, Place, Rng
from tests.stress.hostile.mutations import evil_text, pick

_IMAGE = np.full((8, 9, 3), 200, np.uint8)
_COLORS = ("#010203", "#FFFFFF")
_VOID = frozenset({"meta", "img", "input", "br"})


class _Page(HTMLParser):
    """The elements of a page and the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.shape.append((f"/{tag}", ()))


def _write(path: Any, texts: list[str], color: str) -> None:
    """Writes a report with every part; each text stands at the same places."""
    names = iter(texts)

    def name() -> str:
        return next(names)

    cell, label, title = name(), name(), name()
    table = Table(name(), [name(), "n"], [[cell, 1.5]], {cell: color}, name())
    card = Card(name(), _IMAGE, [(title, 0.5)], {name(): name()}, name())
    # The name of a single series is not shown; letters keep equal texts apart.
    bars = Bars(name(), [label], {f"a{name()}": [1], f"b{name()}": [2]}, {label: color})
    histogram = Histogram(
        name(),
        [0, 1, 2],
        {f"a{name()}": [3, 4], f"b{name()}": [0, 1]},
        name(),
        marks={1: name()},
        note=name(),
    )
    blocks = [
        Facts({name(): name(), "n": 1}),
        Notices([name(), name()]),
        Section([table], name()),
        Section([bars, ImageBlock(name(), _IMAGE), histogram]),
        Gallery(name(), [card], name(), {title: color}),
    ]
    write_report(path, name(), name(), blocks)


_PLACES = 40
"""At least as many texts as `_write` puts into a page."""


@contextlib.contextmanager
def _report(place: Place) -> Iterator[Bench]:
    path = place.folder / "report.html"
    _write(path, [f"plain {i}" for i in range(_PLACES)], _COLORS[0])
    plain = _Page(path.read_text("utf-8")).shape

    def attempt(texts: list[str], color: str) -> None:
        _write(path, texts, color)
        page = path.read_bytes().decode("utf-8")
        shape = _Page(page).shape
        if shape != plain:
            new = [element for element in shape if element not in plain]
            raise FindingError(f"the page has other elements: {new[:3] or len(shape)}")
        if "\0" in page:
            raise FindingError("a NUL in the page")

    def make(rng: Rng) -> Attempt:
        texts = [evil_text(rng) for _ in range(_PLACES)]
        texts = [t if t.strip() else "blank" for t in texts]
        return Attempt("report", lambda: attempt(texts, pick(rng, _COLORS)))

    yield Bench(make)


KINDS = {"report": Kind("HTML in names inside reports", (), _report, weight=0.5)}
