import json
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from formats import ConfigFileError, load_config


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Window(Strict):
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Tiles(Strict):
    name: Literal["tiles"]
    window: Window


class Whole(Strict):
    name: Literal["whole"]
    label: str = Field(default="x", min_length=1, pattern=r"^[a-z]*$")


class Task(Strict):
    mode: Annotated[Tiles | Whole, Field(discriminator="name")]
    share: float = Field(default=0.5, gt=0, le=1, allow_inf_nan=False)
    devices: list[int] = []
    windows: list[Window] = []
    side: int | str = 1
    save: bool = False

    @field_validator("devices")
    @classmethod
    def _even(cls, value: list[int]) -> list[int]:
        if len(value) == 3:
            raise ValueError("expected any number of devices but 3")
        return value


WHOLE = {"name": "whole"}
SQUARE = {"width": 1, "height": 1}


def problems(content, **kwargs):
    with pytest.raises(ConfigFileError) as caught:
        load_config(content, Task, **kwargs)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_reads_file_and_mapping(tmp_path):
    path = tmp_path / "c.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"mode": WHOLE}).encode())
    assert load_config(path, Task) == load_config({"mode": WHOLE}, Task)
    assert load_config(str(path), Task).share == 0.5


def test_path_has_no_union_tag():
    content = {"mode": {"name": "tiles", "window": {"width": 0, "height": "9"}}}
    assert problems(content, name="inference.json") == [
        "inference.json: mode.window.width: expected >= 1, got 0",
        'inference.json: mode.window.height: expected an integer, got "9"',
    ]


def test_every_problem_at_once():
    content = {"mode": WHOLE, "share": 0, "save": 1, "windows": [{"width": 1}], "x": 2}
    assert problems(content) == [
        "config: share: expected > 0, got 0",
        "config: windows[0].height: is missing",
        "config: save: expected true or false, got 1",
        "config: x: unknown key; known keys: devices, mode, save, share, side, windows",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"mode": WHOLE, "shares": 1}, 'shares: unknown key; did you mean "share"?'),
        (
            {
                "mode": {
                    "name": "tiles",
                    "window": {"width": 1, "height": 1, "hight": 1},
                }
            },
            'mode.window.hight: unknown key; did you mean "height"?',
        ),
        (
            {"mode": WHOLE | {"labels": "x"}},
            'mode.labels: unknown key; did you mean "label"?',
        ),
        (
            {"mode": {"name": "roi"}},
            "mode.name: expected one of 'tiles', 'whole', got \"roi\"",
        ),
        ({"mode": {}}, "mode.name: is missing"),
        ({}, "mode: is missing"),
        ({"mode": [1]}, "mode: expected an object, got [1]"),
        (
            {"mode": {"name": "whole", "label": ""}},
            'mode.label: expected a string that is not empty, got ""',
        ),
        (
            {"mode": {"name": "whole", "label": "A"}},
            'mode.label: expected text of the form ^[a-z]*$, got "A"',
        ),
        (
            {"mode": WHOLE, "devices": [0, "1"]},
            'devices[1]: expected an integer, got "1"',
        ),
        (
            {"mode": WHOLE, "devices": [1, 2, 3]},
            "devices: expected any number of devices but 3",
        ),
        (
            {"mode": WHOLE, "side": 1.5},
            "side: expected an integer or expected a string, got 1.5",
        ),
        (
            {"mode": WHOLE, "share": float("nan")},
            "share: expected a finite number, got NaN",
        ),
        (
            {"mode": WHOLE, "share": "9" * 100},
            f'share: expected a number, got "{"9" * 56}...',
        ),
        ({"mode": WHOLE, "share": 1.5}, "share: expected <= 1, got 1.5"),
    ],
)
def test_one_problem(content, problem):
    assert problems(content) == [f"config: {problem}"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"mode": ', "not JSON: line 1, column 10: Expecting value"),
        (b"", "not JSON: line 1, column 1: Expecting value"),
        (b'{"share": NaN}', "not JSON: NaN is not a JSON number"),
        (b'{"share": -Infinity}', "not JSON: -Infinity is not a JSON number"),
        (b'{"a": {"b": 1, "b": 2}}', 'key "b" is there twice in one object'),
        (b'{"a": "\xff"}', "expected UTF-8 text, got other bytes at position 7"),
        (b"[1]", "expected an object, got [1]"),
    ],
)
def test_files_that_are_no_config(tmp_path, data, problem):
    path = tmp_path / "train.json"
    path.write_bytes(data)
    assert problems(path, name="train.json")[0].endswith(problem)


def test_deeply_nested_file(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 200_000)
    assert "not JSON" in problems(path)[0]


def test_missing_file_and_folder(tmp_path):
    assert problems(tmp_path / "no.json") == [
        f"{tmp_path / 'no.json'}: No such file or directory"
    ]
    assert problems(tmp_path) == [f"{tmp_path}: Is a directory"]


def test_keys_and_values_of_strangers_are_shown_short():
    content = {"\x1b[31m": 1, "x" * 10**6: 2, **{f"k{i}": i for i in range(500)}}
    with pytest.raises(ConfigFileError) as caught:
        load_config({"width": 1, "height": 1} | content, Window)
    assert len(caught.value.problems) == 502
    text = str(caught.value)
    assert text.startswith('config: "\\u001b[31m": unknown key; known keys: ')
    assert text.endswith("and 482 more")
    assert len(text) < 10_000
