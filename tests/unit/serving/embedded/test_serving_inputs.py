from __future__ import annotations

import numpy as np
import pytest

from serving.embedded.errors import ServingError
from serving.embedded.inputs import decode_inputs
from serving.protos import DATA_TYPE_NUMBERS, TensorProto
from serving.protos.tensors import shape_proto, to_tensor_proto


def _refusal(signature, **tensors):
    with pytest.raises(ServingError) as caught:
        decode_inputs(signature, tensors)
    return caught.value.code.name, caught.value.message


def _filled(dtype, shape, **values):
    return TensorProto(
        dtype=DATA_TYPE_NUMBERS[dtype], tensor_shape=shape_proto(shape), **values
    )


def test_decodes_both_encodings(make_signature):
    signature = make_signature(a=("DT_FLOAT", (None, 2)), s=("DT_STRING", (None,)))
    array = np.array([[1.5, 2], [3, 4]], np.float32)
    for packed in (True, False):
        tensor = to_tensor_proto(array, packed=packed)
        text = to_tensor_proto([b"x", b"\xff\0"])
        arrays = decode_inputs(signature, {"a": tensor, "s": text})
        np.testing.assert_array_equal(arrays["a"], array)
        assert arrays["s"].tolist() == [b"x", b"\xff\0"]


def test_the_position_in_the_dtype_text_is_by_name(make_signature):
    signature = make_signature(b=("DT_HALF", (None,)), a=("DT_FLOAT", (None,)))
    one = to_tensor_proto(np.ones(1, np.float32))
    assert _refusal(signature, b=one, a=one) == (
        "INVALID_ARGUMENT",
        "Expects arg[1] to be half but float is provided",
    )


def test_an_unknown_dtype_number(make_signature):
    signature = make_signature(a=("DT_FLOAT", (None,)))
    assert _refusal(signature, a=TensorProto(dtype=99)) == (
        "INVALID_ARGUMENT",
        "Expects arg[0] to be float but unknown dtype enum 99 is provided",
    )


def test_extra_and_missing_inputs(make_signature):
    signature = make_signature(a=("DT_FLOAT", (None,)), b=("DT_FLOAT", (None,)))
    one = to_tensor_proto(np.ones(1, np.float32))
    assert _refusal(signature, b=one, c=one, d=one) == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 3!=2 len({b,c,d}) != len({a,b}). "
        "Sent extra: {c,d}. Missing but required: {a}.",
    )


def test_a_shape_of_unknown_rank_takes_any(make_signature):
    signature = make_signature(a=("DT_FLOAT", None))
    for shape in ((), (1,), (2, 3, 4)):
        tensor = to_tensor_proto(np.ones(shape, np.float32))
        assert decode_inputs(signature, {"a": tensor})["a"].shape == shape


@pytest.mark.parametrize("shape", [(-1,), (1, -5), None])
def test_a_claimed_shape_must_be_known(make_signature, shape):
    signature = make_signature(a=("DT_FLOAT", None))
    tensor = TensorProto(dtype=DATA_TYPE_NUMBERS["DT_FLOAT"], float_val=[1])
    if shape is None:
        tensor.tensor_shape.unknown_rank = True
    else:
        tensor.tensor_shape.CopyFrom(shape_proto(shape))
    assert _refusal(signature, a=tensor) == (
        "INVALID_ARGUMENT",
        "tensor parsing error: a",
    )


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("DT_FLOAT", {"float_val": [1.0]}),
        ("DT_FLOAT", {"tensor_content": b"1234"}),
        ("DT_STRING", {"string_val": [b"x"]}),
        ("DT_BOOL", {}),
    ],
)
@pytest.mark.parametrize("shape", [(2**31,), (2**50, 2**50), (1, 0, 2**62)])
def test_no_memory_for_absurd_claims(make_signature, dtype, values, shape):
    signature = make_signature(a=(dtype, None))
    code, text = _refusal(signature, a=_filled(dtype, shape, **values))
    assert code == "RESOURCE_EXHAUSTED"
    assert text.startswith("tensor a: shape [")


def test_the_wrong_number_of_values(make_signature):
    signature = make_signature(a=("DT_FLOAT", (None,)))
    tensor = _filled("DT_FLOAT", (3,), float_val=[1, 2])
    code, text = _refusal(signature, a=tensor)
    assert code == "INVALID_ARGUMENT"
    assert text.startswith("tensor parsing error: a (")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (40, 50)])
def test_typed_floats_are_written_as_protobuf_would(dtype, shape):
    array = np.linspace(-1, 1, int(np.prod(shape)), dtype=dtype).reshape(shape)
    message = to_tensor_proto(array, packed=False)
    field = "float_val" if dtype == np.float32 else "double_val"
    slow = TensorProto(dtype=message.dtype, tensor_shape=message.tensor_shape)
    getattr(slow, field).extend(array.ravel().tolist())
    assert message.SerializeToString() == slow.SerializeToString()
    assert not message.tensor_content


@pytest.mark.parametrize("rank", [255, 20_000])
def test_more_dimensions_than_a_tensor_has(make_signature, rank):
    signature = make_signature(a=("DT_STRING", None))
    assert _refusal(signature, a=_filled("DT_STRING", (2**62,) * rank)) == (
        "INVALID_ARGUMENT",
        f"tensor parsing error: a (at most 254 dimensions, got {rank})",
    )


def test_the_product_of_dimensions_ends_early(make_signature):
    signature = make_signature(a=("DT_STRING", None))
    code, text = _refusal(signature, a=_filled("DT_STRING", (2**62,) * 254))
    assert code == "RESOURCE_EXHAUSTED"
    assert text.endswith(
        f"claims at least {2**65} bytes; at most 268435456 are unpacked from such a "
        "message"
    )


def test_a_request_has_a_most_of_rows(make_signature):
    signature = make_signature(a=("DT_UINT8", (None, 1)), b=("DT_UINT8", (None,)))
    arrays = {"a": np.zeros((3, 1), np.uint8), "b": np.zeros(3, np.uint8)}
    tensors = {alias: to_tensor_proto(array) for alias, array in arrays.items()}
    assert decode_inputs(signature, tensors, max_rows=3)["a"].shape == (3, 1)
    assert decode_inputs(signature, tensors)["b"].shape == (3,)
    with pytest.raises(ServingError) as caught:
        decode_inputs(signature, tensors, max_rows=2)
    assert caught.value.code.name == "INVALID_ARGUMENT"
    assert caught.value.message == (
        "Task size 3 is larger than maximum input batch size 2: send at most 2 images "
        "in one request, or start the server with a larger --max-images-per-request"
    )


def test_names_in_a_text_are_few(make_signature):
    signature = make_signature(a=("DT_FLOAT", (None,)))
    one = to_tensor_proto(np.ones(1, np.float32))
    _, text = _refusal(signature, **{f"x{index:03}": one for index in range(500)})
    assert "x019 and 480 more}" in text
    assert "x020" not in text
