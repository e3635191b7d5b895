"""numpy arrays to and from TensorProto, without TensorFlow.

Reads both encodings that servers use: packed `tensor_content` and the typed repeated
fields, a single typed value standing for the whole tensor included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from serving.protos import (
    DATA_TYPE_NAMES,
    DATA_TYPE_NUMBERS,
    TensorProto,
    TensorShapeProto,
)

Array = np.ndarray[Any, Any]

_NUMPY_TYPES: dict[str, tuple[str, str]] = {
    "DT_FLOAT": ("float32", "float_val"),
    "DT_DOUBLE": ("float64", "double_val"),
    "DT_INT32": ("int32", "int_val"),
    "DT_UINT8": ("uint8", "int_val"),
    "DT_INT16": ("int16", "int_val"),
    "DT_INT8": ("int8", "int_val"),
    "DT_UINT16": ("uint16", "int_val"),
    "DT_INT64": ("int64", "int64_val"),
    "DT_BOOL": ("bool", "bool_val"),
    "DT_HALF": ("float16", "half_val"),
    "DT_UINT32": ("uint32", "uint32_val"),
    "DT_UINT64": ("uint64", "uint64_val"),
}
_DATA_TYPES = {numpy: name for name, (numpy, _) in _NUMPY_TYPES.items()}

MAX_RANK = 254
"""Most dimensions of a tensor, TensorFlow's own bound."""
MAX_FILLED_BYTES = 1 << 28
"""Largest tensor that is filled from one value on the wire."""
MOST_SIZES = 8
"""Sizes of a shape that messages quote."""
MOST_COUNTED = 10**18
"""Messages count exactly below it; Python does not even write very long numbers."""


def dtype_name(number: int) -> str:
    """Returns TensorFlow's short name of a DataType number ("float32", "string")."""
    name = DATA_TYPE_NAMES.get(number)
    if name == "DT_STRING":
        return "string"
    if name in _NUMPY_TYPES:
        return _NUMPY_TYPES[name][0]
    return name or f"DataType {number}"


def shape_proto(shape: tuple[int | None, ...]) -> Any:
    """Returns a TensorShapeProto; None becomes -1 (any size)."""
    message = TensorShapeProto()
    for size in shape:
        message.dim.add().size = -1 if size is None else size
    return message


def to_tensor_proto(array: Array | list[bytes], *, packed: bool = True) -> Any:
    """Encodes an array.

    Args:
        array: a numeric or bool array of any shape; an object array of `bytes` of any
            shape, or a flat list of `bytes`, becomes a string tensor.
        packed: write numbers as `tensor_content`, else as typed repeated fields, as
            TensorFlow Serving answers by default.

    Raises:
        ValueError: an element type that the wire does not have.
    """
    if isinstance(array, list):
        strings = np.empty(len(array), dtype=object)
        strings[:] = array
        array = strings
    message = TensorProto()
    message.tensor_shape.CopyFrom(shape_proto(array.shape))
    if array.dtype == object:
        message.dtype = DATA_TYPE_NUMBERS["DT_STRING"]
        message.string_val.extend(array.ravel().tolist())
        return message
    if array.dtype.name not in _DATA_TYPES:
        raise ValueError(
            f"tensor: expected one of {sorted(_DATA_TYPES)} or an object array of "
            f"bytes, got {array.dtype}"
        )
    name = _DATA_TYPES[array.dtype.name]
    message.dtype = DATA_TYPE_NUMBERS[name]
    if packed:
        message.tensor_content = np.ascontiguousarray(array).tobytes()
        return message
    field = _NUMPY_TYPES[name][1]
    if array.dtype.kind == "f" and name != "DT_HALF":
        message.MergeFromString(_packed_field(field, array))
    else:
        values = array.view(np.uint16) if name == "DT_HALF" else array
        getattr(message, field).extend(values.ravel().tolist())
    return message


