"""Lists of JSON values to arrays, and what a body may hold."""

from __future__ import annotations

import contextlib
import gc

import numpy as np
import orjson
import pytest

from serving.embedded import rest_json
from serving.embedded.errors import ServingError
from serving.embedded.rest_numbers import nested_shape, number_array


def _refusal(call):
    with pytest.raises(ServingError) as caught:
        call()
    assert caught.value.code.name == "INVALID_ARGUMENT"
    return caught.value.message


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4), (5, 300, 100, 3)])
def test_arrays_come_back_as_they_were(shape):
    array = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    assert nested_shape(array.tolist()) == shape
    made = number_array(array.tolist(), "a", array.dtype)
    assert made.dtype == array.dtype
    np.testing.assert_array_equal(made, array)


def test_a_long_text_among_numbers_takes_no_more_than_itself():
    values = ["x" * 2**20] + [1] * 2**16
    text = _refusal(lambda: number_array(values, "a", np.dtype(np.uint8)))
    assert text.endswith("a list of 65537 is not of expected type: uint8")


def test_the_first_list_alone_claims_no_memory():
    wide = [[0] * 1_000_000, *[[]] * 1_000_000]
    text = _refusal(lambda: number_array(wide, "a", np.dtype(np.float64)))
    assert text.endswith(
        "no regular list of lists: nothing of shape [1000001, 1000000]"
    )


@pytest.mark.parametrize(
    "values",
    [
        [[1, 2], [3]],
        [[1, 2], 3],
        [[1], [[2]]],
        [[0] * 70_000, [0] * 69_999],
        [[[0] * 70_000], [0]],
    ],
    ids=range(5),
)
def test_lists_of_no_common_shape(values):
    text = _refusal(lambda: number_array(values, "a", np.dtype(np.int32)))
    assert "is no regular list of lists: " in text


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, True], np.int32),
        ([2**63, -1], np.int64),
        ([1, 2**70], np.uint64),
        ([0, 1], np.bool_),
        ([None], np.float32),
    ],
)
def test_values_of_another_type(values, dtype):
    text = _refusal(lambda: number_array(values, "a", np.dtype(dtype)))
    assert "is not of expected type: " in text


def test_values_and_lists_are_counted_before_they_are_parsed(monkeypatch):
    monkeypatch.setattr(rest_json, "MAX_VALUES", 3)
    monkeypatch.setattr(rest_json, "MAX_LISTS", 2)
    rest_json.check_counts(b'[{"a": 1}, 2, 3, 4]')
    text = _refusal(lambda: rest_json.check_counts(b"[1, 2, 3, 4, 5]"))
    assert text.startswith("JSON Parse error: expected at most 3 values, got 4; send")
    text = _refusal(lambda: rest_json.check_counts(b"[[], {}]"))
    assert text.startswith(
        "JSON Parse error: expected at most 2 lists and objects, got"
    )


def test_the_collector_is_on_again_after_parsing():
    with contextlib.suppress(ServingError), rest_json.no_collection():
        assert not gc.isenabled()
        rest_json.load(b"[")
    assert gc.isenabled()


def test_what_is_beyond_json():
    assert repr(rest_json.load(b"[NaN, -Infinity]")) == "[nan, -inf]"
    assert _refusal(lambda: rest_json.load(b"[" * 2000 + b"NaN" + b"]" * 2000)) == (
        "JSON Parse error: nested too deeply"
    )
    assert rest_json.load(orjson.dumps({"a": "größe"})) == {"a": "größe"}
