"""Errors of the network and its weights."""

from __future__ import annotations

from collections.abc import Sequence

LISTED = 100
"""Problems that the text of an error has; a ResNet-101 has 690 arrays."""


class ModelConfigError(ValueError):
    """A model configuration that contradicts itself or the network.

    Attributes:
        problems: everything that is wrong, as "field: what".
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - LISTED
        told = [*self.problems[:LISTED], *([f"and {more:,} more"] if more > 0 else [])]
        super().__init__("model config: " + "; ".join(told))


class WeightsError(ValueError):
    """A checkpoint that cannot be read or does not fit the network.

    Attributes:
        problems: everything that is wrong, one sentence each.
    """

    def __init__(self, path: str, problems: Sequence[str], advice: str) -> None:
        self.path = path
        self.problems = tuple(problems)
        self.advice = advice
        count = len(self.problems)
        lines = [f"  - {problem}" for problem in self.problems[:LISTED]]
        if count > LISTED:
            lines.append(f"  and {count - LISTED:,} more")
        listed = "\n".join(lines)
        noun = "problem" if count == 1 else "problems"
        super().__init__(f"{path}: {count} {noun}:\n{listed}\n{advice}")
