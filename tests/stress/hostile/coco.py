"""COCO files and their segmentations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from formats.coco.file import open_coco
from formats.coco.masks import draw_segmentation
from formats.errors import FormatError
from tests.factories import coco_json
from tests.stress.hostile.kind import Attempt, Bench, Kind, Place, Rng
from tests.stress.hostile.mutations import (
    EVIL_TEXTS,
    chance,
    distort,
    json_bytes,
    odd_value,
    pick,
    raw,
)

_SIDES = (1, 2, 7, 20, 64, 500)
_FAR = (
    *(1e6, 1e9, 1e15, 1e300, 1e308, 10**400, -1e9, -0.5, 1e-9),
    *(raw("NaN"), raw("1e999"), None, "3", True),
)
_COUNT_TEXT = (
    "()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwx"
)


def hostile_segmentation(rng: Rng, size: tuple[int, int]) -> Any:
    """Returns a polygon, an RLE, or something else, for an image of this size."""
    if chance(rng, 0.3):
        return [[1.0, 1.0, size[1] - 1.5, 2.0, 3.5, size[0] - 1.0]]
    kind = int(rng.integers(5))
    if kind == 0:
        rings = pick(rng, (0, 1, 2, 50))
        return [_ring(rng, size) for _ in range(rings)]
    claimed = [*size] if chance(rng, 0.7) else [_side(rng), _side(rng)]
    if kind == 1:
        total = size[0] * size[1]
        counts = [int(n) for n in rng.integers(0, total + 1, int(rng.integers(1, 9)))]
        if chance(rng, 0.5):
            cuts = sorted(int(n) for n in rng.integers(0, total + 1, 4))
            counts = [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
        if chance(rng, 0.3):
            counts.insert(0, pick(rng, (-1, 10**18, 10**30, 0.5, None, "5", True)))
        if chance(rng, 0.02):
            counts = [0, 1] * 300_000
        return {"size": claimed, "counts": counts}
    if kind == 2:
        length = pick(rng, (0, 1, 5, 40, 300, 200_000))
        text = _text(rng, length)
        return {"size": claimed, "counts": text}
    if kind == 3:
        return {"size": odd_value(rng), "counts": odd_value(rng)}
    return odd_value(rng)


def hostile_coco(rng: Rng) -> bytes:
    """Returns a COCO file of three images, `a.png` to `c.png`."""
    sizes = {"a.png": (20, 30), "b.png": (20, 30), "c.png": (20, 30)}
    annotations = [
        {
            "image_id": int(rng.integers(1, 4)),
            "category_id": 10 * int(rng.integers(1, 3)),
            "iscrowd": pick(rng, (0, 0, 1)),
            "segmentation": hostile_segmentation(rng, (20, 30)),
        }
        for _ in range(int(rng.integers(1, 3)))
    ]
    content = coco_json(sizes, annotations)
    if chance(rng, 0.2):
        pick(rng, content["images"])["file_name"] = pick(rng, EVIL_TEXTS)
    return json_bytes(rng, content) if chance(rng, 0.5) else distort(rng, content)


def _text(rng: Rng, length: int) -> str:
    if chance(rng, 0.3):
        return pick(rng, ("o", "0", "O", "\0", "é", "~")) * length
    return "".join(_COUNT_TEXT[i] for i in rng.integers(len(_COUNT_TEXT), size=length))


def _ring(rng: Rng, size: tuple[int, int]) -> list[Any]:
    numbers = pick(rng, (0, 1, 2, 4, 5, 6, 8, 60))
    ring: list[Any] = [round(float(x), 2) for x in rng.uniform(0, max(size), numbers)]
    if ring and chance(rng, 0.4):
        ring[int(rng.integers(len(ring)))] = pick(rng, _FAR)
    if chance(rng, 0.1):
        ring = [float(x) for x in rng.uniform(-1e6, 1e6, len(ring))]
    if chance(rng, 0.1):
        ring = [x / max(size) if isinstance(x, float) else x for x in ring]
    return ring


def _side(rng: Rng) -> Any:
    return pick(rng, (0, -1, 1, 20, 60_000, 10**6, 2**31, 2**63, 10**40, "20", 1.5))


def _plain(value: Any) -> Any:
    """Returns a value as a reader of JSON gives it: raw texts become numbers."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, str) and value.startswith(raw("")):
        text = value.removeprefix(raw(""))
        return float("nan") if text == "NaN" else text[:100]
    return value


@contextlib.contextmanager
def _segmentation(place: Place) -> Iterator[Bench]:
    def make(rng: Rng) -> Attempt:
        size = (pick(rng, _SIDES), pick(rng, _SIDES))
        segmentation = _plain(hostile_segmentation(rng, size))
        return Attempt(
            f"segmentation {segmentation!r:.100} for {size}",
            lambda: draw_segmentation(segmentation, size),
        )

    yield Bench(make)


@contextlib.contextmanager
def _coco(place: Place) -> Iterator[Bench]:
    path = place.folder / "coco.json"

    def read(*, is_lenient: bool) -> None:
        file = open_coco(path, is_lenient=is_lenient)
        for index in range(min(len(file.images), 20)):
            height, width = file.images[index].size
            if height * width <= 1 << 20:
                file.objects(index, file.read(index))

    def make(rng: Rng) -> Attempt:
        path.write_bytes(hostile_coco(rng))
        is_lenient = chance(rng, 0.4)
        return Attempt(
            f"COCO file{', lenient' * is_lenient}", lambda: read(is_lenient=is_lenient)
        )

    yield Bench(make)


KINDS = {
    "coco": Kind("COCO files and their masks", (FormatError,), _coco),
    "segmentation": Kind("polygons and RLEs", (FormatError,), _segmentation, weight=2),
}
