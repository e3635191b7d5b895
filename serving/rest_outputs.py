"""Predict answers as JSON, in TensorFlow Serving's row and column form.

Row form: `{"predictions": [...]}`, one entry a picture. Column form: `{"outputs":
...}`, one value an output. A string output is written as `{"b64": "..."}` when its
alias ends in `_bytes`, else as text.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from serving.errors import invalid_argument
from serving.protos.tensors import Array

_BYTES_SUFFIX = "_bytes"
_FLOAT_CHUNK = 1 << 16


def write_outputs(outputs: dict[str, Array], *, rows: bool) -> dict[str, Any]:
    """Makes the JSON content of an answer, in the form of its request.

    Raises:
        ServingError: INVALID_ARGUMENT, outputs that have no common batch in row form,
            or a string output that is not UTF-8 and not named `..._bytes`.
    """
    values = {alias: _to_json(alias, array) for alias, array in outputs.items()}
    if not rows:
        single = len(values) == 1
        return {"outputs": next(iter(values.values())) if single else values}
    batch = None
    for alias, array in outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {alias} has no shape information")
        if batch not in (None, len(array)):
            raise invalid_argument(
                f"Tensor name: {alias} has inconsistent batch size: {len(array)} "
                f"expecting: {batch}"
            )
        batch = len(array)
    if len(values) == 1:
        return {"predictions": next(iter(values.values()))}
    return {
        "predictions": [
            dict(zip(values, row, strict=True))
            for row in zip(*values.values(), strict=True)
        ]
    }


def _to_json(alias: str, array: Array) -> Any:
    if array.dtype == object:
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
    if array.dtype.kind == "f" and array.dtype.itemsize < np.dtype(float).itemsize:
        return _shortest_doubles(array).tolist()
    return array.tolist()


def _base64_object(item: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(item).decode()}


def _shortest_doubles(array: Array) -> Array:
    # 0.2 in float32 is 0.20000000298 as a double; through its own shortest digits it
    # stays 0.2. In chunks, because the digits take 32 bytes a value.
    flat = array.ravel()
    doubles = np.empty(flat.shape, dtype=np.float64)
    for start in range(0, len(flat), _FLOAT_CHUNK):
        part = slice(start, start + _FLOAT_CHUNK)
        doubles[part] = flat[part].astype("S").astype(np.float64)
    return doubles.reshape(array.shape)
