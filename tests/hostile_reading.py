"""Damaged and hostile JSON, COCO files, annotations, masks and outlines, from a seed.

Each kind gives an input to what reads it; anything but an error of the format's family
is a fault, and so are messages with words of Python or characters that a terminal acts
on. `python -m tests.hostile_reading COUNT` runs all kinds.
"""

import base64
import copy
import json
import random
import re
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

import numpy as np

from formats import ProjectMeta, read_bitmap, write_bitmap
from formats.annotation_reader import read_annotation
from formats.coco import open_coco
from formats.coco_masks import draw_segmentation
from formats.errors import FormatError
from formats.json_file import parse_json
from formats.placed_objects import place_annotation
from tests.project_factory import coco_json

SIZE = (20, 30)
VALUES = (
    *(None, True, False, 0, 1, -1, 0.5, -0.0, 1e9, 2**31, 2**63, 10**400, -(10**30)),
    *(1e308, float("inf"), float("-inf"), 999_999, 1_000_000, -999_999.5),
    *("", "a", "\ud800", "\0", "../x", "x" * 5000, "\x1b[31m", "NaN", "é"),
    *([], {}, [[]], [[1, 2]], {"a": 1}, [None] * 5, [0] * 7),
)
PIECES = (
    *(b"[", b"{", b'"', b",", b"\xff", b"null", b"NaN", b"1e400", b"\\u", b"\\ud800"),
    *(b"9" * 5000, b"[" * 300),
)
PYTHON_WORDS = re.compile(
    "NoneType|None|list indices|unhashable|object is not|Traceback|sys[.]set_int|"
    "codec can't|must be a? ?(str|number|float)|argument"
)


def some_mask():
    mask = np.zeros((9, 11), np.bool_)
    mask[2:5, 3:8] = True
    return mask


def outline(*exterior, holes=()):
    return {"exterior": [*exterior], "interior": [*holes]}


HOLE = [[3, 3], [9, 3], [9, 9]]
META = {
    "classes": [
        {"title": shape, "shape": shape, "color": "#FF0000"}
        for shape in ("bitmap", "polygon", "rectangle", "line", "point", "any")
    ],
    "tags": [
        {"name": "t", "value_type": "none", "color": "#000000"},
        {
            "name": "o",
            "value_type": "oneof_string",
            "values": ["1"],
            "color": [1, 2, 3],
        },
    ],
}
ANNOTATION = {
    "description": "",
    "size": {"height": SIZE[0], "width": SIZE[1]},
    "tags": [{"name": "t", "value": None}],
    "objects": [
        {"classTitle": "bitmap", "bitmap": write_bitmap(some_mask(), (4, 5))},
        {
            "classTitle": "polygon",
            "points": outline([1, 2], [25, 3], [12, 35], holes=[HOLE]),
            "tags": [{"name": "t"}],
        },
        {
            "classTitle": "polygon",
            "points": outline([-10, 2], [45, 3], [12, 35], [-3, 9], holes=[HOLE] * 2),
        },
        {"classTitle": "rectangle", "points": outline([1, 2], [25, 30])},
        {"classTitle": "line", "points": outline([1, 2], [25, 30], [40, -5])},
        {"classTitle": "point", "points": outline([1, 2])},
        {
            "classTitle": "any",
            "geometryType": "polygon",
            "points": outline([1, 2], [3, 4], [5, 9]),
        },
    ],
}
COCO = coco_json(
    {"a.png": (9, 11), "s/b.png": SIZE},
    [
        {"image_id": 1, "category_id": 10, "segmentation": [[1, 1, 8, 1, 8, 7]]},
        {
            "image_id": 2,
            "category_id": 20,
            "segmentation": {"size": [*SIZE], "counts": [10, 20, 570]},
            "iscrowd": 1,
        },
        {
            "image_id": 1,
            "category_id": 10,
            "segmentation": {"size": [9, 11], "counts": "24U2"},
        },
    ],
)


