"""Numbers on a command line: argparse types that say what they expect."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole_number(least: int, most: int | None = None) -> Callable[[str], int]:
    """Returns a type for whole numbers within bounds, the bounds included.

    Args:
        least: the smallest that is taken.
        most: the largest, None where there is none.
    """
    limit = "" if most is None else f" and at most {most}"

    def read(text: str) -> int:
        try:
            # Python also reads digits of other scripts, and may refuse to read many.
            number = int(text) if text.isascii() else least - 1
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            raise argparse.ArgumentTypeError(
                f"expected a whole number, at least {least}{limit}, got {text!r}"
            )
        return number

    return read


positive = whole_number(1)
count = whole_number(0)


def fraction(text: str) -> float:
    """Reads a number from 0 to 1."""
    number = _number(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"expected a number 0 to 1, got {text!r}")
    return number


def seconds(text: str) -> float:
    """Reads a time that may be none, but has an end."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number, at least 0, got {text!r}")
    return number


def some_seconds(text: str) -> float:
    """Reads a time that has a length and an end."""
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f"expected a number of seconds above 0, got {text!r}"
        )
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
