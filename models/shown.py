"""Values and names of users' files as messages about the network have them."""

from __future__ import annotations

import json
from typing import Any

LONGEST = 60
"""Characters of a value that a message has."""


def quote(value: Any) -> str:
    """Returns a value in JSON's words, a text in single quotes; cut where it is long.

    Nothing of it acts on a terminal.
    """
    if isinstance(value, str):
        return repr(_cut(value))
    text = json.dumps(value, default=repr).replace("\x7f", "\\u007f")
    return _cut(text)


def shown_name(name: str) -> str:
    """Returns a name without quotes, else as `quote` does."""
    return quote(name)[1:-1]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
