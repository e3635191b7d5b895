"""What was left out of a set and why: counted by reason, with the first names.

What is held does not grow with the set.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FIRST_NAMES = 3
"""Names that a line quotes."""


@dataclass
class _Group:
    count: int = 0
    names: int = 0
    first: list[str] = field(default_factory=list)
    last: str = ""


class LeftOut:
    """Counts of what was left out, by noun and reason, in order of first appearance."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], _Group] = {}

    def __bool__(self) -> bool:
        return bool(self._groups)

    def add(self, noun: str, reason: str, name: str, count: int = 1) -> None:
        """Counts things of one file.

        Args:
            noun: what is left out, singular: "object", "file".
            reason: what goes behind the noun: "without a pixel".
            name: of the file; what belongs to one file is added in a row.
            count: how many.
        """
        group = self._groups.setdefault((noun, reason), _Group())
        group.count += count
        if name == group.last and group.names:
            return
        group.last = name
        group.names += 1
        if len(group.first) < FIRST_NAMES:
            group.first.append(name)

    def lines(self) -> list[str]:
        """Returns one line a reason: "12 objects without a pixel in 3 images: a, b, c".

        Files are not counted twice: "5 files that are no images: a, b, c and 2 more".
        """
        return [
            f"{counted(group.count, noun)} {reason}"
            + ("" if noun in _FILES else f" in {counted(group.names, 'image')}")
            + f": {named(group.first, group.names)}"
            for (noun, reason), group in self._groups.items()
        ]

    def to_json(self) -> list[dict[str, Any]]:
        """Returns [{"what", "reason", "count", "files", "first"}, ...]."""
        return [
            {
                "what": noun,
                "reason": reason,
                "count": group.count,
                "files": group.names,
                "first": list(group.first),
            }
            for (noun, reason), group in self._groups.items()
        ]


_FILES = frozenset({"annotation", "category", "file", "folder", "image", "link"})
"""Nouns that are files themselves, or named one by one."""


def counted(count: int, noun: str) -> str:
    """Returns "1 image", "2,980 images", "2 categories"."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def named(first: list[str], count: int) -> str:
    """Returns "a, b, c" or, where there are more of them, "a, b, c and 2,980 more"."""
    more = count - len(first)
    return ", ".join(first) + (f" and {more:,} more" if more > 0 else "")
