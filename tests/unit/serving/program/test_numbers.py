"""Numbers on a command line."""

import argparse
import re

import pytest

from serving.program.numbers import (
    count,
    fraction,
    positive,
    seconds,
    some_seconds,
    whole_number,
)


@pytest.mark.parametrize(
    ("read", "text", "number"),
    [
        (positive, "1", 1),
        (positive, "9" * 30, 10**30 - 1),
        (count, "0", 0),
        (whole_number(0, 65535), "65535", 65535),
        (fraction, "0", 0.0),
        (fraction, "1", 1.0),
        (fraction, "2.5e-1", 0.25),
        (seconds, "0", 0.0),
        (some_seconds, "0.1", 0.1),
    ],
)
def test_numbers_that_are_taken(read, text, number):
    assert read(text) == number


@pytest.mark.parametrize(
    ("read", "texts", "expected"),
    [
        (
            positive,
            ["0", "-1", "1.5", "1e6", "x", "", "٣", "9" * 5000],
            "a whole number, at least 1",
        ),
        (count, ["-1", "x"], "a whole number, at least 0"),
        (
            whole_number(0, 65535),
            ["-1", "65536"],
            "a whole number, at least 0 and at most 65535",
        ),
        (fraction, ["-0.1", "1.1", "nan", "inf", "x"], "a number 0 to 1"),
        (seconds, ["-0.1", "nan", "inf", "x"], "a number, at least 0"),
        (some_seconds, ["0", "-1", "nan", "inf"], "a number of seconds above 0"),
    ],
)
def test_numbers_that_are_refused(read, texts, expected):
    for text in texts:
        told = re.escape(f"expected {expected}, got {text!r}")
        with pytest.raises(argparse.ArgumentTypeError, match=f"^{told}$"):
            read(text)