def _packed_field(field: str, array: Array) -> bytes:
    # On the wire a packed float field is its number, its length, and the values as
    # they lie in memory: 20 times faster than through Python's floats.
    content = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    number = TensorProto.DESCRIPTOR.fields_by_name[field].number
    length_delimited = 2
    return bytes((number << 3 | length_delimited, *_varint(len(content)))) + content


def _varint(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value


def claimed_shape(message: Any) -> tuple[int, ...]:
    """Returns the shape that a TensorProto claims.

    Raises:
        ValueError: unknown or too high rank, unknown or negative size.
    """
    if message.tensor_shape.unknown_rank:
        raise ValueError("tensor: expected a known shape, got one of unknown rank")
    rank = len(message.tensor_shape.dim)
    if rank > MAX_RANK:
        raise ValueError(f"tensor: expected a rank of at most {MAX_RANK}, got {rank}")
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    if any(size < 0 for size in shape):
        raise ValueError(f"tensor: expected a known shape, got {_sizes(shape)}")
    return shape


def from_tensor_proto(message: Any) -> Array:
    """Decodes a TensorProto.

    What it takes is bounded by what the message holds, or by `MAX_FILLED_BYTES` where
    one value stands for all.

    Returns:
        The array in the message's shape; strings as an object array of `bytes`.

    Raises:
        ValueError: unknown dtype, unknown or negative size, too high a rank, a value
            that the dtype does not have, or a number of values that does not fill the
            shape.
    """
    shape = claimed_shape(message)
    count = 1
    for size in shape:  # exact in Python's integers, whatever a message claims
        count *= size
    name = DATA_TYPE_NAMES.get(message.dtype)
    if name == "DT_STRING":
        if len(message.string_val) != count:
            raise _wrong_count(len(message.string_val), count, shape)
        strings = np.empty(count, dtype=object)
        strings[:] = list(message.string_val)
        return strings.reshape(shape)
    if name not in _NUMPY_TYPES:
        raise ValueError(f"tensor: unsupported dtype {dtype_name(message.dtype)}")
    numpy_type, field = _NUMPY_TYPES[name]
    if message.tensor_content:
        flat = _from_content(message.tensor_content, numpy_type, count, shape)
    else:
        flat = _from_values(getattr(message, field), name, count, shape)
    return flat.reshape(shape)


def _from_content(
    content: bytes, numpy_type: str, count: int, shape: tuple[int, ...]
) -> Array:
    dtype = np.dtype(numpy_type)
    if len(content) != count * dtype.itemsize:
        raise _wrong_count(len(content) / dtype.itemsize, count, shape)
    return np.frombuffer(content, dtype=dtype)


def _from_values(values: Any, name: str, count: int, shape: tuple[int, ...]) -> Array:
    if len(values) not in (1, count):  # before an array is made of them
        raise _wrong_count(len(values), count, shape)
    numpy_type = _NUMPY_TYPES[name][0]
    try:
        stored = np.array(values, dtype=np.uint16 if name == "DT_HALF" else numpy_type)
    except OverflowError as err:  # 300 for an uint8
        raise ValueError(f"tensor: {err}") from err
    if name == "DT_HALF":
        stored = stored.view(np.float16)
    if len(stored) == count:
        return stored
    if count * stored.itemsize > MAX_FILLED_BYTES:
        raise _wrong_count(len(stored), count, shape)
    return np.full(count, stored[0], dtype=stored.dtype)


def _wrong_count(got: float, expected: int, shape: tuple[int, ...]) -> ValueError:
    told = str(expected) if expected < MOST_COUNTED else f"over {MOST_COUNTED:g}"
    return ValueError(
        f"tensor: expected {told} values for shape {_sizes(shape)}, got {got:g}"
    )


def _sizes(shape: tuple[int, ...]) -> str:
    if len(shape) <= MOST_SIZES:
        return str(list(shape))
    return f"[{', '.join(map(str, shape[:MOST_SIZES]))}, ... of rank {len(shape)}]"
