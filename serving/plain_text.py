"""Characters that a terminal acts on: refused in names, made visible in messages."""

from __future__ import annotations

import re

LONGEST = 60
"""Characters of a value that a message quotes."""
_ACTING = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls of both sets, escape among them
    "\u2028\u2029"  # ends of a line and of a paragraph
    "\u202a-\u202e\u2066-\u2069"  # turns of the direction of writing
    "\ud800-\udfff]"  # halves of a character, which no encoding takes
)


def acting_character(text: str) -> str:
    """Returns the first character that is not to be shown, "" if there is none."""
    found = _ACTING.search(text)
    return found.group() if found else ""


def visible(text: str, *, keep: str = "") -> str:
    r"""Replaces what a terminal would act on by its escape ("\u001b", as in JSON).

    Args:
        text: of any origin.
        keep: characters that stay, "\n" for texts of several lines.
    """
    return _ACTING.sub(
        lambda found: (
            found.group() if found.group() in keep else f"\\u{ord(found.group()):04x}"
        ),
        text,
    )


def shortened(value: object) -> str:
    """Returns a value as a message quotes it: visible, on one line, and not long."""
    if isinstance(value, (str, bytes)):
        value = value[: LONGEST + 1]
    elif isinstance(value, (list, tuple, dict)):
        return f"{type(value).__name__} of {len(value)}"
    elif isinstance(value, int) and abs(value) >= 10**LONGEST:
        return "a huge number"
    text = visible(repr(value))
    return text if len(text) <= LONGEST + 2 else f"{text[:LONGEST]}..."
