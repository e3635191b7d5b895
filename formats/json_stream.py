"""Reads one large JSON object piece by piece, so that only one piece is held.

COCO files are an object with a few long lists; what is remembered of an entry is where
it lies.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from formats.errors import FormatError

_CHUNK = 1 << 20
_OF_NUMBERS = "0123456789.eE+-"
_SPACE = " \t\n\r"


class Piece(NamedTuple):
    """An entry of a list, or a value that is no list.

    Attributes:
        key: of the outermost object.
        value: the entry.
        offset: of its first byte in the file.
        length: bytes.
    """

    key: str
    value: Any
    offset: int
    length: int


def stream_object(path: Path) -> Iterator[Piece]:
    """Yields the entries of the lists of an object, and its other values.

    Raises:
        FormatError: not readable, not UTF-8, not JSON, or not an object.
    """
    try:
        with path.open("rb") as file:
            yield from _Reader(file, path).pieces()
    except OSError as err:
        raise FormatError(f"{path}: {err.strerror or err}") from err


class _Reader:
    """A window on a file; what is parsed is thrown away."""

    def __init__(self, file: BufferedReader, path: Path) -> None:
        self._file = file
        self._path = path
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._json = json.JSONDecoder(parse_constant=self._refuse)
        self._text = ""
        self._at = 0
        self._offset = 0
        self._ended = False

    def pieces(self) -> Iterator[Piece]:
        if self._peek() == "\ufeff":
            self._skip(1)
        self._expect("{")
        if self._peek() == "}":
            return
        while True:
            if self._peek() != '"':
                raise self._error("expected a key")
            key = self._value()[0]
            self._expect(":")
            if self._peek() == "[":
                yield from self._entries(key)
            else:
                yield Piece(key, *self._value())
            if self._expect(",}") == "}":
                break
        if self._peek():
            raise self._error("expected the end of the file")

    def _entries(self, key: str) -> Iterator[Piece]:
        self._expect("[")
        if self._peek() == "]":
            self._skip(1)
            return
        while True:
            yield Piece(key, *self._value())
            if self._expect(",]") == "]":
                return

    def _value(self) -> tuple[Any, int, int]:
        """Returns the next value, its offset and its length."""
        self._peek()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as err:
                if not self._more():
                    raise self._error(err.msg) from err
                continue
            except RecursionError as err:
                raise self._error("nested too deeply") from err
            length = end - self._at
            # A number may go on in the next chunk: of "1.5", "1" and "1." come first.
            cut = self._text[end : end + 1] in _OF_NUMBERS
            if not (cut and type(value) in (int, float) and self._more()):
                offset = self._offset
                self._skip(length)
                return value, offset, self._offset - offset

    def _peek(self) -> str:
        """Returns the next character that is no space, or "" at the end."""
        while True:
            start = self._at
            while start < len(self._text) and self._text[start] in _SPACE:
                start += 1
            self._skip(start - self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _expect(self, characters: str) -> str:
        got = self._peek()
        if not got or got not in characters:
            raise self._error(f"expected {' or '.join(characters)}")
        self._skip(1)
        return got

    def _skip(self, count: int) -> None:
        passed = self._text[self._at : self._at + count]
        self._offset += count if passed.isascii() else len(passed.encode())
        self._at += count

    def _more(self) -> bool:
        """Reads on, at least as much as there is already."""
        if self._ended:
            return False
        self._text = self._text[self._at :]
        self._at = 0
        data = self._file.read(max(_CHUNK, len(self._text)))
        self._ended = not data
        try:
            self._text += self._decode(data, final=self._ended)
        except UnicodeDecodeError as err:
            raise self._error("expected UTF-8 text") from err
        return not self._ended

    def _refuse(self, text: str) -> Any:
        raise self._error(f"{text} is not a JSON number")

    def _error(self, text: str) -> FormatError:
        return FormatError(f"{self._path}: not JSON: byte {self._offset}: {text}")


__all__ = ["Piece", "stream_object"]
