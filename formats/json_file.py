"""Reads JSON as the standard has it: UTF-8, no NaN, no key twice in one object.

Time and memory grow with the file, no faster. What comes back is nested less deeply
than Python's own stack, so that whatever walks it or prints it ends.
"""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from formats.errors import ConfigFileError
from formats.problem_list import ProblemList
from formats.quoted import quoted

MAX_DEPTH = 100
"""Lists and objects inside of one another; configs and annotations have under ten."""
MAX_DIGITS = 300
"""Of a whole number, so that a float can hold it."""
MAX_BYTES = 64 << 20
"""Of a file that is read in one go."""


class NotJsonError(ValueError):
    """What `Decoder` refuses, but for `json.JSONDecodeError`."""


class Decoder(json.JSONDecoder):
    """Parses JSON; keys that are there twice in one object are collected.

    Attributes:
        repeated: one entry for each such key.
    """

    def __init__(self, *, bounds_digits: bool = True) -> None:
        """Makes a decoder of one text.

        Args:
            bounds_digits: refuse whole numbers that no float holds. Costs a third of
                the time where there are many; without it Python's own bound holds,
                4,300 digits.
        """
        self.repeated = ProblemList()
        super().__init__(
            object_pairs_hook=self._keep_object,
            parse_constant=_refuse_constant,
            parse_int=_whole_number if bounds_digits else None,
        )

    def read(self, text: str, start: int) -> tuple[Any, int]:
        """Reads the value that starts at a place.

        Returns:
            The value, and where it ends.

        Raises:
            json.JSONDecodeError: it is not JSON, or not whole.
            NotJsonError: a number of very many digits, a constant that is no JSON, or
                nested too deeply.
        """
        try:
            value, end = self.raw_decode(text, start)
        except (json.JSONDecodeError, NotJsonError):
            raise
        except ValueError as err:
            raise NotJsonError("a number has thousands of digits") from err
        except RecursionError as err:
            raise NotJsonError(_TOO_DEEP) from err
        brackets = text.count("[", start, end) + text.count("{", start, end)
        if brackets > MAX_DEPTH and _is_deep(value):
            raise NotJsonError(_TOO_DEEP)
        return value, end

    def _keep_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    name = quoted(key)
                    self.repeated.add(f"key {name} is there twice in one object")
                seen.add(key)
        return content


_TOO_DEEP = f"nested too deeply, more than {MAX_DEPTH} lists and objects"


def read_json(path: str | PathLike[str]) -> Any:
    """Reads a JSON file; a byte order mark is accepted.

    Raises:
        ConfigFileError: the file cannot be read, is not UTF-8 or is not JSON.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise ConfigFileError([f"{path}: {err.strerror or err}"]) from err
    except ValueError as err:
        raise ConfigFileError([f"{str(path)!a}: no path of a file: {err}"]) from err
    if len(data) > MAX_BYTES:
        raise ConfigFileError(
            [f"{path}: expected at most {MAX_BYTES >> 20} MiB of JSON, got more"]
        )
    return parse_json(data, str(path))


def parse_json(data: bytes, name: str) -> Any:
    """Parses the content of a JSON file; a byte order mark is accepted.

    Args:
        data: content of the file.
        name: what errors call it.

    Raises:
        ConfigFileError: it is not UTF-8 or not JSON.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ConfigFileError(
            [f"{name}: expected UTF-8 text, got other bytes at position {err.start}"]
        ) from err
    decoder = Decoder()
    try:
        content = _whole(decoder, text)
    except json.JSONDecodeError as err:
        raise ConfigFileError(
            [f"{name}: not JSON: line {err.lineno}, column {err.colno}: {err.msg}"]
        ) from err
    except NotJsonError as err:
        raise ConfigFileError([f"{name}: not JSON: {err}"]) from err
    if decoder.repeated:
        raise ConfigFileError([f"{name}: {problem}" for problem in decoder.repeated])
    return content


def _whole(decoder: Decoder, text: str) -> Any:
    """Reads the one value of a text."""
    content, end = decoder.read(text, _after_space(text, 0))
    end = _after_space(text, end)
    if end < len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return content


def _after_space(text: str, start: int) -> int:
    match = json.decoder.WHITESPACE.match(text, start)  # type: ignore[attr-defined]
    return start if match is None else int(match.end())


def _is_deep(value: Any) -> bool:
    """Says whether there are more than `MAX_DEPTH` lists and objects in one another."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise NotJsonError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _refuse_constant(text: str) -> Any:
    raise NotJsonError(f"{text} is not a JSON number")