def changed(value, rng):
    """Returns JSON with one place changed."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key, what = rng.choice(list(value)), rng.random()
        if what < 0.12:
            del value[key]
        elif what < 0.2:
            value[rng.choice(["x", "id", "points", "size", "a" * 300])] = some(rng)
        else:
            value[key] = changed(value[key], rng)
        return value
    if isinstance(value, list) and value and rng.random() < 0.85:
        at, what = rng.randrange(len(value)), rng.random()
        if what < 0.1:
            del value[at]
        elif what < 0.2:
            value.insert(at, some(rng))
        elif what < 0.25:
            value.append(copy.deepcopy(value[at]))
        else:
            value[at] = changed(value[at], rng)
        return value
    if isinstance(value, str) and value and rng.random() < 0.6:
        letters = list(value)
        codes = (rng.randrange(32, 127), rng.randrange(32), 0xD800, 0x20AC)
        letters[rng.randrange(len(letters))] = chr(rng.choice(codes))
        return "".join(letters)
    return some(rng)


def some(rng):
    return copy.deepcopy(rng.choice(VALUES))


def changed_json(content, rng):
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 4)):
        content = changed(content, rng)
    # A number that is JSON, and no float holds.
    return json.dumps(content).replace("Infinity", "1e999").encode()


def damaged(data, rng):
    """Returns data with some bytes changed, cut or put in."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at, what = rng.randrange(len(data) + 1), rng.random()
        if what < 0.4:
            data[at : at + 1] = rng.randbytes(1)
        elif what < 0.6:
            del data[at : at + rng.randint(1, 20)]
        elif what < 0.8:
            data[at:at] = rng.choice(PIECES)
        else:
            data[at:at] = data[at : at + rng.randint(1, 30)]
    return bytes(data)


def read_annotations(data):
    """Reads an annotation as a training and as a run over a project do."""
    meta, content = ProjectMeta.from_json(META), parse_json(data, "a.json")
    place_annotation(content, meta)
    annotation = read_annotation(content, meta)
    for figure in annotation.figures:
        figure.draw(annotation.size)
        figure.has_fractions()
        figure.is_thin_polygon()


def read_coco(data, folder, *, is_lenient):
    path = folder / "coco.json"
    path.write_bytes(data)
    coco = open_coco(path, is_lenient=is_lenient)
    for index in range(len(coco.images)):
        coco.objects(index, coco.read(index))


def bitmap_case(rng, _folder):
    raw = zlib.decompress(base64.b64decode(write_bitmap(some_mask(), (4, 5))["data"]))
    packed = rng.choice(
        (
            lambda: zlib.compress(damaged(raw, rng)),
            lambda: damaged(zlib.compress(raw), rng),
            lambda: damaged(raw, rng),
        )
    )()
    origin = [rng.choice((0, -5, 1e308, 10**30, 3.7)), 2]
    read_bitmap({"origin": origin, "data": base64.b64encode(packed).decode()}, SIZE)


def runs_case(rng, _folder):
    letters = [chr(rng.randrange(40, 120)) for _ in range(rng.randint(0, 30))]
    draw_segmentation({"size": [9, 11], "counts": "".join(letters)}, (9, 11))


def outline_case(rng, _folder):
    kinds = (
        lambda: rng.uniform(-20, 40),
        lambda: rng.uniform(-1e6, 1e6),
        lambda: rng.choice((0, 5, -3, 1e308, 10**400)),
    )
    count = rng.randint(0, 40)
    draw_segmentation([[rng.choice(kinds)() for _ in range(count)]], SIZE)


def whole_case(rng, folder):
    content = rng.choice((META, ANNOTATION, COCO))
    data = damaged(json.dumps(content).encode(), rng)
    if content is COCO:
        read_coco(data, folder, is_lenient=False)
    elif content is META:
        ProjectMeta.from_json(parse_json(data, "meta.json"))
    else:
        read_annotations(data)


KINDS = {
    "annotation": lambda rng, _: read_annotations(changed_json(ANNOTATION, rng)),
    "bitmap": bitmap_case,
    "bytes": whole_case,
    "coco": lambda rng, f: read_coco(changed_json(COCO, rng), f, is_lenient=False),
    "lenient": lambda rng, f: read_coco(changed_json(COCO, rng), f, is_lenient=True),
    "meta": lambda rng, _: ProjectMeta.from_json(
        parse_json(changed_json(META, rng), "meta.json")
    ).to_json(),
    "outline": outline_case,
    "runs": runs_case,
}


def run(kind, seed):
    """Runs one input.

    Returns:
        What it ended in, "" for a result or a clear error of the format's family.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            KINDS[kind](random.Random(f"{kind} {seed}"), Path(folder))
        except FormatError as err:
            text = str(err).replace(folder, "")
            is_clear = text.replace("\n", "").isprintable() and len(text) < 20_000
            return "" if is_clear and not PYTHON_WORDS.search(text) else ascii(text)
        except Exception:  # noqa: BLE001 - every other one is what is looked for
            return traceback.format_exc()
    return ""


def main(count):
    for kind in KINDS:
        started, slowest = time.monotonic(), 0.0
        faults = []
        for seed in range(count):
            before = time.monotonic()
            if text := run(kind, seed):
                faults.append((seed, text))
            slowest = max(slowest, time.monotonic() - before)
        seconds = time.monotonic() - started
        sys.stdout.write(
            f"{kind}: {count} inputs, {len(faults)} faults, {seconds:.1f} s, slowest "
            f"{slowest:.2f} s\n"
        )
        for seed, text in faults[:3]:
            sys.stdout.write(f"  seed {seed}: {text}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
