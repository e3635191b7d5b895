"""The one loader of JSON configs: pydantic checks, every problem told at once.

A problem reads `inference.json: mode.window.width: expected >= 1, got 0`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from os import PathLike
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, get_args, get_origin

from formats.errors import ConfigFileError
from formats.json_file import read_json
from formats.problem_list import MOST
from formats.quoted import quoted

if TYPE_CHECKING:
    from pydantic import BaseModel

    M = TypeVar("M", bound=BaseModel)

LONGEST_VALUE = 60
"""Characters of a wrong value that a problem quotes."""

_KINDS = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_from_float": "an integer",
    "int_type": "an integer",
    "list_type": "a list",
    "mapping_type": "an object",
    "model_attributes_type": "an object",
    "model_type": "an object",
    "string_type": "a string",
    "string_unicode": "text without half a character",
    "tuple_type": "a list",
}
_BOUNDS = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
    "too_long": ("a list no longer than", "max_length"),
    "too_short": ("a list no shorter than", "min_length"),
}


def load_config(
    source: str | PathLike[str] | Mapping[str, Any],
    model: type[M],
    *,
    name: str | None = None,
) -> M:
    """Reads a config and checks it.

    Args:
        source: a JSON file, or its content.
        model: the pydantic model that describes it.
        name: what problems call the config; the path, or "config", if not given.

    Raises:
        ConfigFileError: not readable, not JSON, or not what the model says; every
            problem that was found is in `problems`.
    """
    from pydantic import ValidationError  # slow to import, and not always needed

    if isinstance(source, Mapping):
        content, name = dict(source), name or "config"
    else:
        content, name = read_json(source), name or str(source)
    try:
        return model.model_validate(content)
    except ValidationError as err:
        raise ConfigFileError(
            [f"{name}: {problem}" for problem in _problems(err, model)]
        ) from err


def _problems(err: Any, model: type[BaseModel]) -> list[str]:
    """Returns one line a path; the members of a union share theirs."""
    told: dict[str, list[tuple[str, str]]] = {}
    for error in err.errors(include_url=False):
        path, siblings = _locate(error, model)
        # Near names are looked for as long as somebody reads them.
        known = siblings if len(told) < MOST else None
        told.setdefault(path, []).append(_describe(error, known))
    lines = []
    for path, texts in told.items():
        expected, got = " or ".join(dict.fromkeys(t for t, _ in texts)), texts[0][1]
        lines.append(f"{path}: {expected}{got}" if path else f"{expected}{got}")
    return lines


def _describe(error: Any, siblings: list[str] | None) -> tuple[str, str]:
    """Returns what was expected, and what was there instead."""
    kind, context = error["type"], error.get("ctx", {})
    got = f", got {quoted(error['input'], LONGEST_VALUE)}"
    if kind == "missing":
        return "is missing", ""
    if kind == "extra_forbidden":
        hint = "" if siblings is None else _suggest(str(error["loc"][-1]), siblings)
        return f"unknown key{hint}", ""
    if kind in _KINDS:
        return f"expected {_KINDS[kind]}", got
    if kind in _BOUNDS:
        sign, bound = _BOUNDS[kind]
        return f"expected {sign} {context[bound]:g}", got
    if kind == "literal_error":
        return f"expected {context['expected']}", got
    if kind == "union_tag_invalid":
        tag = quoted(context["tag"], LONGEST_VALUE)
        return f"expected one of {context['expected_tags']}, got {tag}", ""
    if kind == "union_tag_not_found":
        return "is missing", ""
    if kind == "string_too_short" and context["min_length"] == 1:
        return "expected a string that is not empty", got
    if kind == "string_pattern_mismatch":
        return f"expected text of the form {context['pattern']}", got
    return error["msg"].removeprefix("Value error, "), ""


def _shown(key: str) -> str:
    """Returns an unknown key as paths show it."""
    is_plain = len(key) <= LONGEST_VALUE and key.isprintable()
    return key if is_plain else quoted(key, LONGEST_VALUE)


def _suggest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known keys: {', '.join(known)}" if known else ""


def _locate(error: Any, model: type[BaseModel]) -> tuple[str, list[str]]:
    """Returns an error's path as the user wrote it, and the keys allowed beside it.

    pydantic puts the tags of unions and the names of their members into the path; they
    are no keys of the file.
    """
    types: list[Any] = [model]
    path, siblings = "", []
    for part in error["loc"]:
        fields = dict(_fields(types))
        siblings = sorted(fields)
        if isinstance(part, int):
            path += f"[{part}]"
            types = [m for t in types for arg in get_args(t) for m in _members(arg)]
        elif part in fields:
            path += f".{part}"
            types = list(_members(fields[part]))
        elif tagged := [t for t in types if _tag_of(t, part)]:
            types = tagged
        elif part == error["loc"][-1] and error["type"] == "extra_forbidden":
            path += f".{_shown(part)}"
    if error["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        path += "." + error["ctx"]["discriminator"].strip("'")
    return path.removeprefix("."), siblings


def _members(annotation: Any) -> Iterator[Any]:
    """Yields the types that an annotation allows, out of Union and Annotated."""
    if get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    elif hasattr(annotation, "__metadata__"):
        yield from _members(get_args(annotation)[0])
    else:
        yield annotation


def _fields(types: list[Any]) -> Iterator[tuple[str, Any]]:
    for annotation in types:
        for key, field in getattr(annotation, "model_fields", {}).items():
            yield field.alias or key, field.annotation


def _tag_of(annotation: Any, tag: str) -> bool:
    """Says whether a union's member is the one that a tag names."""
    return any(tag in get_args(kind) for _, kind in _fields([annotation]))
