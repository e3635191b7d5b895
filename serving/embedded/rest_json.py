"""JSON text to Python values, bounded in what it may cost.

A list of nothing takes three bytes of a body and 60 of memory, so what a body may hold
is counted before it is parsed.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from serving.embedded.errors import invalid_argument

MAX_VALUES = 5_000_000
"""Most commas of a body: numbers of an image, and more than strings need."""
MAX_LISTS = 1_500_000
"""Most lists and objects of a body: pixels, where images come as numbers."""
_SHOWN_CHARS = 80
_SHOWN_KEYS = 5
_BEYOND_JSON = (b"NaN", b"Infinity")


def check_counts(body: bytes) -> None:
    """Refuses a body with more values than the largest useful one has.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    for count, most, what in (
        (body.count(b","), MAX_VALUES, "values"),
        (body.count(b"[") + body.count(b"{"), MAX_LISTS, "lists and objects"),
    ):
        if count > most:
            raise invalid_argument(
                f"JSON Parse error: expected at most {most} {what}, got {count}; send "
                'pictures as {"b64": "..."}, or use gRPC'
            )


def load(body: bytes) -> Any:
    """Parses a body; NaN and Infinity are taken, as TensorFlow Serving takes them.

    Raises:
        ServingError: INVALID_ARGUMENT, no JSON, nested too deeply, or a number or a
            text that cannot be.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as err:
        if not any(word in body for word in _BEYOND_JSON):
            raise invalid_argument(f"JSON Parse error: {err}") from err
    try:
        return json.loads(body)
    except RecursionError as err:
        raise invalid_argument("JSON Parse error: nested too deeply") from err
    except ValueError as err:
        raise invalid_argument(f"JSON Parse error: {err}") from err


@contextmanager
def no_collection() -> Iterator[None]:
    """Keeps Python's collector of cycles away while JSON values live.

    At each of some hundred new lists it may look through all that the process holds, 20
    times the work of parsing; and JSON has no cycles to find.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def cited(value: Any) -> str:
    """Returns a value for a text; the repr of a body would take longer than to run."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        some = list(value)[:_SHOWN_KEYS]
        keys = ", ".join(repr(str(key)[:_SHOWN_CHARS]) for key in some)
        return f"an object with {keys or 'no keys'}"
    text = json.dumps(value[:_SHOWN_CHARS] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
