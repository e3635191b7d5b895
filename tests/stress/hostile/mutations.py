"""Changes to sound inputs that make them odd or hostile."""

from __future__ import annotations

import functools
import json
import re
import string
import zlib
from typing import Any

import numpy as np

from tests.stress.hostile.kind import Rng

_EDGES = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
_WIDE_EDGES = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_PIECES = (b"[", b"{", b'"', b",", b"\\u", b"\\ud800", b"\xff", b"null", b"NaN")
_LONG_PIECES = (b"1e400", b"9" * 5000, b"[" * 300, b"\xff" * 8, bytes(8))
_LETTERS = "\0\x1b\x9b\ud800\u20ac\u202e~ "
_RAW = "\ue000"
"""Marks texts that `json_bytes` puts out without quotes."""

_QUOTED_RAW = re.compile(r'"\\ue000(?:[^"\\]|\\.)*"')
_ADLER_BASE = 65_521
_RAW_CHARS = 4_000_000
"""Most of such texts in one file."""

EVIL_TEXTS = (
    "",
    " ",
    ".",
    "..",
    "../../up",
    "/etc/passwd",
    "C:\\windows",
    "a\0b",
    "a/b",
    "line\nbreak",
    "\x1b[31mred\x1b[0m",
    "\x9b2J\u202eevil",
    "</script><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{7*7}}${7*7}%s%n",
    "Ünïcödé 漢字 🦆",
    "é" * 300,
    "x" * 70_000,
    "__all__",
    "train",
    "NaN",
)


def pick(rng: Rng, options: Any) -> Any:
    """Returns one of a sequence, as it is."""
    return options[int(rng.integers(len(options)))]


def chance(rng: Rng, share: float) -> bool:
    """Returns True in this share of the cases."""
    return bool(rng.random() < share)


def evil_text(rng: Rng) -> str:
    """Returns a text that trips naive code."""
    if chance(rng, 0.2):
        return "".join(pick(rng, string.printable) for _ in range(rng.integers(1, 30)))
    return pick(rng, EVIL_TEXTS)


def random_bytes(rng: Rng, most: int) -> bytes:
    """Returns up to `most` bytes."""
    return rng.bytes(int(rng.integers(1, most)))


def mutate_bytes(rng: Rng, data: bytes) -> bytes:
    """Returns data with a few changes anywhere, mostly near its begin."""
    if chance(rng, 0.03):
        return random_bytes(rng, 2000)
    content = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if not content:
            break
        _change_bytes(rng, content)
    return bytes(content)


