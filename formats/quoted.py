"""Wrong values as messages quote them: JSON, one line, a few characters of it."""

from __future__ import annotations

import json
import re
from typing import Any

LONGEST = 60
"""Characters of a value that a message quotes."""

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_ENCODERS = [json.JSONEncoder(ensure_ascii=ascii_only) for ascii_only in (False, True)]


def quoted(value: Any, longest: int = LONGEST) -> str:
    """Returns a value as JSON, cut off where it is long.

    Only as much of it is looked at as is quoted. What a terminal would act on is
    escaped.

    Args:
        value: what a JSON file may hold.
        longest: characters of the text.
    """
    for encoder in _ENCODERS:
        text = _start(encoder, value, longest)
        if text.isprintable():
            break
    text = text.replace("\x7f", "\\u007f")  # which JSON leaves as it is
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def quoted_name(value: Any) -> str:
    """Returns a name in single quotes, or what is in its place as `quoted` does.

    Args:
        value: text, if the file is right.
    """
    if not isinstance(value, str):
        return quoted(value)
    return repr(value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}...")


def is_whole_text(text: str) -> bool:
    """Says whether a text is one that UTF-8 can hold: JSON may cut a character."""
    return not _HALF_CHARACTER.search(text)


def _start(encoder: json.JSONEncoder, value: Any, longest: int) -> str:
    if isinstance(value, str):
        value = value[: longest + 1]
    text = ""
    try:
        for part in encoder.iterencode(value):
            text += part[: longest + 1]
            if len(text) > longest:
                break
    except (TypeError, ValueError, RecursionError):
        return f"{text}<{type(value).__name__}>" if text else f"a {_name(value)}"
    return text


def _name(value: Any) -> str:
    return "number that is too long" if isinstance(value, int) else type(value).__name__
