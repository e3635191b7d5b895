"""Whether the text of a refusal is one for people to read."""

from __future__ import annotations

import re

MOST_CHARS = 20_000
_AROUND = 60
_PYTHON_WORDS = re.compile(
    "NoneType|None|list indices|unhashable|object is not|Traceback|sys[.]set_int|"
    "codec can't|must be a? ?(str|number|float)|argument"
)


def fault_of(message: str) -> str:
    """Returns what is wrong with a message, "" where nothing is."""
    if not message.strip():
        return "a refusal without a word"
    if len(message) > MOST_CHARS:
        return f"a message of {len(message)} characters: {message[:_AROUND]!a}"
    for at, char in enumerate(message):
        if char != "\n" and not char.isprintable():
            return f"{char!a} in a message: {_excerpt(message, at)}"
    if found := _PYTHON_WORDS.search(message):
        return f"words of Python in a message: {_excerpt(message, found.start())}"
    return ""


def _excerpt(message: str, at: int) -> str:
    return ascii(message[max(at - _AROUND, 0) : at + _AROUND])
