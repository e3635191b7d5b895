"""What a report can hold beside its gallery: facts, charts, tables, pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from formats.report.text import Pixels, Value, escape, img, swatch, value_text

TICKS = 7
"""Labels of an axis at most."""
MAX_SIDE_PX = 2400
"""Longest side of a picture over the width of the page."""


class Part(Protocol):
    """A piece of a report."""

    def html(self) -> str:
        """Returns it as HTML, all texts escaped."""
        ...


@dataclass(frozen=True)
class Facts:
    """Single values side by side.

    Attributes:
        values: name -> value.
    """

    values: Mapping[str, Value]

    def html(self) -> str:
        """Returns it as HTML."""
        items = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value_text(value))}</dd></div>"
            for name, value in self.values.items()
        )
        return f'<dl class="facts">{items}</dl>'


@dataclass(frozen=True)
class Notices:
    """Warnings.

    Attributes:
        texts: one each; none gives nothing.
    """

    texts: Sequence[str]

    def html(self) -> str:
        """Returns it as HTML."""
        items = "".join(f"<li>{escape(text)}</li>" for text in self.texts)
        return f'<ul class="notices">{items}</ul>' if items else ""


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

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Value]]
    colors: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def html(self) -> str:
        """Returns it as HTML."""
        numeric = [
            all(not isinstance(row[column], str) for row in self.rows)
            for column in range(len(self.header))
        ]

        def cell(tag: str, value: Value, column: int, dot: str = "") -> str:
            align = ' class="number"' if numeric[column] else ""
            return f"<{tag}{align}>{dot}{escape(value_text(value))}</{tag}>"

        head = "".join(cell("th", name, i) for i, name in enumerate(self.header))
        body = "".join(
            "<tr>"
            + "".join(
                cell("td", value, i, "" if i else swatch(self.colors.get(str(value))))
                for i, value in enumerate(row)
            )
            + "</tr>"
            for row in self.rows
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return _figure(self.title, f'<div class="scroll">{table}</div>', self.note)


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

    title: str
    labels: Sequence[str]
    series: Mapping[str, Sequence[float | None]]
    colors: Mapping[str, str] = field(default_factory=dict)
    top: float | None = None

    def html(self) -> str:
        """Returns it as HTML."""
        top = self.top or _largest(self.series) or 1
        rows = []
        for row, label in enumerate(self.labels):
            dot = swatch(self.colors.get(label))
            tracks = "".join(
                f'<span class="track"><i class="series{number}" '
                f'style="width:{_percent(values[row], top)}"></i>'
                f"<b>{escape(value_text(values[row]))}</b></span>"
                for number, values in enumerate(self.series.values())
            )
            name = f'<span class="name" title="{escape(label)}">{dot}{escape(label)}'
            rows.append(f"<li>{name}</span><span>{tracks}</span></li>")
        body = f'<ul class="bars scroll">{"".join(rows)}</ul>'
        return _figure(self.title, _legend(self.series) + body)


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

    title: str
    edges: Sequence[float]
    series: Mapping[str, Sequence[float]]
    unit: str = ""
    is_log: bool = False
    marks: Mapping[float, str] = field(default_factory=dict)
    note: str = ""

    def html(self) -> str:
        """Returns it as HTML."""
        top = _largest(self.series) or 1
        plot = "".join(self._column(i, top) for i in range(len(self.edges) - 1))
        plot += "".join(
            f'<span class="mark" style="left:{self._left(value)}">'
            f"<b>{escape(text)}</b></span>"
            for value, text in self.marks.items()
            if self.edges[0] <= value <= self.edges[-1]
        )
        step = -(-len(self.edges) // TICKS)
        ticks = "".join(
            f'<span style="left:{self._left(edge)}">{escape(_tick(edge))}</span>'
            for edge in self.edges[::step]
        )
        body = (
            f'<div class="top">{escape(value_text(top))}</div>'
            f'<div class="plot">{plot}</div>'
            f'<div class="ticks">{ticks}</div><div class="unit">{escape(self.unit)}'
            "</div>"
        )
        return _figure(self.title, _legend(self.series) + body, self.note)

    def _column(self, index: int, top: float) -> str:
        low, high = self.edges[index : index + 2]
        values = [values[index] for values in self.series.values()]
        told = ", ".join(value_text(value) for value in values)
        bars = "".join(
            f'<i class="series{number}" style="height:{_percent(value, top)}"></i>'
            for number, value in enumerate(values)
        )
        width = self._position(high) - self._position(low)
        return (
            f'<span class="column" style="left:{self._left(low)};width:{width:.3%}" '
            f'title="{escape(f"{_tick(low)} to {_tick(high)} {self.unit}: {told}")}">'
            f"{bars}</span>"
        )

    def _left(self, value: float) -> str:
        return f"{self._position(value):.3%}"

    def _position(self, value: float) -> float:
        """Returns where on the axis a value lies, 0..1."""
        first, last = self.edges[0], self.edges[-1]
        if self.is_log:
            first, last, value = math.log(first), math.log(last), math.log(value)
        return (value - first) / (last - first)


@dataclass(frozen=True)
class Picture:
    """A picture over the width of the page.

    Attributes:
        title: what it shows.
        image: uint8[H, W, 3] RGB; shrunk where a side is longer than `MAX_SIDE_PX`.
    """

    title: str
    image: Pixels

    def html(self) -> str:
        """Returns it as HTML."""
        shown = img(self.image, self.title, max_side_px=MAX_SIDE_PX)
        body = f'<button type="button" class="shot">{shown}</button>'
        return _figure(self.title, body)


def _figure(title: str, body: str, note: str = "") -> str:
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{body}{below}</figure>"


def _legend(series: Mapping[str, object]) -> str:
    if len(series) < 2:
        return ""
    items = "".join(
        f'<li><i class="dot series{number}"></i>{escape(name)}</li>'
        for number, name in enumerate(series)
    )
    return f'<ul class="legend">{items}</ul>'


def _largest(series: Mapping[str, Sequence[float | None]]) -> float:
    return max((v for values in series.values() for v in values if v), default=0)


def _percent(value: float | None, top: float) -> str:
    return f"{min((value or 0) / top, 1):.2%}"


def _tick(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


__all__ = [
    "Bars",
    "Facts",
    "Histogram",
    "Notices",
    "Part",
    "Picture",
    "Table",
]
