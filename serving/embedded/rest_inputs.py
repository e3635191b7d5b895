"""Predict requests as JSON, in TensorFlow Serving's row and column form.

Row form: `{"instances": [...]}`, one entry an image. Column form: `{"inputs": ...}`,
one value an input. Bytes travel as `{"b64": "..."}`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np

from serving.embedded.errors import invalid_argument
from serving.embedded.inputs import (
    check_aliases,
    check_rows,
    check_shapes,
    data_type_name,
)
from serving.embedded.rest_json import check_counts, cited, load
from serving.embedded.rest_numbers import MAX_RANK, nested_shape, number_array
from serving.protos import DATA_TYPE_NAMES
from serving.protos.tensors import Array

_NUMPY_NAMES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_INT32": "int32",
    "DT_UINT8": "uint8",
    "DT_INT16": "int16",
    "DT_INT8": "int8",
    "DT_UINT16": "uint16",
    "DT_INT64": "int64",
    "DT_UINT32": "uint32",
    "DT_UINT64": "uint64",
    "DT_BOOL": "bool",
}


def parse_body(body: bytes) -> dict[str, Any]:
    """Reads a Predict body and checks its outer form.

    Raises:
        ServingError: INVALID_ARGUMENT, no JSON or not one of the two forms.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    check_counts(body)
    content = load(body)
    if not isinstance(content, dict):
        raise invalid_argument(f"JSON Value: {cited(content)} Is not object")
    if not isinstance(content.get("signature_name", ""), str):
        raise invalid_argument(
            f"JSON Value: {cited(content)} not formatted correctly. 'signature_name' "
            "key must be a string value."
        )
    _encoded(content.get("signature_name", ""), "signature_name")
    if "instances" in content and "inputs" in content:
        raise invalid_argument(
            f"JSON Value: {cited(content)} Not formatted correctly expecting only one "
            "of 'inputs' or 'instances' keys to exist"
        )
    if "instances" not in content and "inputs" not in content:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    instances = content.get("instances", [0])
    if not isinstance(instances, list) or not instances:
        raise invalid_argument(
            f"JSON Value: {cited(content)} Expecting 'instances' to be a list with at "
            "least one value"
        )
    return content


def read_inputs(
    content: dict[str, Any], signature: Any, *, max_rows: int | None = None
) -> dict[str, Array]:
    """Makes checked arrays out of a parsed body.

    Args:
        content: what `parse_body` returned.
        signature: SignatureDef.
        max_rows: most rows of a batch, None for no limit.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if "instances" in content:
        check_rows(len(content["instances"]), max_rows)
        columns = _columns_of_rows(content["instances"], signature)
    else:
        columns = _named_columns(content["inputs"], signature)
    check_aliases(signature, columns)
    for value in columns.values():
        if isinstance(value, list):  # before anything is made of it
            check_rows(len(value), max_rows)
    arrays = {
        alias: _to_array(value, alias, signature.inputs[alias])
        for alias, value in columns.items()
    }
    check_shapes(signature, {alias: array.shape for alias, array in arrays.items()})
    return arrays


def _columns_of_rows(instances: list[Any], signature: Any) -> dict[str, list[Any]]:
    if not _is_named(instances[0]):
        for index, instance in enumerate(instances):
            if _is_named(instance):
                raise invalid_argument(
                    f"Expecting value/list but got object at item {index} of input list"
                )
        return {_only_input(signature, "instances", "list of objects"): instances}
    names = sorted(signature.inputs)
    for index, instance in enumerate(instances):
        if not _is_named(instance):
            raise invalid_argument(
                f"Expecting object but got list at item {index} of input list"
            )
        if sorted(instance) != names:
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"{cited(instance)} keys must be equal to: {','.join(names)}"
            )
    return {name: [instance[name] for instance in instances] for name in names}


def _named_columns(inputs: Any, signature: Any) -> dict[str, Any]:
    if not _is_named(inputs):
        return {_only_input(signature, "inputs", "object"): inputs}
    for name in sorted(signature.inputs):
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return dict(inputs)


def _only_input(signature: Any, key: str, expected: str) -> str:
    if len(signature.inputs) > 1:
        raise invalid_argument(
            f"{key} is a plain value or list, but expecting {expected} as multiple "
            "input tensors required as per tensorinfo_map"
        )
    return str(next(iter(signature.inputs)))


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) == 1
        and isinstance(value.get("b64"), str)
    )


def _to_array(value: Any, alias: str, info: Any) -> Array:
    dtype = info.dtype
    name = DATA_TYPE_NAMES.get(dtype, "")
    if name == "DT_STRING":
        expected = info.tensor_shape
        return _string_array(
            value,
            alias,
            max_rank=MAX_RANK if expected.unknown_rank else len(expected.dim),
        )
    if name not in _NUMPY_NAMES:
        raise invalid_argument(
            f"Conversion of JSON values to type {data_type_name(dtype)} of input "
            f"{alias} is not supported; use gRPC"
        )
    return number_array(value, alias, np.dtype(_NUMPY_NAMES[name]))


def _string_array(value: Any, alias: str, *, max_rank: int) -> Array:
    shape = nested_shape(value)
    if len(shape) > max_rank:
        raise invalid_argument(
            f"input {alias}: JSON Value: {cited(value)} is nested too deeply: "
            f"expected at most {max_rank} dimensions, got {len(shape)}"
        )
    leaves: list[bytes] = []
    _collect_strings(value, shape, alias, leaves)
    array = np.empty(len(leaves), dtype=object)
    array[:] = leaves
    return array.reshape(shape)


def _collect_strings(
    value: Any, shape: tuple[int, ...], alias: str, leaves: list[bytes]
) -> None:
    if shape:
        if not isinstance(value, list) or len(value) != shape[0]:
            raise invalid_argument(
                f"input {alias}: JSON Value: {cited(value)}: expected a list of "
                f"{shape[0]} values like its neighbours"
            )
        for item in value:
            _collect_strings(item, shape[1:], alias, leaves)
    elif isinstance(value, str):
        leaves.append(_encoded(value, f"input {alias}: JSON Value"))
    elif _is_base64(value):
        leaves.append(_from_base64(value["b64"], alias))
    elif isinstance(value, dict):
        raise invalid_argument(
            f"input {alias}: JSON Value: {cited(value)} not formatted correctly for "
            "base64 data"
        )
    else:
        raise invalid_argument(
            f"input {alias}: JSON Value: {cited(value)} is not of expected type: string"
        )


def _encoded(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as err:
        raise invalid_argument(
            f"{what}: {cited(text)} holds half a surrogate pair, which is no text"
        ) from err


def _from_base64(text: str, alias: str) -> bytes:
    # Both alphabets, padding optional, as TensorFlow Serving's decoder takes them.
    plain = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as err:
        raise invalid_argument(
            f"input {alias}: Unable to base64 decode: {err}"
        ) from err
