from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from serving.embedded.errors import ServingError
from serving.embedded.rest_inputs import parse_body, read_inputs
from serving.embedded.rest_outputs import write_outputs


def _read(signature, **content):
    body = json.dumps(content).encode()
    return read_inputs(parse_body(body), signature)


def _refusal(call):
    with pytest.raises(ServingError) as caught:
        call()
    assert caught.value.code.name == "INVALID_ARGUMENT"
    return caught.value.message


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("DT_UINT8", [0, 255], np.uint8([0, 255])),
        ("DT_FLOAT", [1, 2.5], np.float32([1, 2.5])),
        ("DT_BOOL", [True, False], np.array([True, False])),
        ("DT_INT64", [-(2**63)], np.int64([-(2**63)])),
        (
            "DT_STRING",
            ["ä", {"b64": "/w=="}],
            np.array(["ä".encode(), b"\xff"], object),
        ),
    ],
)
def test_values_become_arrays(make_signature, dtype, values, expected):
    signature = make_signature(a=(dtype, (None,)))
    for content in ({"instances": values}, {"inputs": {"a": values}}):
        array = _read(signature, **content)["a"]
        assert array.dtype == expected.dtype
        assert array.tolist() == expected.tolist()


def test_base64_in_either_alphabet_padded_or_not(make_signature):
    signature = make_signature(a=("DT_STRING", (None,)))
    raw = bytes(range(250, 256)) + b"\xff"
    texts = [base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()]
    texts += [text.rstrip("=") for text in texts]
    array = _read(signature, instances=[{"b64": text} for text in texts])["a"]
    assert array.tolist() == [raw] * 4


@pytest.mark.parametrize(
    ("dtype", "values", "text"),
    [
        ("DT_UINT8", [256], "Cannot convert JSON value: 256 to uint8"),
        ("DT_UINT8", [-1], "Cannot convert JSON value: -1 to uint8"),
        ("DT_UINT8", [1.5], "is not of expected type: uint8"),
        ("DT_INT32", [True], "is not of expected type: int32"),
        ("DT_INT64", [2**64], "is not of expected type: int64"),
        ("DT_FLOAT", ["1"], "is not of expected type: float"),
        ("DT_FLOAT", [1e39], "Cannot convert JSON value: 1e+39 to float"),
        ("DT_FLOAT", [None], "is not of expected type: float"),
        ("DT_FLOAT", [[1], [1, 2]], "is no regular list of lists"),
        ("DT_FLOAT", [{"b64": "AA=="}], "is not of expected type: float"),
        ("DT_STRING", [1], "JSON Value: 1 is not of expected type: string"),
        ("DT_STRING", [["a"], "b"], 'JSON Value: "b": expected a list of 1 values'),
        ("DT_STRING", [{"b64": "a?"}], "Unable to base64 decode"),
        ("DT_BFLOAT16", [1.0], "to type bfloat16 of input a is not supported"),
    ],
)
def test_values_that_do_not_fit(make_signature, dtype, values, text):
    signature = make_signature(a=(dtype, None))
    assert text in _refusal(lambda: _read(signature, inputs={"a": values}))


@pytest.mark.parametrize(("shape", "most"), [((None,), 1), ((), 0), (None, 32)])
def test_strings_nested_deeper_than_the_input(make_signature, shape, most):
    signature = make_signature(a=("DT_STRING", shape))
    nested = json.loads("[" * 100 + '"x"' + "]" * 100)
    assert _refusal(lambda: _read(signature, inputs=nested)) == (
        "input a: JSON Value: a list of 1 is nested too deeply: expected at most "
        f"{most} dimensions, got 100"
    )


def test_numbers_nested_deeper_than_an_array(make_signature):
    signature = make_signature(a=("DT_FLOAT", None))
    nested = json.loads("[" * 100 + "1" + "]" * 100)
    assert "list of lists" in _refusal(lambda: _read(signature, inputs=nested))


def test_rows_of_named_inputs(make_signature):
    signature = make_signature(a=("DT_FLOAT", (None, 2)), b=("DT_INT32", (None,)))
    rows = [{"a": [1, 2], "b": 3}, {"a": [4, 5], "b": 6}]
    arrays = _read(signature, instances=rows)
    assert arrays["a"].tolist() == [[1, 2], [4, 5]]
    assert arrays["b"].tolist() == [3, 6]
    del rows[1]["b"]
    message = _refusal(lambda: _read(signature, instances=rows))
    assert message.startswith("Failed to process element: 1 of 'instances' list.")
    assert message.endswith("keys must be equal to: a,b")
    message = _refusal(lambda: _read(signature, instances=[1]))
    assert message.startswith("instances is a plain value or list")
    message = _refusal(lambda: _read(signature, instances=[{"a": 1, "b": 2}, 3]))
    assert message == "Expecting object but got list at item 1 of input list"
    message = _refusal(lambda: _read(signature, inputs={"a": [[1, 2]]}))
    assert message == "Missing named input: b in 'inputs' object."


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"instances": []}, "Expecting 'instances' to be a list with at least one"),
        ({"instances": 5}, "Expecting 'instances' to be a list"),
        ({"instances": [1], "inputs": [1]}, "only one of 'inputs' or 'instances'"),
        ({"instances": [1], "signature_name": 4}, "must be a string value"),
    ],
)
def test_the_outer_form(content, text):
    assert text in _refusal(lambda: parse_body(json.dumps(content).encode()))


def test_a_batch_of_zero(make_signature):
    signature = make_signature(a=("DT_FLOAT", (None,)))
    assert "has a batch of 0" in _refusal(lambda: _read(signature, inputs=[]))


def _strings(*items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def test_rows_and_columns_of_an_answer():
    outputs = {
        "x": np.float32([[0.1, np.nan], [2, np.inf]]),
        "t": _strings("é".encode(), b""),
        "p_bytes": _strings(b"\xff", b"x"),
    }
    columns = json.loads(write_outputs(outputs, rows=False))
    assert json.dumps(columns, ensure_ascii=False) == (
        '{"outputs": {"x": [[0.1, NaN], [2.0, Infinity]], "t": ["é", ""], '
        '"p_bytes": [{"b64": "/w=="}, {"b64": "eA=="}]}}'
    )
    rows = json.loads(write_outputs(outputs, rows=True))["predictions"]
    assert rows[1] == {"x": [2.0, np.inf], "t": "", "p_bytes": {"b64": "eA=="}}


def test_what_no_row_form_can_say():
    message = _refusal(lambda: write_outputs({"x": np.array(1.0)}, rows=True))
    assert message == "Tensor name: x has no shape information"
    uneven = {"x": np.zeros(2), "y": np.zeros(3)}
    message = _refusal(lambda: write_outputs(uneven, rows=True))
    assert message == "Tensor name: y has inconsistent batch size: 3 expecting: 2"
    scalar = write_outputs({"x": np.array(1, np.float32)}, rows=False)
    assert json.loads(scalar) == {"outputs": 1.0}


def test_text_that_is_not_utf8():
    message = _refusal(lambda: write_outputs({"t": _strings(b"\xff")}, rows=False))
    assert message.startswith("Tensor name: t holds a string that is not UTF-8")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_come_back_as_they_were(dtype):
    array = np.random.default_rng(1).normal(size=200).astype(dtype)
    text = write_outputs({"x": array}, rows=False)
    np.testing.assert_array_equal(np.array(json.loads(text)["outputs"], dtype), array)
