"""Errors about users' files."""

from __future__ import annotations

from collections.abc import Sequence

from formats.problem_list import told


class FormatError(ValueError):
    """A file that is not what it should be."""


class ConfigFileError(FormatError):
    """A config with problems.

    Attributes:
        problems: one line each, "file: path.to.key: what is wrong"; the text of the
            error has the first twenty.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(told(self.problems))


class AnnotationFileError(FormatError):
    """A project meta or an annotation that cannot be read or put together.

    Attributes:
        problems: one text each; the error's text has the first twenty.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__(told(problems))


class ImageFileError(FormatError):
    """An image that cannot be read."""
