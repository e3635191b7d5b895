"""Reads one large JSON object piece by piece, so that only one piece is held.

COCO files are an object with a few long lists; what is remembered of an entry is where
it lies.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from formats.errors import FormatError
from formats.json_file import Decoder, NotJsonError
from formats.quoted import quoted

MAX_PIECE = 64 << 20
"""Characters of an entry; those of the largest real sets have a hundredth of it."""
_CHUNK = 1 << 20
_OF_NUMBERS = "0123456789.eE+-"
_SPACE = re.compile("[ \t\n\r]*")
_LONGEST_WORD = 16
"""Characters that may be missing where an error is due to the end of the window: of
`-Infinity`, or of an escaped character."""
_OPEN_STRING = "Unterminated string"


class Piece(NamedTuple):
    """An entry of a list, or a value that is no list.

    Attributes:
        key: of the outermost object.
        value: the entry.
        offset: of its first byte in the file.
        length: bytes.
        number: of the entry in its list; None where the value is no list.
    """

    key: str
    value: Any
    offset: int
    length: int
    number: int | None = None


def stream_object(path: Path) -> Iterator[Piece]:
    """Yields the entries of the lists of an object, and its other values.

    An empty list yields nothing.

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
        self._json = Decoder(bounds_digits=False)
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
        keys: set[str] = set()
        while True:
            if self._peek() != '"':
                raise self._error("expected a key")
            key = self._value()[0]
            if key in keys:
                raise self._error(f"key {quoted(key)} is there twice")
            keys.add(key)
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
        for number in itertools.count():
            yield Piece(key, *self._value(), number)
            if self._expect(",]") == "]":
                return

    def _value(self) -> tuple[Any, int, int]:
        """Returns the next value, its offset and its length."""
        self._peek()
        while True:
            try:
                value, end = self._json.read(self._text, self._at)
            except json.JSONDecodeError as err:
                if not (self._is_cut(err) and self._more()):
                    place = self._offset + _bytes(self._text[self._at : err.pos])
                    raise self._error(f"{err.msg} (byte {place})") from err
                continue
            except NotJsonError as err:
                raise self._error(str(err)) from err
            length = end - self._at
            # A number may go on in the next chunk: of "1.5", "1" and "1." come first.
            cut = self._text[end : end + 1] in _OF_NUMBERS
            if cut and type(value) in (int, float) and self._more():
                continue
            for problem in self._json.repeated:
                raise self._error(problem)
            offset = self._offset
            self._skip(length)
            return value, offset, self._offset - offset

    def _is_cut(self, err: json.JSONDecodeError) -> bool:
        """Says whether an error may come from the end of the window."""
        near_the_end = err.pos >= len(self._text) - _LONGEST_WORD
        return near_the_end or err.msg.startswith(_OPEN_STRING)

    def _peek(self) -> str:
        """Returns the next character that is no space, or "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            if match is not None:
                self._skip(match.end() - self._at)
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
        self._offset += _bytes(passed)
        self._at += count

    def _more(self) -> bool:
        """Reads on, at least as much as there is already."""
        if self._ended:
            return False
        self._text = self._text[self._at :]
        self._at = 0
        if len(self._text) > MAX_PIECE:
            raise self._error(
                f"expected entries of at most {MAX_PIECE >> 20} MiB, got a longer one"
            )
        data = self._file.read(max(_CHUNK, len(self._text)))
        self._ended = not data
        try:
            self._text += self._decode(data, final=self._ended)
        except UnicodeDecodeError as err:
            raise self._error("expected UTF-8 text") from err
        return not self._ended

    def _error(self, text: str) -> FormatError:
        return FormatError(f"{self._path}: not JSON: byte {self._offset}: {text}")


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
