"""Texts for people, whatever names from files are in them."""

from __future__ import annotations


def for_terminal(text: str) -> str:
    r"""Returns a text with what a terminal would act on escaped: "\x1b", "\r".

    Lines stay lines; a file's name with an end of a line in it is not told from them.
    """
    if text.isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)


__all__ = ["for_terminal"]
