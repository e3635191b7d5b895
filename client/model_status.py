"""What a server says of the versions of a model."""

from __future__ import annotations

from typing import Any, NamedTuple

from serving.plain_text import visible
from serving.protos import ModelVersionStatus

MOST_PROBLEMS = 3
"""Versions that did not load, which a message lists."""


class Versions(NamedTuple):
    """The versions of a model, in short.

    Attributes:
        available: one is served.
        loading: one that is on its way, None if none is.
        problem: why none was loaded, "" unless all failed.
    """

    available: bool
    loading: int | None
    problem: str


def read_status(response: Any) -> Versions:
    """Reads a GetModelStatusResponse."""
    statuses = response.model_version_status
    states = ModelVersionStatus
    loading = [s.version for s in statuses if s.state in (states.START, states.LOADING)]
    broken = [s for s in statuses if s.state == states.END and s.status.error_code]
    told = "; version ".join(
        f"{s.version}: {visible(s.status.error_message)}"
        for s in broken[:MOST_PROBLEMS]
    )
    return Versions(
        available=any(s.state == states.AVAILABLE for s in statuses),
        loading=max(loading, default=None),
        problem=told if broken and len(broken) == len(statuses) else "",
    )


__all__ = ["Versions", "read_status"]
