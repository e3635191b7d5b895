import pytest

from formats.quoted import quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ({"id": 1, "name": "ä"}, '{"id": 1, "name": "ä"}'),
        ([1.5, "x"], '[1.5, "x"]'),
        ("\x1b[31m\u202e", '"\\u001b[31m\\u202e"'),
        ("\ud800", '"\\ud800"'),
        ("a\x7f", '"a\\u007f"'),
        (object(), "a object"),
        ({1, 2}, "a set"),
    ],
)
def test_values(value, text):
    assert quoted(value) == text


def test_numbers_that_python_does_not_print():
    assert quoted(10**5000) == "a number that is too long"
    assert quoted([1, 10**5000]) == "[1<list>"


def test_long_values_are_cut_and_not_looked_at():
    class Untouched(list):
        def __iter__(self):
            yield from range(100)
            raise AssertionError("it was read on")

    assert quoted(list(range(100)), 20) == "[0, 1, 2, 3, 4, 5..."
    assert len(quoted("x" * 10**6)) == 60
    assert len(quoted([["x" * 10**6]] * 5)) == 60
    deep = []
    for _ in range(10_000):
        deep = [deep]
    assert quoted(deep) == f"{'[' * 57}..."
