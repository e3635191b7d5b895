"""Bounds of a request's bytes, kept before anything is made of them.

A protocol buffer of a few megabytes can hold millions of fields, each of which costs a
parser far more than the two bytes it takes on the wire. The walk here makes nothing and
ends at the first field too many.

Source: Protocol Buffers, "Encoding".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from serving.embedded.errors import ServingError, invalid_argument
from serving.protos import PredictRequest, TensorProto

MAX_CONTROL_BYTES = 2**16
"""Largest request of a method that sends no tensors."""
MAX_FIELDS = 10_000
"""Most fields of a Predict request: inputs, dimensions, strings, filters, values."""
MAX_NAME_BYTES = 2**16
"""Longest model spec, alias of an input and output filter."""
MAX_TYPED_BYTES = 2**25
"""Largest typed field of numbers; more numbers travel as `tensor_content`."""

_VARINT, _EIGHT_BYTES, _LENGTH_DELIMITED, _FOUR_BYTES = 0, 1, 2, 5
_VARINT_BYTES = 10
_INPUTS = PredictRequest.DESCRIPTOR.fields_by_name["inputs"]
_VALUE = _INPUTS.message_type.fields_by_name["value"].number
_SHAPE = TensorProto.DESCRIPTOR.fields_by_name["tensor_shape"].number
_UNBOUND = {
    TensorProto.DESCRIPTOR.fields_by_name[name].number
    for name in ("tensor_content", "string_val")
}
"""Fields whose bytes stay as they are."""


def parse_predict(content: bytes) -> Any:
    """Returns the PredictRequest that bytes hold.

    Raises:
        ServingError: INVALID_ARGUMENT, more fields or longer ones than a request needs;
            INTERNAL, no protocol buffer.
    """
    _check_predict(content)
    return _parsed(PredictRequest.FromString, content)


def control_parser(message: Any) -> Callable[[bytes], Any]:
    """Returns the parser of a method that sends no tensors.

    Args:
        message: class of its request.
    """

    def parse(content: bytes) -> Any:
        if len(content) > MAX_CONTROL_BYTES:
            raise invalid_argument(
                f"{message.DESCRIPTOR.name}: expected at most {MAX_CONTROL_BYTES} "
                f"bytes, got {len(content)}"
            )
        return _parsed(message.FromString, content)

    return parse


def _parsed(parse: Callable[[bytes], Any], content: bytes) -> Any:
    try:
        return parse(content)
    except DecodeError as err:
        raise _no_message() from err


def _check_predict(content: bytes) -> None:
    walk = _Walk(content)
    for number, start, end in walk.fields(0, len(content)):
        if number != _INPUTS.number:
            _check_name(start, end)
            continue
        for entry_number, entry_start, entry_end in walk.fields(start, end):
            if entry_number == _VALUE:
                _check_tensor(walk, entry_start, entry_end)
            else:
                _check_name(entry_start, entry_end)


def _check_name(start: int, end: int) -> None:
    if end - start > MAX_NAME_BYTES:
        raise invalid_argument(
            f"PredictRequest: a name, model spec or output filter of {end - start} "
            f"bytes; expected at most {MAX_NAME_BYTES}"
        )


def _check_tensor(walk: _Walk, start: int, end: int) -> None:
    for number, field_start, field_end in walk.fields(start, end):
        if number == _SHAPE:
            for _ in walk.fields(field_start, field_end):
                pass
        elif number not in _UNBOUND and field_end - field_start > MAX_TYPED_BYTES:
            raise invalid_argument(
                f"PredictRequest: a typed field of {field_end - field_start} bytes; "
                f"expected at most {MAX_TYPED_BYTES}. Send the numbers as "
                "tensor_content"
            )


class _Walk:
    """Steps over the fields of a message, counting them over all its parts."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._fields = 0

    def fields(self, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yields number, start and end of each length-delimited field of a part."""
        while at < end:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise invalid_argument(
                    f"PredictRequest: more than {MAX_FIELDS} fields (inputs, "
                    "dimensions, strings, output filters and single values together)"
                )
            key, at = self._varint(at)
            kind, start = key & 7, at
            if kind == _VARINT:
                _, at = self._varint(at)
            elif kind == _EIGHT_BYTES:
                at += 8
            elif kind == _FOUR_BYTES:
                at += 4
            elif kind == _LENGTH_DELIMITED:
                length, start = self._varint(at)
                at = start + length
            else:
                raise _no_message()
            if at > end:
                raise _no_message()
            if kind == _LENGTH_DELIMITED:
                yield key >> 3, start, at

    def _varint(self, at: int) -> tuple[int, int]:
        value = 0
        for index, byte in enumerate(self._content[at : at + _VARINT_BYTES]):
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                return value, at + index + 1
        raise _no_message()


def _no_message() -> ServingError:
    return ServingError(
        grpc.StatusCode.INTERNAL, "Exception deserializing request: no such message"
    )
