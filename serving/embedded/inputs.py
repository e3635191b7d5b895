"""Checks what a request feeds against the signature, before the graph sees it.

TensorFlow Serving leaves ranks and shapes to the graph, where a wrong rank can end the
process; here nothing reaches the graph that its signature does not allow. Texts are
TensorFlow's and TensorFlow Serving's wherever these have one for the case.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from typing import Any

import grpc

from serving.embedded.errors import ServingError, invalid_argument
from serving.protos import DATA_TYPE_NAMES
from serving.protos.tensors import (
    MAX_FILLED_BYTES,
    MAX_RANK,
    Array,
    from_tensor_proto,
)

MAX_TENSOR_BYTES = 2**31 - 1
"""No tensor that claims more can have come in one message."""
_SHOWN_NAMES = 20
_ITEM_BYTES = {
    "DT_DOUBLE": 8,
    "DT_INT64": 8,
    "DT_UINT64": 8,
    "DT_STRING": 8,
    "DT_FLOAT": 4,
    "DT_INT32": 4,
    "DT_UINT32": 4,
    "DT_HALF": 2,
    "DT_INT16": 2,
    "DT_UINT16": 2,
    "DT_INT8": 1,
    "DT_UINT8": 1,
    "DT_BOOL": 1,
}


def data_type_name(number: int) -> str:
    """Returns how TensorFlow's texts name a DataType ("float", "uint8", "string")."""
    name = DATA_TYPE_NAMES.get(number)
    return name.removeprefix("DT_").lower() if name else f"unknown dtype enum {number}"


def decode_inputs(
    signature: Any, tensors: Mapping[str, Any], *, max_rows: int | None = None
) -> dict[str, Array]:
    """Checks and decodes the TensorProtos of a request.

    Args:
        signature: SignatureDef.
        tensors: alias -> TensorProto.
        max_rows: most rows of a batch, None for no limit.

    Returns:
        Alias -> array in the signature's dtype and a shape that it allows.

    Raises:
        ServingError: INVALID_ARGUMENT, or RESOURCE_EXHAUSTED for a tensor whose shape
            claims more memory than a request can hold.
    """
    check_aliases(signature, tensors)
    shapes = {}
    for index, alias in enumerate(sorted(tensors)):
        tensor, info = tensors[alias], signature.inputs[alias]
        if tensor.dtype != info.dtype:
            raise invalid_argument(
                f"Expects arg[{index}] to be {data_type_name(info.dtype)} but "
                f"{data_type_name(tensor.dtype)} is provided"
            )
        shapes[alias] = _claimed_shape(alias, tensor)
    check_shapes(signature, shapes, max_rows=max_rows)
    return {alias: _decode(alias, tensor) for alias, tensor in tensors.items()}


def check_aliases(signature: Any, given: Collection[str]) -> None:
    """Checks that exactly the inputs of a signature are given.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    wanted = signature.inputs
    missing = sorted(set(wanted) - set(given))
    if len(given) != len(wanted):
        extra = sorted(set(given) - set(wanted))
        raise invalid_argument(
            f"input size does not match signature: {len(given)}!={len(wanted)} "
            f"len({_braces(given)}) != len({_braces(wanted)}). "
            f"Sent extra: {_braces(extra)}. "
            f"Missing but required: {_braces(missing)}."
        )
    if missing:
        raise invalid_argument(
            f"Signature input alias: {missing[0]}(feed name: "
            f"{wanted[missing[0]].name}) not found in request and no default value "
            f"provided. Inputs expected to be in the request {_braces(given)}, or "
            "default input alias set: "
        )


def check_shapes(
    signature: Any,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    max_rows: int | None = None,
) -> None:
    """Checks ranks, fixed sizes and the common batch: 1 to `max_rows`.

    Args:
        signature: SignatureDef.
        shapes: the shape of each input by alias.
        max_rows: most rows of a batch, None for no limit.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    for alias, shape in shapes.items():
        expected = signature.inputs[alias].tensor_shape
        if not expected.unknown_rank and not _fits(shape, expected):
            raise invalid_argument(
                f"Shape of tensor {alias} {_brackets(shape)} is not compatible with "
                f"expected shape {_brackets(dim.size for dim in expected.dim)}."
            )
        if shape and shape[0] == 0:
            raise invalid_argument(
                f"Shape of tensor {alias} {_brackets(shape)} has a batch of 0; "
                "expected at least 1"
            )
    if len({shape[0] for shape in shapes.values() if shape}) > 1:
        raise invalid_argument(
            "Batching Run() input tensors must have equal 0th-dimension size, got "
            + ", ".join(f"{alias} {_brackets(shapes[alias])}" for alias in shapes)
        )
    check_rows(
        max((shape[0] for shape in shapes.values() if shape), default=0), max_rows
    )


def check_rows(rows: int, max_rows: int | None) -> None:
    """Checks the number of images in a request; None is no limit.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if max_rows is not None and rows > max_rows:
        # How TensorFlow Serving says it; clients know by it that less would do.
        raise invalid_argument(
            f"Task size {rows} is larger than maximum input batch size {max_rows}: "
            f"send at most {max_rows} images in one request, or start the server with "
            "a larger --max-images-per-request"
        )


def _claimed_shape(alias: str, tensor: Any) -> tuple[int, ...]:
    rank = len(tensor.tensor_shape.dim)
    if rank > MAX_RANK:
        raise invalid_argument(
            f"tensor parsing error: {alias} (at most {MAX_RANK} dimensions, got {rank})"
        )
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise invalid_argument(f"tensor parsing error: {alias}")
    claimed = _ITEM_BYTES.get(DATA_TYPE_NAMES.get(tensor.dtype, ""), 1)
    for size in shape:
        # A zero anywhere must not hide what the other sizes multiply to: TensorFlow
        # ends the process when that overflows.
        claimed *= max(size, 1)
        if claimed > MAX_TENSOR_BYTES:
            break
    _check_claim(alias, tensor, shape, claimed)
    return shape


def _check_claim(alias: str, tensor: Any, shape: tuple[int, ...], claimed: int) -> None:
    limit = MAX_TENSOR_BYTES
    # One typed value stands for a whole tensor, so a few bytes can ask for gigabytes.
    # Where every value is there, a byte of the message holds at most 8 of the tensor.
    if (
        claimed > MAX_FILLED_BYTES
        and not tensor.tensor_content
        and claimed > 8 * tensor.ByteSize()
    ):
        limit = MAX_FILLED_BYTES
    if claimed > limit:
        raise ServingError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"tensor {alias}: shape {_brackets(shape)} claims at least {claimed} "
            f"bytes; at most {limit} are unpacked from such a message",
        )


def _decode(alias: str, tensor: Any) -> Array:
    try:
        return from_tensor_proto(tensor)
    except ValueError as err:
        raise invalid_argument(f"tensor parsing error: {alias} ({err})") from err


def _fits(shape: tuple[int, ...], expected: Any) -> bool:
    sizes = [dim.size for dim in expected.dim]
    return len(shape) == len(sizes) and all(
        want < 0 or got == want for got, want in zip(shape, sizes, strict=True)
    )


def _brackets(sizes: Any) -> str:
    return "[" + ",".join("?" if n < 0 else str(n) for n in sizes) + "]"


def _braces(names: Collection[str]) -> str:
    shown = heapq.nsmallest(_SHOWN_NAMES, names)
    more = len(names) - len(shown)
    return "{" + ",".join(shown) + (f" and {more} more" if more else "") + "}"
