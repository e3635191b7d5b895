"""What a request's bytes may hold, before they are parsed."""

from __future__ import annotations

import pytest

from serving.embedded.errors import ServingError
from serving.embedded.wire import (
    MAX_CONTROL_BYTES,
    MAX_FIELDS,
    MAX_NAME_BYTES,
    MAX_TYPED_BYTES,
    control_parser,
    parse_predict,
)
from serving.protos import DATA_TYPE_NUMBERS, GetModelStatusRequest, PredictRequest
from serving.protos.tensors import to_tensor_proto


def _request():
    request = PredictRequest()
    request.model_spec.name = "m"
    request.inputs["x"].CopyFrom(to_tensor_proto([b"\0" * 100_000, b"b"]))
    return request


def _varint(number):
    groups = [number >> shift & 127 for shift in range(0, number.bit_length(), 7)]
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def _refusal(call):
    with pytest.raises(ServingError) as caught:
        call()
    return caught.value.code.name, caught.value.message


def test_an_ordinary_request():
    request = _request()
    request.output_filter.extend(["a", "b"])
    request.inputs["y"].tensor_shape.dim.add(size=-1, name="n")
    assert parse_predict(request.SerializeToString()) == request


def _dimensions(request, count):
    for _ in range(count):
        request.inputs["x"].tensor_shape.dim.add(size=2**62)


def _strings(request, count):
    request.inputs["x"].string_val.extend([b""] * count)


def _inputs(request, count):
    for index in range(count):
        request.inputs[str(index)].dtype = DATA_TYPE_NUMBERS["DT_FLOAT"]


def _filters(request, count):
    request.output_filter.extend(["x"] * count)


@pytest.mark.parametrize("add", [_dimensions, _strings, _inputs, _filters])
def test_too_many_fields_of_any_kind(add):
    request = _request()
    add(request, MAX_FIELDS)
    assert _refusal(lambda: parse_predict(request.SerializeToString())) == (
        "INVALID_ARGUMENT",
        f"PredictRequest: more than {MAX_FIELDS} fields (inputs, dimensions, strings, "
        "output filters and single values together)",
    )


def test_unknown_fields_count_too():
    code, text = _refusal(lambda: parse_predict(b"\x78\x01" * (MAX_FIELDS + 1)))
    assert (code, text[:34]) == (
        "INVALID_ARGUMENT",
        "PredictRequest: more than 10000 fi",
    )


def test_long_names():
    for make in (
        lambda r: setattr(r.model_spec, "name", "m" * MAX_NAME_BYTES),
        lambda r: r.output_filter.append("m" * (MAX_NAME_BYTES + 1)),
        lambda r: setattr(r.inputs["m" * (MAX_NAME_BYTES + 1)], "dtype", 1),
    ):
        request = _request()
        make(request)
        content = request.SerializeToString()
        code, text = _refusal(lambda content=content: parse_predict(content))
        assert code == "INVALID_ARGUMENT"
        assert text.endswith(f"bytes; expected at most {MAX_NAME_BYTES}")


def test_a_typed_field_that_is_too_long():
    request = _request()
    # The packed field from its bytes: one by one, so many take many seconds.
    size = MAX_TYPED_BYTES + 1
    request.inputs["x"].MergeFromString(b"\x5a" + _varint(size) + bytes(size))
    assert len(request.inputs["x"].bool_val) == size
    assert _refusal(lambda: parse_predict(request.SerializeToString())) == (
        "INVALID_ARGUMENT",
        f"PredictRequest: a typed field of {MAX_TYPED_BYTES + 1} bytes; expected at "
        f"most {MAX_TYPED_BYTES}. Send the numbers as tensor_content",
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 100,
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0b\x0c",  # a group
        b"\x12\x04\x12\xff\x01x",  # an input that ends after its message
        b"\x0a\x02\xff\xff",  # a model spec of noise
        b"\x09\x01",
    ],
)
def test_what_is_no_message(content):
    code, text = _refusal(lambda: parse_predict(content))
    assert code == "INTERNAL"
    assert text.startswith("Exception deserializing request")


def test_methods_without_tensors_take_little():
    parse = control_parser(GetModelStatusRequest)
    request = GetModelStatusRequest()
    request.model_spec.name = "m"
    assert parse(request.SerializeToString()) == request
    request.model_spec.name = "m" * MAX_CONTROL_BYTES
    code, text = _refusal(lambda: parse(request.SerializeToString()))
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("GetModelStatusRequest: expected at most 65536 bytes, got ")
    assert _refusal(lambda: parse(b"\xff"))[0] == "INTERNAL"
