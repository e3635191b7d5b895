"""What a report can hold beside galleries: facts, notices, charts, tables, images."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from formats.images.image import Pixels
from formats.report.text import Value

TICKS = 7
"""Labels of an axis at most."""


@dataclass(frozen=True)
class Facts:
    """Single values side by side.

    Attributes:
        values: name -> value.
    """

    template: ClassVar = "facts.html"

    values: Mapping[str, Value]


@dataclass(frozen=True)
class Notices:
    """Warnings.

    Attributes:
        texts: one each; none gives nothing.
    """

    template: ClassVar = "notices.html"

    texts: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; numbers are aligned to the right.

    Attributes:
        title: what it shows.
        header: names of the columns.
        rows: as many values each.
        colors: first cell of a row -> "#RRGGBB" of the dot beside it.
        note: a remark below.
    """

    template: ClassVar = "table.html"

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Value]]
    colors: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def numeric_columns(self) -> list[bool]:
        """Tells of each column whether it holds no text."""
        return [
            not any(isinstance(row[column], str) for row in self.rows)
            for column in range(len(self.header))
        ]


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, a row for each label and in it a bar for each series.

    Attributes:
        title: what it shows.
        labels: of the rows.
        series: name -> a value not below 0 for each label; None for no value.
        colors: label -> "#RRGGBB" of the dot beside it.
        top: what the longest possible bar stands for; the largest value without it.
    """

    template: ClassVar = "bars.html"

    title: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[float | None]]
    colors: Mapping[str, str] = field(default_factory=dict)
    top: float | None = None

    def rows(self) -> Iterator[tuple[str, list[tuple[float | None, float]]]]:
        """Yields (label, (value, length 0..1) of each series)."""
        top = self.top or _largest(self.series)
        for row, label in enumerate(self.labels):
            yield label, _lengths(self.series, row, top)


@dataclass(frozen=True)
class Histogram:
    """Counts over a numeric axis.

    Attributes:
        title: what it shows.
        edges: n + 1 rising limits of the columns.
        series: name -> n values not below 0.
        unit: of the axis.
        is_log: the axis is logarithmic; all edges are above 0.
        marks: values on the axis to draw a line at -> text of the line.
        note: a remark below.
    """

    template: ClassVar = "histogram.html"

    title: str
    edges: Sequence[float]
    series: Mapping[str, Sequence[float]]
    unit: str = ""
    is_log: bool = False
    marks: Mapping[float, str] = field(default_factory=dict)
    note: str = ""

    def top(self) -> float:
        """Returns what the upper end of the plot stands for."""
        return _largest(self.series)

    def columns(
        self,
    ) -> Iterator[tuple[float, float, list[tuple[float | None, float]]]]:
        """Yields (lower edge, upper edge, (value, height 0..1) of each series)."""
        for column, (low, high) in enumerate(itertools.pairwise(self.edges)):
            yield low, high, _lengths(self.series, column, self.top())

    def ticks(self) -> Sequence[float]:
        """Returns the edges that are labelled, evenly spread."""
        return self.edges[:: -(-len(self.edges) // TICKS)]

    def position(self, value: float) -> float:
        """Returns where on the axis a value lies, 0..1."""
        first, last = self.edges[0], self.edges[-1]
        if self.is_log:
            first, last, value = math.log(first), math.log(last), math.log(value)
        return (value - first) / (last - first)


@dataclass(frozen=True)
class ImageBlock:
    """An image over the width of the page.

    Attributes:
        title: what it shows.
        image: uint8[H, W, 3] RGB; shrunk where a side is longer than `max_side_px`.
    """

    template: ClassVar = "picture.html"
    max_side_px: ClassVar = 2400

    title: str
    image: Pixels = field(repr=False)


@dataclass(frozen=True)
class Section:
    """Parts side by side where there is room.

    Attributes:
        parts: from left to right.
        title: a heading above; none without it.
    """

    template: ClassVar = "section.html"

    parts: Sequence[Bars | Histogram | ImageBlock | Table]
    title: str = ""


def _largest(series: Mapping[str, Sequence[float | None]]) -> float:
    """Returns the largest value, 1 where none is above 0."""
    return max((v for values in series.values() for v in values if v), default=1)


def _lengths(
    series: Mapping[str, Sequence[float | None]], index: int, top: float
) -> list[tuple[float | None, float]]:
    """Returns (value, its share of the top, at most 1) of each series."""
    values = [values[index] for values in series.values()]
    return [(value, min((value or 0) / top, 1)) for value in values]