def _change_bytes(rng: Rng, content: bytearray) -> None:
    reach = len(content) if chance(rng, 0.5) else min(len(content), 200)
    at = int(rng.integers(reach))
    kind = int(rng.integers(9))
    if kind == 0:
        content[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        content[at] = pick(rng, _EDGES)
    elif kind == 2:
        value = pick(rng, _WIDE_EDGES)
        order = pick(rng, ("big", "little"))
        content[at : at + 4] = value.to_bytes(4, order)
    elif kind == 3:
        value = pick(rng, _WIDE_EDGES) & 0xFFFF
        content[at : at + 2] = value.to_bytes(2, pick(rng, ("big", "little")))
    elif kind == 4:
        del content[at : at + int(rng.integers(1, 64))]
    elif kind == 5:
        content[at:at] = random_bytes(rng, 32)
    elif kind == 6:
        end = at + int(rng.integers(1, 64))
        content[at:at] = content[at:end] * int(rng.integers(1, 20))
    elif kind == 7:
        content[at:at] = pick(rng, (*_PIECES, *_LONG_PIECES))
    else:
        del content[at:]


def odd_value(rng: Rng) -> Any:
    """Returns a JSON value of any type and size."""
    kind = int(rng.integers(9))
    if kind == 0:
        return pick(rng, (None, True, False, [], {}, [[]], [None], {"a": 1}))
    if kind == 1:
        return pick(rng, (0, -1, 1, 2, 255, 10**6, 2**31, 2**53, 2**63, 2**64, 10**30))
    if kind == 2:
        return pick(rng, (0.5, -0.0, 1e-320, 1e308, 3.7, -1e18))
    if kind == 3:
        return raw(pick(rng, ("NaN", "Infinity", "-Infinity", "1e999", "-1e-999")))
    if kind == 4:
        digits = "9" * pick(rng, (400, 5000, 100_000))
        return raw(pick(rng, ("", "-")) + digits)
    if kind == 5:
        return raw(pick(rng, ('"\\ud800"', '"\\u0000"', '"\\udfff\\ud800"')))
    if kind == 6:
        depth = pick(rng, (50, 900, 5000, 200_000))
        return raw(pick(rng, ("[" * depth + "]" * depth, '{"a":' * depth)))
    if kind == 7:
        number = pick(rng, (100, 20_000))
        return pick(rng, ([0] * number, dict.fromkeys(map(str, range(number)), 0)))
    return evil_text(rng)


def raw(text: str) -> str:
    """Returns a value that `json_bytes` writes as this text, without quotes."""
    return _RAW + text


def mutate_json(rng: Rng, content: Any) -> Any:
    """Returns content with one to four places changed."""
    content = json.loads(json.dumps(content))
    for _ in range(int(rng.integers(1, 5))):
        places = [*_places(content)]
        if not places:
            return odd_value(rng)
        parent, key = pick(rng, places)
        _change_place(rng, parent, key, places)
    return content


def _change_place(rng: Rng, parent: Any, key: Any, places: list) -> None:
    kind = int(rng.integers(8))
    if kind == 7 and isinstance(parent[key], str) and parent[key]:
        letters = [*parent[key]]
        letters[int(rng.integers(len(letters)))] = pick(rng, _LETTERS)
        parent[key] = "".join(letters)
    elif kind <= 2:
        parent[key] = odd_value(rng)
    elif kind == 3:
        del parent[key]
    elif kind == 4:
        other, other_key = pick(rng, places)
        if _holds(other, other_key):
            parent[key] = json.loads(json.dumps(other[other_key]))
    elif kind == 5 and isinstance(parent, dict):
        parent[evil_text(rng)] = parent.pop(key)
    elif isinstance(parent, list):
        parent.extend([parent[key]] * pick(rng, (1, 3, 300)))
    else:
        parent[key] = [parent[key]]


def _holds(parent: Any, key: Any) -> bool:
    return key in parent if isinstance(parent, dict) else key < len(parent)


def _places(content: Any) -> Any:
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in [*pairs][:50]:
        yield content, key
        yield from _places(value)


def json_bytes(rng: Rng, content: Any) -> bytes:
    """Returns content as a JSON file, now and then broken or in an odd encoding."""
    text = _dumps(content)
    kind = int(rng.integers(20))
    if kind == 0:
        return mutate_bytes(rng, text.encode("utf-8", "surrogatepass"))
    if kind == 1:
        return text.encode(pick(rng, ("utf-16", "utf-8-sig", "utf-32")), "replace")
    if kind == 2:
        key = next(iter(content), "a") if isinstance(content, dict) else "a"
        many = ",".join(f'"k{i}":0' for i in range(pick(rng, (2, 50, 30_000))))
        return f'{{{many},"k0":1,{json.dumps(key)}:{text}}}'.encode(errors="replace")
    if kind == 3:
        return text.encode(errors="replace") + pick(rng, (b"x", b"\0", b"{}", b","))
    return text.encode("utf-8", "surrogatepass")


def _dumps(content: Any) -> str:
    left = _RAW_CHARS

    def unquoted(match: re.Match[str]) -> str:
        # Keys of objects too: such a file is no JSON.
        nonlocal left
        value = json.loads(match[0]).removeprefix(_RAW)
        left -= len(value)
        return value if left > 0 else "0"

    return _QUOTED_RAW.sub(unquoted, json.dumps(content))


def distort(rng: Rng, content: Any) -> bytes:
    """Returns a JSON file made of sound content: mutated, then written oddly."""
    if chance(rng, 0.1):
        return mutate_bytes(rng, _dumps(content).encode("utf-8", "surrogatepass"))
    return json_bytes(rng, content if chance(rng, 0.1) else mutate_json(rng, content))


@functools.cache
def packed_zeros(size: int) -> bytes:
    """Returns zlib data of this many bytes that are zero."""
    whole, rest = divmod(size, 1 << 20)
    sum_of_zeros = size % _ADLER_BASE << 16 | 1
    return b"".join(
        (
            b"\x78\xda",
            _deflated(1 << 20, zlib.Z_FULL_FLUSH) * whole,  # at a whole byte
            _deflated(rest, zlib.Z_FINISH),
            sum_of_zeros.to_bytes(4, "big"),
        )
    )


def _deflated(size: int, mode: int) -> bytes:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return packer.compress(bytes(size)) + packer.flush(mode)


def mask(rng: Rng, height: int, width: int) -> np.ndarray:
    """Returns a bool mask with some structure."""
    return rng.random((height, width)) < rng.random()
