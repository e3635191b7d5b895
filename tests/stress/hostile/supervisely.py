"""Metas and annotations of Supervisely projects."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from formats.errors import FormatError
from formats.json_file import parse_json
from formats.mask_crop import MaskCrop
from formats.supervisely.annotation_reader import read_annotation
from formats.supervisely.bitmap import write_bitmap
from formats.supervisely.figures import SHAPES
from formats.supervisely.meta import ProjectMeta
from formats.supervisely.placed_objects import place_annotation
from tests.factories import CLASSES, box, meta_json, vector
from tests.stress.hostile.kind import Attempt, Bench, Kind, Place, Rng
from tests.stress.hostile.mutations import (
    chance,
    distort,
    json_bytes,
    mask,
    mutate_bytes,
    packed_zeros,
    pick,
)

_COLORS = ("#F00", "#010203", "red", "notacolour", [255, 0, 0], [1, 2], None, 5, "")
_BOMBS = (5_000_000, 100_000_000, 700_000_000)
_TAGS = (
    {"name": "any", "value_type": "any_string", "color": "#000000"},
    {
        "name": "one",
        "value_type": "oneof_string",
        "values": ["1"],
        "color": [1, 2, 3],
    },
)
_FAR = (
    -(10**30),
    1e308,
    3.7,
    -(10**12),
    -(10**6),
    -1,
    0.5,
    3,
    29,
    30,
    1000,
    999_999,
    10**9,
    1e300,
)


def wide_meta() -> dict[str, Any]:
    """Returns a meta with classes of all shapes and tags with values."""
    more = {"path": "line", "spot": "point", "thing": "any"}
    content = meta_json(CLASSES | more)
    content["tags"] += _TAGS
    return content


def hostile_meta(rng: Rng) -> bytes:
    """Returns the content of a `meta.json`."""
    content = wide_meta()
    for entry in content["classes"]:
        if chance(rng, 0.3):
            entry["color"] = pick(rng, _COLORS)
    return distort(rng, content)


def hostile_annotation(rng: Rng) -> bytes:
    """Returns the content of an annotation of an image of 20 x 30 pixels."""
    if chance(rng, 0.05):
        return json_bytes(rng, pick(rng, ([], 5, "meta.json", "/etc/passwd", None)))
    objects = [_object(rng) for _ in range(int(rng.integers(1, 4)))]
    content = {
        "size": {"height": 20, "width": 30},
        "description": "",
        "tags": [{"name": "train", "value": None}],
        "objects": objects,
    }
    return distort(rng, content) if chance(rng, 0.5) else json_bytes(rng, content)


def _object(rng: Rng) -> dict[str, Any]:
    kind = int(rng.integers(5))
    if kind == 0:
        bitmap = {"data": _bitmap_data(rng), "origin": [_at(rng), _at(rng)]}
        return {"classTitle": "cat", "tags": [], "bitmap": bitmap}
    if kind == 1:
        return box(corners=((_at(rng), _at(rng)), (_at(rng), _at(rng))))
    points = [[_at(rng), _at(rng)] for _ in range(pick(rng, (0, 1, 2, 3, 5, 400)))]
    if kind == 2:
        return vector("dog", points)
    ring = [[_at(rng), _at(rng)] for _ in range(4)]
    holes = [ring] * int(rng.integers(3))
    if kind == 3:
        return vector("dog", points, holes)
    title = pick(rng, ("path", "spot", "thing"))
    extra = {"geometryType": pick(rng, SHAPES)} if title == "thing" else {}
    return vector(title, points, holes, **extra)


def _at(rng: Rng) -> float:
    return pick(rng, _FAR) if chance(rng, 0.2) else int(rng.integers(30))


def _bitmap_data(rng: Rng) -> str:
    kind = int(rng.integers(7))
    if kind == 0:
        written = write_bitmap(MaskCrop(0, 0, mask(rng, 5, 6)))
        return written["data"] if written else ""
    if kind == 1:
        return base64.b64encode(packed_zeros(pick(rng, _BOMBS))).decode()
    if kind == 2:
        return pick(rng, ("", "=", "!!!!", "A" * 5, "é", "AAAA" * 50_000))
    image = np.zeros((5, 6), np.uint8) if kind < 5 else np.zeros((4000, 4000), np.uint8)
    png = cv2.imencode(".png", image)[1].tobytes()
    if kind in (3, 6):
        png = mutate_bytes(rng, png)
    if kind == 6:
        return base64.b64encode(png).decode()
    packed = zlib.compress(png)
    return base64.b64encode(packed if kind != 4 else mutate_bytes(rng, packed)).decode()


@contextlib.contextmanager
def _meta(place: Place) -> Iterator[Bench]:
    def make(rng: Rng) -> Attempt:
        data = hostile_meta(rng)
        return Attempt(
            f"meta of {len(data)} bytes",
            lambda: ProjectMeta.from_json(parse_json(data, "meta.json")).to_json(),
        )

    yield Bench(make)


@contextlib.contextmanager
def _annotation(place: Place) -> Iterator[Bench]:
    meta = ProjectMeta.from_json(json.loads(json.dumps(wide_meta())))

    def draw(data: bytes) -> None:
        annotation = read_annotation(parse_json(data, "a.json"), meta)
        height, width = annotation.size
        if height * width > 1 << 20:
            return
        for figure in annotation.figures:
            figure.draw(annotation.size)
            figure.has_fractions()
            figure.is_thin_polygon()

    def cut(data: bytes) -> None:
        place_annotation(parse_json(data, "a.json"), meta)

    def make(rng: Rng) -> Attempt:
        data = hostile_annotation(rng)
        read = pick(rng, (draw, cut))
        text = f"annotation of {len(data)} bytes to {read.__name__}"
        return Attempt(text, lambda: read(data))

    yield Bench(make)


KINDS = {
    "meta": Kind("meta.json", (FormatError,), _meta),
    "annotation": Kind("annotations and their masks", (FormatError,), _annotation),
}
