"""Whether a set has the class that marks what nobody looks at."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from formats.quoted import quoted
from formats.supervisely.meta import ClassMeta


def missing_neutral(
    neutral: str | None, classes: Sequence[ClassMeta], where: str
) -> list[str]:
    """Returns what to tell where a set lacks the neutral class that is named for it.

    Args:
        neutral: its title, None for none.
        classes: of the set, the neutral one among them.
        where: what the text calls the set.

    Returns:
        One text, or none.
    """
    titles = [c.title for c in classes]
    if neutral is None or neutral in titles:
        return []
    near = difflib.get_close_matches(neutral, titles, 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return [
        f"{where}: has no class {quoted(neutral)}, which is named as the neutral one, "
        f"so no pixel is neutral{hint}"
    ]


__all__ = ["missing_neutral"]
