"""Tensors off the wire: right values, and no more memory than the message justifies."""

import tracemalloc

import numpy as np
import pytest

from serving.protos import DATA_TYPE_NUMBERS, TensorProto
from serving.protos.tensors import claimed_shape, from_tensor_proto, to_tensor_proto


def message(dtype, shape, **values):
    tensor = TensorProto(dtype=DATA_TYPE_NUMBERS[dtype], **values)
    for size in shape:
        tensor.tensor_shape.dim.add().size = size
    return tensor


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "float16", "bool"])
def test_round_trip(dtype, packed):
    array = (np.arange(24).reshape(2, 3, 4) % 7).astype(dtype)
    decoded = from_tensor_proto(to_tensor_proto(array, packed=packed))
    assert decoded.dtype == array.dtype
    assert np.array_equal(decoded, array)


def test_one_value_stands_for_all():
    filled = from_tensor_proto(message("DT_FLOAT", [1000, 1000], float_val=[0.5]))
    assert filled.shape == (1000, 1000)
    assert (filled == 0.5).all()


@pytest.mark.parametrize(
    ("tensor", "told"),
    [
        (message("DT_FLOAT", [10**9], float_val=[0.5]), "expected 1000000000 values"),
        (message("DT_FLOAT", [2**62] * 254, float_val=[0.5]), r"expected over 1e\+18"),
        (message("DT_FLOAT", [2**62] * 254), r"\[4611.*, \.\.\. of rank 254\], got 0"),
        (message("DT_FLOAT", [1] * 20_000, float_val=[1.0]), "at most 254, got 20000"),
        (message("DT_STRING", [2**62], string_val=[b""]), "expected over .*, got 1"),
        (message("DT_FLOAT", [-1], float_val=[0.5]), r"a known shape, got \[-1\]"),
        (message("DT_FLOAT", [2**62], tensor_content=b"1234"), "expected over .*got 1"),
        (message("DT_FLOAT", [0, 2**62, 2**62]), "too big|too large|exceeded"),
        (message("DT_FLOAT", [1] * 200, float_val=[1.0]), "dimension"),
    ],
)
def test_claims(tensor, told):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=told) as caught:
            from_tensor_proto(tensor)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    assert len(str(caught.value)) < 400


def test_shape_without_decoding():
    assert claimed_shape(message("DT_FLOAT", [3, 0, 5])) == (3, 0, 5)
    unknown = TensorProto()
    unknown.tensor_shape.unknown_rank = True
    with pytest.raises(ValueError, match="unknown rank"):
        claimed_shape(unknown)
