"""Lists of lists of JSON numbers to arrays, in steps that hold nobody up.

numpy alone would make text of what it is given where one value is a text, each entry as
long as the longest.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

import numpy as np

from serving.embedded.errors import ServingError, invalid_argument
from serving.embedded.rest_json import MAX_VALUES, cited
from serving.protos.tensors import Array

MAX_RANK = 32
"""Most dimensions of an array that every version of numpy can have."""
_STEP_VALUES = 2**16
_JSON_TYPES: dict[str, set[type]] = {
    "b": {bool},
    "i": {int},
    "u": {int},
    "f": {int, float},
}
"""numpy kind of the input -> types that its JSON values may have."""
_KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}


def nested_shape(value: Any) -> tuple[int, ...]:
    """Returns the shape of lists in lists, by the first of each."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def number_array(value: Any, alias: str, wanted: np.dtype[Any]) -> Array:
    """Makes an array of JSON values without losing any of them.

    Args:
        value: a number or bool, or lists of them.
        alias: the input, for the texts.
        wanted: dtype of the input.

    Raises:
        ServingError: INVALID_ARGUMENT, values of another type, of no common shape, or
            that the dtype does not hold.
    """
    shape = nested_shape(value)
    if len(shape) > MAX_RANK or math.prod(shape) > MAX_VALUES + 1:
        raise _irregular(value, alias, f"nothing of shape {list(shape)[:MAX_RANK]}")
    array = np.empty(shape, wanted)
    _fill(array, value, alias)
    return array


def _fill(array: Array, value: Any, alias: str) -> None:
    if array.ndim <= 1 or array.size <= _STEP_VALUES:
        array[...] = _step(value, array.shape, alias, array.dtype)
        return
    if not isinstance(value, list) or len(value) != len(array):
        raise _irregular(value, alias, f"expected a list of {len(array)}")
    for part, item in zip(array, value, strict=True):
        _fill(part, item, alias)


def _step(value: Any, shape: tuple[int, ...], alias: str, wanted: Any) -> Array:
    leaves = [value]
    for size in shape:
        if any(not isinstance(item, list) or len(item) != size for item in leaves):
            raise _irregular(value, alias, f"expected lists of {size}")
        leaves = list(chain.from_iterable(leaves))
    types = set(map(type, leaves))
    if list in types:
        raise _irregular(value, alias, "expected values, got a list")
    if types - _JSON_TYPES[wanted.kind]:
        raise _wrong_type(value, alias, wanted)
    given = np.array(leaves).reshape(shape)
    if not given.size:
        return given.astype(wanted)
    if given.dtype.kind not in _KINDS[wanted.kind]:  # integers of more than 64 bits
        raise _wrong_type(value, alias, wanted)
    with np.errstate(over="ignore"):
        array = given.astype(wanted)
    lost = (
        np.isfinite(given) & ~np.isfinite(array)
        if wanted.kind == "f"
        else given != array
    )
    if lost.any():
        raise invalid_argument(
            f"input {alias}: Cannot convert JSON value: {given[lost].ravel()[0]} to "
            f"{_name(wanted)} without loss of precision."
        )
    return array


def _irregular(value: Any, alias: str, why: str) -> ServingError:
    return invalid_argument(
        f"input {alias}: JSON Value: {cited(value)} is no regular list of lists: {why}"
    )


def _wrong_type(value: Any, alias: str, wanted: Any) -> ServingError:
    return invalid_argument(
        f"input {alias}: JSON Value: {cited(value)} is not of expected type: "
        f"{_name(wanted)}"
    )


def _name(dtype: Any) -> str:
    """Returns how TensorFlow names a dtype."""
    return {"float32": "float", "float64": "double"}.get(dtype.name, dtype.name)
