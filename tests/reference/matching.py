"""Pairs the rows of two results whose order is free among near-ties."""

from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """Detections of one image: float[D, 4] boxes, int[D] classes, float[D] scores."""

    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray


def pair(found, expected, tolerance):
    """Pairs rows of one class whose boxes and scores differ by no more than this.

    Returns:
        The (row of found, row of expected) pairs, and the rows of each left over.
    """
    pairs = []
    free = set(range(len(found.scores)))
    for row in range(len(expected.scores)):
        fits = [
            (distance(found, other, expected, row), other)
            for other in free
            if found.class_ids[other] == expected.class_ids[row]
        ]
        best, other = min(fits, default=(np.inf, -1))
        if best <= tolerance:
            pairs.append((other, row))
            free.discard(other)
    paired = {row for _, row in pairs}
    rest = [row for row in range(len(expected.scores)) if row not in paired]
    return pairs, sorted(free), rest


def distance(a, i, b, j):
    """Largest difference of box and score between two rows."""
    return max(np.abs(a.boxes[i] - b.boxes[j]).max(), abs(a.scores[i] - b.scores[j]))
