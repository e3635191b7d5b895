"""What one kind of inputs is: how they are made, and what may become of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Rng = np.random.Generator


class FindingError(Exception):
    """The product did with an input what it must not do."""


class ProgramRefusalError(Exception):
    """A program ended with an exit code and text that say what is wrong."""


class BrokenBenchError(FindingError):
    """As `FindingError`, and what the inputs are tried on has to be set up again."""


@dataclass(frozen=True)
class Attempt:
    """One input, made and ready to be tried.

    Attributes:
        label: what it is, for the report of a failure.
        run: hands it to the product. Returns where the product took it, raises one of
            the kind's refusals where it was refused, and `FindingError` where a check
            of its own fails.
    """

    label: str
    run: Callable[[], object]


@dataclass(frozen=True)
class Bench:
    """What inputs are tried on.

    Attributes:
        make: makes an input; neither its time nor its memory counts.
        pid: the process whose time and memory are bounded.
    """

    make: Callable[[Rng], Attempt]
    pid: int = field(default_factory=os.getpid)


@dataclass(frozen=True)
class Place:
    """Where a kind works.

    Attributes:
        folder: an empty folder of its own.
        model: base path of an exported model, for the kinds that serve one.
    """

    folder: Path
    model: Path | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of inputs.

    Attributes:
        about: what is tried, in a few words.
        refusals: exceptions by which an input is refused as it should be.
        opened: sets up what inputs are tried on.
        cpu_s: most CPU time of one input, of the process that is watched.
        growth_mb: most memory that this process may take for one input.
        weight: how many of the collection's inputs are of this kind, against others.
        needs_model: `Place.model` has to be there.
        message: what a refusal tells the user, who must be able to read it; None
            where no user reads it.
    """

    about: str
    refusals: tuple[type[BaseException], ...]
    opened: Callable[[Place], AbstractContextManager[Bench]]
    cpu_s: float = 5.0
    growth_mb: float = 256.0
    weight: float = 1.0
    needs_model: bool = False
    message: Callable[[BaseException], str] | None = str
