import json
import tracemalloc

import pytest

from formats import FormatError
from formats.coco import json_stream
from formats.coco.json_stream import stream_object

CONTENT = {
    "info": {"year": 2017, "名": [1, 2]},
    "images": [{"id": 1, "file_name": "ä.jpg"}, {"id": 2, "file_name": '\\"]'}],
    "empty": [],
    "version": 1234567,
    "numbers": [12345, -1.5e3, 2.5e-30, True, None],
    "last": "ü",
}


@pytest.fixture(params=[1, 2, 7, 1 << 20])
def _chunk(request, monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("indent", [None, 3])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_pieces_and_their_places(tmp_path, indent, ascii_only, mark):
    path = tmp_path / "a.json"
    text = json.dumps(CONTENT, indent=indent, ensure_ascii=ascii_only)
    data = mark + text.encode() + b"\n "
    path.write_bytes(data)
    got = {}
    for piece in stream_object(path):
        place = data[piece.offset : piece.offset + piece.length]
        assert json.loads(place) == piece.value
        got.setdefault(piece.key, []).append(piece.value)
    expected = {
        key: value if isinstance(value, list) else [value]
        for key, value in CONTENT.items()
        if value != []
    }
    assert got == expected


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "byte 0: expected {"),
        (b"[]", "byte 0: expected {"),
        (b'{"a": [1, 2', "byte 11: expected , or ]"),
        (b'{"a": [1, 2]', "byte 12: expected , or }"),
        (b'{"a": {"b": 1}', "byte 14: expected , or }"),
        (b'{"a" 1}', "byte 5: expected :"),
        (b'{"a": 1,}', "byte 8: expected a key"),
        (b"{1: 1}", "byte 1: expected a key"),
        (b'{"a": 1} x', "byte 9: expected the end"),
        (b'{"a": [{"b": ]}', "byte 7"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": "\xff"}', "expected UTF-8 text"),
        (b'{"a": "\xc3', "not JSON"),
    ],
)
def test_what_is_not_json(tmp_path, text, problem):
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(FormatError) as caught:
        list(stream_object(path))
    assert f"{path}: not JSON" in str(caught.value)
    assert problem in str(caught.value)


def test_empty_object(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(" { } ")
    assert list(stream_object(path)) == []


def test_missing_file(tmp_path):
    with pytest.raises(FormatError, match="No such file"):
        list(stream_object(tmp_path / "a.json"))


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "a": 2}', 'key "a" is there twice'),
        ('{"a": [{"b": 1, "b": 2}]}', 'key "b" is there twice in one object'),
        pytest.param(f'{{"a": [{"7" * 5000}]}}', "thousands of digits", id="digits"),
        pytest.param(f'{{"a": [{"[" * 3000}', "nested too deeply", id="cut and deep"),
        pytest.param(
            f'{{"a": [{"[" * 101}{"]" * 101}]}}', "nested too deeply", id="deep"
        ),
    ],
)
def test_what_is_refused(tmp_path, text, problem):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=problem):
        list(stream_object(path))


@pytest.mark.parametrize(
    "start",
    [
        '{"images": [}',
        '{"images": [{"id": 1,, "b": 2}]',
        '{"images": [{"id" 1}',
        '{"images": [tru, 1]',
        '{"images": [{"id": "a\n"',
        '{"images": [{"id": "\\x"',
        '{"images" 1',
        "[",
    ],
)
def test_wrong_start_of_a_large_file_is_told_at_once(tmp_path, start):
    path = tmp_path / "a.json"
    path.write_text(start + " " * 64)
    with path.open("r+b") as file:
        file.truncate(400 << 20)  # a hole: takes no room on the disk
    tracemalloc.start()
    with pytest.raises(FormatError, match="not JSON: byte"):
        list(stream_object(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_size_of_an_entry_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 64)
    monkeypatch.setattr(json_stream, "MAX_PIECE", 1000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"a": ["x" * 500, "y" * 500] * 9}))
    assert len(list(stream_object(path))) == 18
    path.write_text('{"a": ["' + "x" * 5000)
    with pytest.raises(FormatError, match="entries of at most 0 MiB, got a longer"):
        list(stream_object(path))
