"""Lists of problems that end: the first ones, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MOST = 20
"""Problems that are told one by one."""


class More(str):
    """The last line of a list that was cut: "and 2,980 more".

    Attributes:
        number: of the problems that are not told.
    """

    __slots__ = ("number",)
    number: int

    def __new__(cls, number: int) -> More:
        """Makes the line of a number."""
        line = super().__new__(cls, f"and {number:,} more")
        line.number = number
        return line

    def __reduce__(self) -> tuple[type[More], tuple[int]]:
        return More, (self.number,)


class ProblemList:
    """Collects problems; what is held does not grow with them."""

    def __init__(self, problems: Iterable[str] = ()) -> None:
        """Takes the first problems.

        Args:
            problems: texts; what an earlier list left out is counted on.
        """
        self._first: list[str] = []
        self._more = 0
        self.extend(problems)

    def __bool__(self) -> bool:
        return bool(self._first or self._more)

    def __len__(self) -> int:
        """Returns the number of all problems."""
        return len(self._first) + self._more

    def __iter__(self) -> Iterator[str]:
        """Yields the first problems, then how many more there are."""
        yield from self._first
        if self._more:
            yield More(self._more)

    def add(self, problem: str) -> None:
        """Adds one."""
        if isinstance(problem, More):
            self._more += problem.number
        elif len(self._first) < MOST:
            self._first.append(problem)
        else:
            self._more += 1

    def extend(self, problems: Iterable[str]) -> None:
        """Adds several."""
        for problem in problems:
            self.add(problem)


def located(where: str, problems: Iterable[str]) -> Iterator[str]:
    """Yields problems behind the place that they are at; a number of more stays one."""
    for problem in problems:
        yield problem if isinstance(problem, More) else f"{where}: {problem}"


def told(problems: Iterable[str]) -> str:
    """Returns one line a problem, twenty at most and how many more there are."""
    return "\n".join(ProblemList(problems))
