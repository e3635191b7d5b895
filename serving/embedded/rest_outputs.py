"""Predict answers as JSON, in TensorFlow Serving's row and column form.

Row form: `{"predictions": [...]}`, one entry an image. Column form: `{"outputs":
...}`, one value an output. A string output is written as `{"b64": "..."}` when its
alias ends in `_bytes`, else as text. NaN and Infinity are written bare, as TensorFlow
Serving writes them. Large arrays are written part by part, so that other threads get
their turn.
"""

from __future__ import annotations

import base64
import json

import numpy as np
import orjson

from serving.embedded.errors import invalid_argument
from serving.protos.tensors import Array

_BYTES_SUFFIX = "_bytes"
_STEP_VALUES = 2**16


def write_outputs(outputs: dict[str, Array], *, rows: bool) -> bytes:
    """Returns the JSON of an answer, in the form of its request.

    Raises:
        ServingError: INVALID_ARGUMENT, outputs that have no common batch in row form,
            or a string output that is not UTF-8 and not named `..._bytes`.
    """
    if not rows:
        return _object({"outputs": _named(outputs)})
    batch = 0
    for index, (alias, array) in enumerate(outputs.items()):
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {alias} has no shape information")
        if index and batch != len(array):
            raise invalid_argument(
                f"Tensor name: {alias} has inconsistent batch size: {len(array)} "
                f"expecting: {batch}"
            )
        batch = len(array)
    items = [
        _named({alias: array[row, ...] for alias, array in outputs.items()})
        for row in range(batch)
    ]
    return _object({"predictions": _list(items)})


def _named(outputs: dict[str, Array]) -> bytes:
    """An output that is the only one stands for itself."""
    values = {alias: _value(alias, array) for alias, array in outputs.items()}
    return next(iter(values.values())) if len(values) == 1 else _object(values)


def _value(alias: str, array: Array) -> bytes:
    if array.ndim > 1 and array.size > _STEP_VALUES:
        return _list([_value(alias, part) for part in array])
    if array.dtype == object:
        return orjson.dumps(_strings(alias, array))
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        # The library has no word for what is not finite.
        digits = array.astype("S").astype(np.float64)
        return json.dumps(digits.tolist(), separators=(",", ":")).encode()
    content = np.ascontiguousarray(array)  # has a dimension, whatever it is given
    text = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return text if array.ndim else text[1:-1]


def _strings(alias: str, array: Array) -> object:
    write = _base64_object if alias.endswith(_BYTES_SUFFIX) else bytes.decode
    try:
        flat = [write(item) for item in array.ravel()]
    except UnicodeDecodeError as err:
        raise invalid_argument(
            f"Tensor name: {alias} holds a string that is not UTF-8 and whose name "
            f"does not end in {_BYTES_SUFFIX}; use gRPC"
        ) from err
    strings = np.empty(len(flat), dtype=object)
    strings[:] = flat
    return strings.reshape(array.shape).tolist()


def _base64_object(item: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(item).decode()}


def _object(values: dict[str, bytes]) -> bytes:
    return (
        b"{"
        + b",".join(orjson.dumps(name) + b":" + value for name, value in values.items())
        + b"}"
    )


def _list(items: list[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"
