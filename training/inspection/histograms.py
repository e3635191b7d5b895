"""Histograms of the sets of a training, on a common axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from training.inspection.statistics import SetNumbers

IOU_COLUMNS = 20
MAX_COLUMNS = 24
"""Columns of the objects per image."""

Array = np.ndarray[Any, Any]


class Binned(NamedTuple):
    """Counts between limits.

    Attributes:
        edges: n + 1 rising limits; the last column includes its upper one.
        counts: set -> n counts.
    """

    edges: list[float]
    counts: dict[str, list[int]]

    def percents(self) -> dict[str, list[float]]:
        """Returns the counts of each set in percent of all of it."""
        return {
            name: [100 * count / max(sum(counts), 1) for count in counts]
            for name, counts in self.counts.items()
        }

    def to_json(self) -> dict[str, Any]:
        """Returns it for a JSON file."""
        return {"edges": [round(edge, 4) for edge in self.edges], **self.counts}


def bin_sides(sets: Mapping[str, SetNumbers], marks: Sequence[float]) -> Binned:
    """Bins the objects' sides by half octaves.

    Args:
        sets: the sets.
        marks: lengths that the axis has to reach as well, above 0.
    """
    values = {name: numbers.sides for name, numbers in sets.items()}
    ends = [*marks, *(v for a in values.values() if len(a) for v in (a.min(), a.max()))]
    # A little more on both sides, so that no length falls out by its last digit.
    first = math.floor(2 * math.log2(min(ends)) - 1e-6)
    last = math.floor(2 * math.log2(max(ends)) + 1e-6) + 1
    return _binned(values, 2.0 ** (np.arange(first, last + 1) / 2))


def bin_anchor_iou(sets: Mapping[str, SetNumbers]) -> Binned:
    """Bins the IoU of the objects with their best anchors."""
    values = {name: numbers.anchor_iou for name, numbers in sets.items()}
    return _binned(values, np.linspace(0, 1, IOU_COLUMNS + 1))


def bin_per_image(sets: Mapping[str, SetNumbers]) -> Binned:
    """Bins the objects per image; limits are whole numbers."""
    values = {name: numbers.per_image for name, numbers in sets.items()}
    largest = max((int(a.max()) for a in values.values() if len(a)), default=0)
    width = -(-(largest + 1) // MAX_COLUMNS)
    columns = largest // width + 1
    return _binned(values, np.arange(columns + 1) * float(width))


def _binned(values: Mapping[str, Array], edges: Array) -> Binned:
    return Binned(
        edges.tolist(),
        {name: np.histogram(v, edges)[0].tolist() for name, v in values.items()},
    )
