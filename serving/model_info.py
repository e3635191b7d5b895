"""What a model says of itself, and the bounds of what a reader believes.

The text comes over the wire: nothing of it is taken before its type and size are known.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from serving.plain_text import acting_character, shortened

CONTRACT_VERSION = 1
"""Grows when a reader written against the older contract would misread an answer."""

MAX_INFO_BYTES = 1 << 22
"""Largest `model_info` that is read; one with 10,000 classes has about 1 MB."""
MAX_NAME_BYTES = 512
"""Longest name of a class, UTF-8."""
MAX_TEXT_CHARS = 1024
"""Longest other text."""
MAX_ENTRIES = 100
"""Most entries of `checkpoint` and `versions`."""
MAX_ROWS = 1 << 16
"""Most detections of one image."""
MAX_MASK_SIZE = 1024
MAX_SIDE = 1 << 20
"""Largest side of an input, pixels."""
MAX_PIXELS = 1 << 40
_COLOR = re.compile("#[0-9A-Fa-f]{6}")


class ModelInfoError(ValueError):
    """A model or an answer that does not keep the contract."""


@dataclass(frozen=True)
class ModelClass:
    """One class of a model.

    Attributes:
        id: 0 for the background, then 1..C-1.
        title: its name.
        color: "#RRGGBB".
    """

    id: int
    title: str
    color: str


@dataclass(frozen=True)
class ModelInput:
    """How a model sizes its images (Matterport's IMAGE_* constants)."""

    min_dim: int
    max_dim: int
    resize_mode: str
    max_image_pixels: int


@dataclass(frozen=True)
class ModelInfo:
    """What `model_info` and `assets.extra/model.json` say of a model."""

    name: str
    classes: tuple[ModelClass, ...]
    backbone: str
    input: ModelInput
    mask_size: int
    score_threshold: float
    iou_threshold: float
    max_detections: int
    precision: str
    checkpoint: Mapping[str, str]
    created: str
    versions: Mapping[str, str]
    classes_assumed: bool = False
    contract_version: int = field(default=CONTRACT_VERSION)

    def to_json(self) -> str:
        """Returns the JSON text, classes in id order."""
        content = asdict(self)
        if not self.classes_assumed:
            del content["classes_assumed"]
        first = {"contract_version": content.pop("contract_version")}
        return json.dumps(first | content, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelInfo:
        """Reads what `to_json` wrote; unknown keys are ignored.

        Raises:
            ModelInfoError: too long, not JSON, a key missing, of the wrong type or out
                of bounds, class ids that are not 0..C-1 in order, a name that a
                terminal would act on, or a contract version this code does not know.
        """
        if len(text) > MAX_INFO_BYTES:
            raise ModelInfoError(
                f"model information: expected at most {MAX_INFO_BYTES:,} bytes, got "
                f"{len(text):,}"
            )
        try:
            content = json.loads(text)
        except RecursionError as err:
            raise ModelInfoError(
                "model information is not readable: nested too deeply"
            ) from err
        except (json.JSONDecodeError, UnicodeDecodeError) as err:
            raise ModelInfoError(
                f"model information is not readable: {_unreadable(err)}"
            ) from err
        except ValueError as err:
            raise ModelInfoError(
                "model information is not readable: a number has thousands of digits"
            ) from err
        top = _Reader(content, "")
        version = top.value("contract_version")
        if version != CONTRACT_VERSION:
            raise ModelInfoError(
                f"model information: expected contract version {CONTRACT_VERSION}, got "
                f"{_told(version)}; use a client of the model's own release"
            )
        return cls._read(top)

    @classmethod
    def _read(cls, top: _Reader) -> ModelInfo:
        size = _Reader(top.value("input"), "input.")
        return cls(
            name=top.text("name"),
            classes=_classes(top.value("classes")),
            backbone=top.text("backbone"),
            input=ModelInput(
                min_dim=size.whole("min_dim", 0, MAX_SIDE),
                max_dim=size.whole("max_dim", 0, MAX_SIDE),
                resize_mode=size.text("resize_mode"),
                max_image_pixels=size.whole("max_image_pixels", 1, MAX_PIXELS),
            ),
            mask_size=top.whole("mask_size", 1, MAX_MASK_SIZE),
            score_threshold=top.number("score_threshold"),
            iou_threshold=top.number("iou_threshold"),
            max_detections=top.whole("max_detections", 1, MAX_ROWS),
            precision=top.text("precision"),
            checkpoint=top.texts("checkpoint"),
            created=top.text("created"),
            versions=top.texts("versions"),
            classes_assumed=top.flag("classes_assumed"),
        )


class _Reader:
    """One object of the JSON text; `prefix` is its place, for messages."""

    def __init__(self, content: Any, prefix: str) -> None:
        if not isinstance(content, dict):
            raise _wrong(prefix.rstrip(".") or "the whole", "an object", content)
        self._content = content
        self._prefix = prefix

    def value(self, key: str) -> Any:
        if key not in self._content:
            raise ModelInfoError(
                f"model information: key {self._prefix + key!r} is missing"
            )
        return self._content[key]

    def whole(self, key: str, least: int, most: int) -> int:
        value = self.value(key)
        if type(value) is not int or not least <= value <= most:
            raise self._wrong(key, f"a whole number {least}..{most:,}", value)
        return value

    def number(self, key: str) -> float:
        value = self.value(key)
        try:
            number = float(value) if type(value) in (int, float) else math.nan
        except OverflowError:  # of an integer
            number = math.inf
        if not math.isfinite(number):
            raise self._wrong(key, "a number", value)
        return number

    def flag(self, key: str) -> bool:
        value = self._content.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def text(self, key: str, longest: int = MAX_TEXT_CHARS) -> str:
        value = self.value(key)
        if (
            not isinstance(value, str)
            or len(value.encode("utf-8", "replace")) > longest
        ):
            raise self._wrong(key, f"a text of at most {longest} bytes", value)
        if acting_character(value):
            raise self._wrong(key, "a text without control characters", value)
        return value

    def texts(self, key: str) -> dict[str, str]:
        value = self.value(key)
        if not isinstance(value, dict) or len(value) > MAX_ENTRIES:
            raise self._wrong(key, f"an object of at most {MAX_ENTRIES} texts", value)
        entries = _Reader(value, f"{self._prefix}{shortened(key)[1:-1]}.")
        for name in value:
            if len(name) > MAX_TEXT_CHARS or acting_character(name):
                raise self._wrong(key, "names without control characters", name)
        return {name: entries.text(name) for name in value}

    def _wrong(self, key: str, expected: str, got: Any) -> ModelInfoError:
        return _wrong(self._prefix + key, expected, got)


def _classes(value: Any) -> tuple[ModelClass, ...]:
    if not isinstance(value, list):
        raise _wrong("classes", "a list", value)
    classes = []
    for number, entry in enumerate(value):
        reader = _Reader(entry, f"classes[{number}].")
        class_id = reader.value("id")
        if type(class_id) is not int or class_id != number:
            raise ModelInfoError(
                "model information: expected class ids 0, 1, 2, ... in order, got "
                f"{_told(class_id)} at place {number}"
            )
        color = reader.value("color")
        if not isinstance(color, str) or not _COLOR.fullmatch(color):
            raise _wrong(f"classes[{number}].color", '"#RRGGBB"', color)
        title = reader.text("title", MAX_NAME_BYTES)
        classes.append(ModelClass(class_id, title, color))
    return tuple(classes)


def _unreadable(err: json.JSONDecodeError | UnicodeDecodeError) -> str:
    if isinstance(err, UnicodeDecodeError):
        return f"expected UTF-8 text, got other bytes at position {err.start}"
    return str(err)


def _wrong(place: str, expected: str, got: Any) -> ModelInfoError:
    return ModelInfoError(
        f"model information: {place}: expected {expected}, got {_told(got)}"
    )


def _told(value: Any) -> str:
    """Returns a value as a message has it, `null` for None."""
    is_word = value is None or isinstance(value, bool)
    return json.dumps(value) if is_word else shortened(value)
