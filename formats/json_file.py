"""Reads JSON as the standard has it: UTF-8, no NaN, no key twice in one object."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from formats.errors import ConfigError


def read_json(path: str | PathLike[str]) -> Any:
    """Reads a JSON file; a byte order mark is accepted.

    Raises:
        ConfigError: the file cannot be read, is not UTF-8 or is not JSON.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as err:
        raise ConfigError([f"{path}: {err.strerror or err}"]) from err
    return parse_json(data, str(path))


def parse_json(data: bytes, name: str) -> Any:
    """Parses the content of a JSON file; a byte order mark is accepted.

    Args:
        data: content of the file.
        name: what errors call it.

    Raises:
        ConfigError: it is not UTF-8 or not JSON.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise ConfigError(
            [f"{name}: expected UTF-8 text, got other bytes at position {err.start}"]
        ) from err
    return _parse(text, name)


def _parse(text: str, name: str) -> Any:
    repeated: list[str] = []

    def keep_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated.extend(k for k in content if keys.count(k) > 1)
        return content

    try:
        content = json.loads(
            text, object_pairs_hook=keep_object, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as err:
        raise ConfigError(
            [f"{name}: not JSON: line {err.lineno}, column {err.colno}: {err.msg}"]
        ) from err
    except (ValueError, RecursionError) as err:
        raise ConfigError([f"{name}: not JSON: {err}"]) from err
    if repeated:
        raise ConfigError(
            [f'{name}: key "{key}" is there twice in one object' for key in repeated]
        )
    return content


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON number")


__all__ = ["parse_json", "read_json"]
