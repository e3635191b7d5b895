import json

import pytest

from formats import ConfigFileError, json_file, read_json
from formats.json_file import MAX_DEPTH, parse_json


def problems_of(text):
    with pytest.raises(ConfigFileError) as caught:
        parse_json(text.encode(), "a.json")
    return list(caught.value.problems)


def test_reads_what_json_is(tmp_path):
    path = tmp_path / "a.json"
    content = {"a": [1, -2.5e3, True, None, "ü\U0001f600"], "b": {}}
    path.write_bytes(b"\xef\xbb\xbf \n" + json.dumps(content).encode() + b" \r\n\t")
    assert read_json(path) == content


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON: line 1, column 1: Expecting value"),
        ('{"a": 1} x', "not JSON: line 1, column 10: Extra data"),
        ("[1,\n NaN]", "not JSON: NaN is not a JSON number"),
        ("[-Infinity]", "not JSON: -Infinity is not a JSON number"),
        ('{"a": 1, "b": 2, "a": 3}', 'key "a" is there twice in one object'),
        ('[{"\\u001b[31m": 1, "\\u001b[31m": 2}]', 'key "\\u001b[31m" is there twice'),
    ],
)
def test_what_is_refused(text, problem):
    [got] = problems_of(text)
    assert got.startswith("a.json: ")
    assert problem in got


@pytest.mark.parametrize("start", ["", "-"])
@pytest.mark.parametrize("count", [301, 5000, 1_000_000])
def test_numbers_of_very_many_digits(start, count):
    [problem] = problems_of(f"[{start}{'9' * count}]")
    assert problem == "a.json: not JSON: a number has more than 300 digits"
    assert float(*parse_json(f"[{start}{'9' * 299}]".encode(), "a.json"))


def test_depth_is_bounded_wherever_it_is():
    deepest = "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH
    assert parse_json(deepest.encode(), "a.json")
    assert parse_json(f'"{"[" * 500}"'.encode(), "a.json") == "[" * 500
    wide = json.dumps([[0, 1]] * 1000)
    assert len(parse_json(wide.encode(), "a.json")) == 1000
    far = "[" * 200_000, '{"a":' * 200_000
    for text in (f"[{deepest}]", f'[1, [2], {{"a": {deepest}}}]', *far):
        [problem] = problems_of(text)
        assert problem == (
            "a.json: not JSON: nested too deeply, more than 100 lists and objects"
        )


@pytest.mark.slow
def test_many_repeated_keys_take_no_time():
    count = 300_000
    pairs = ",".join(f'"{key}":1' for key in range(count))
    *first, last = problems_of(f"{{{pairs},{pairs}}}")
    assert len(first) == 20
    assert first[0] == 'a.json: key "0" is there twice in one object'
    assert last == f"a.json: and {count - 20:,} more"


def test_size_of_a_file_is_bounded(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("[1, 2, 3]")
    monkeypatch.setattr(json_file, "MAX_BYTES", 9)
    assert read_json(path) == [1, 2, 3]
    monkeypatch.setattr(json_file, "MAX_BYTES", 8)
    with pytest.raises(
        ConfigFileError, match="expected at most 0 MiB of JSON, got more"
    ):
        read_json(path)
    with pytest.raises(ConfigFileError, match="expected at most"):
        read_json("/dev/zero")


def test_paths_that_are_none():
    with pytest.raises(ConfigFileError, match="no path of a file: embedded null byte"):
        read_json("a\0b.json")
    with pytest.raises(ConfigFileError, match="No such file"):
        read_json("nowhere.json")
