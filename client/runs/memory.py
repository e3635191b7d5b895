"""Keeps the memory of a long run where it was after the first images."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
_ARENAS = 2


def limit_arenas() -> None:
    """Has all threads share memory that was freed.

    The C library of Linux otherwise gives each thread its own, which grows with the
    largest that each has ever had. Elsewhere nothing happens.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
    except (OSError, AttributeError, TypeError):
        return
