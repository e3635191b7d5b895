import json

import pytest

from serving.plain_text import acting_character, shortened, visible


@pytest.mark.parametrize(
    "character",
    [*"\0\x07\t\n\x1b\x7f\x80\x9b\u2028\u2029\u202a\u202e\u2066\u2069", "\ud800"],
)
def test_characters_that_act(character):
    text = f"a{character}b"
    assert acting_character(text) == character
    shown = visible(text)
    assert shown == f"a\\u{ord(character):04x}b"
    assert json.loads(f'"{shown}"') == text


@pytest.mark.parametrize("text", ["", "plain", "naïve 猫 \U0001f408", "می‌خواهم", "a b"])
def test_other_characters_stay(text):
    assert not acting_character(text)
    assert visible(text) == text


def test_lines_may_stay():
    assert visible("a\nb\x1b", keep="\n") == "a\nb\\u001b"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("short", "'short'"),
        (b"\x1b", r"b'\x1b'"),
        ("x" * 10**6, "'" + "x" * 59 + "..."),
        ([1] * 10**6, "list of 1000000"),
        ({}, "dict of 0"),
        (17, "17"),
        (None, "None"),
        ("\u202e", r"'\u202e'"),
    ],
)
def test_quotes_are_short(value, told):
    assert shortened(value) == told


def test_numbers_that_python_does_not_write():
    for value in (10**5000, -(10**5000)):
        assert shortened(value) == "a huge number"
