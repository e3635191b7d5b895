"""Errors of training."""

from __future__ import annotations

from collections.abc import Sequence

from formats.errors import ConfigFileError
from formats.problem_list import told


class TrainingError(Exception):
    """A training that cannot start or go on."""


class TrainConfigError(TrainingError, ConfigFileError):
    """A train config with problems; `problems` lists them all."""


class DatasetError(TrainingError):
    """Data with problems.

    Attributes:
        problems: one line each: which file, what is wrong, how to mend it; the error's
            text has the first twenty.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(told(self.problems))
