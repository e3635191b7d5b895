"""Projects as folders and archives, run through the client and through training."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tests.factories import DOG, box, meta_json, write_project
from tests.fake_server import FakeServer
from tests.stress.hostile.images import hostile_image, sound_image
from tests.stress.hostile.kind import (
    Attempt,
    Bench,
    Kind,
    Place,
    ProgramRefusalError,
    Rng,
)
from tests.stress.hostile.mutations import chance, evil_text, pick
from tests.stress.hostile.programs import run_program
from tests.stress.hostile.sandbox import FIFO, LINK, Entries, Sandbox
from tests.stress.hostile.supervisely import hostile_annotation, hostile_meta

_NAMES = (
    "../up",
    "../../up",
    "..",
    ".",
    "/abs",
    "//abs",
    "C:\\x",
    "\\\\host\\x",
    ".maskrcnn-run",
    ".hidden",
    "a\nb",
    "nul\0l",
    "x" * 300,
    "img",
    "datasets",
    "meta.json",
    "-rf",
    "\udcff",
    "\udce4",
    "\n\x1b[31m",
    "",
    "ä",
    "A",
)
_PATHS = (
    "/etc/x.png",
    "C:/ds/img/a.png",
    "..",
    ".",
    "",
    "ds",
    "ds/img",
    "./ds/img/p0.png",
    "ds//img/p0.png",
    "ds/img/../../../x.png",
    "ds\\img\\p0.png",
    "ds/images/a.png",
    "img/a.png",
    "meta.json/img/a.png",
    "a/" * 3000 + "b.png",
)
"""Of members of archives; no folder has most of them."""
_CONTENTS = (b"", b"[]", b"null", b"7", b'"/etc/passwd"')
_ENDINGS = (".png", ".jpg", ".JPG", ".gif", ".heic", ".avif", "", ".png.png", ".mp4")


def hostile_project(rng: Rng) -> Entries:
    """Returns the files of a project: path, and bytes, a link's target or a FIFO."""
    meta = hostile_meta(rng) if chance(rng, 0.1) else json.dumps(meta_json()).encode()
    entries: Entries = [("meta.json", meta)]
    for number in range(int(rng.integers(1, 6))):
        dataset = "ds" if chance(rng, 0.9) else pick(rng, _NAMES)
        stem = f"p{number}" if chance(rng, 0.9) else pick(rng, _NAMES)
        name = stem + pick(rng, _ENDINGS if chance(rng, 0.1) else (".png",))
        entries += _item(rng, dataset, name, ("train", "val")[number % 2])
    if chance(rng, 0.25):
        entries += _oddities(rng)
    if chance(rng, 0.05):
        entries.append(pick(rng, entries))
    if chance(rng, 0.3):
        rng.shuffle(entries)
    if chance(rng, 0.1):
        entries = [(f"project/{path}", content) for path, content in entries]
    if chance(rng, 0.1):
        entries.pop(int(rng.integers(len(entries))))
    return entries


def _item(rng: Rng, dataset: str, name: str, tag: str) -> Entries:
    folder = pick(rng, ("images", "video", "Img")) if chance(rng, 0.03) else "img"
    image = hostile_image(rng)[1] if chance(rng, 0.05) else _plain_image(rng)
    if chance(rng, 0.1):
        annotation = hostile_annotation(rng)
    else:
        content = {"size": {"height": 20, "width": 30}, "tags": [{"name": tag}]}
        annotation = json.dumps(content | {"objects": [box(), DOG]}).encode()
    return [
        (f"{dataset}/{folder}/{name}", image),
        (f"{dataset}/ann/{name}.json", annotation),
    ]


def _plain_image(rng: Rng) -> bytes:
    pixels = np.full((20, 30, 3), int(rng.integers(256)), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def _oddities(rng: Rng) -> Entries:
    targets = (".", "..", "../..", "ds", "/etc/hostname", "../secret.txt", "/dev/zero")
    target = pick(rng, targets)
    return pick(
        rng,
        (
            [(f"l{i}", f"{LINK}.") for i in range(8)],
            [("ds/img/l.png", LINK + target)],
            [
                ("ds/ann/l.png.json", LINK + target),
                ("ds/img/l.png", _plain_image(rng)),
            ],
            [("loop", LINK + target), ("ds/loop", LINK + target)],
            [("ds/img/f.png", FIFO), ("ds/ann/f.png.json", FIFO)],
            [("ds/img", LINK + target)],
            [("meta.json", FIFO), ("ds/ann", FIFO)],
            [("ds/img/dir", LINK + target), ("ds/ann/dir", LINK + target)],
            [(pick(rng, _PATHS), pick(rng, (*_CONTENTS, _plain_image(rng))))],
            [(pick(rng, _PATHS), LINK + pick(rng, (*_PATHS, "meta.json")))],
            [("meta.json", LINK + target)],
            [("meta.json", b'{"classes": [], "tags": []}')],
            [("other/meta.json", json.dumps(meta_json()).encode())],
            [("ds/img/" + evil_text(rng)[:200], b"x"), ("ds/notes.txt", b"x")],
            [("ds/img/sub/a.png", _plain_image(rng)), ("ds/img/Thumbs.db", b"x")],
            [("ds/img/big.png", bytes(3_000_000))],
        ),
    )


@contextlib.contextmanager
def _run(place: Place) -> Iterator[Bench]:
    from client.__main__ import main

    config = place.folder / "inference.json"
    config.write_text('{"mode": {"name": "full_image"}}')  # with the default suffix
    server = FakeServer()
    sandbox = Sandbox(place.folder)

    def attempt(path: Path, flags: list[str]) -> None:
        before = sandbox.listing()
        line = [*flags, "--output", str(sandbox.output), "--config", str(config)]
        try:
            run_program(main, [*line, "--server", server.address, "--timeout", "20"])
        finally:
            sandbox.check(before)

    def make(rng: Rng) -> Attempt:
        label, path = sandbox.make(rng, hostile_project(rng))
        server.requests.clear()
        flags = ["--project", str(path)] if chance(rng, 0.8) else [str(path)]
        extra = (
            ["--draw"],
            ["--report", str(sandbox.output / "r.html")],
            ["--coco", str(sandbox.output / "c.json")],
        )
        if chance(rng, 0.2):
            flags += pick(rng, extra)
        return Attempt(label, lambda: attempt(path, flags))

    try:
        yield Bench(make)
    finally:
        server.stop()


@contextlib.contextmanager
def _training(place: Place) -> Iterator[Bench]:
    from tests.stress.hostile.coco import hostile_coco
    from training.__main__ import main

    config = place.folder / "train.json"
    config.write_text('{"epochs": 1, "batch_size": {"train": 1, "val": 1}}')
    sandbox = Sandbox(place.folder)
    plain = write_project(place.folder / "plain")
    first = ["inspect", "--config", str(config), "--project", str(plain)]
    run_program(main, [*first, "--output", str(place.folder / "first")])  # imports

    def attempt(flags: list[str]) -> None:
        before = sandbox.listing()
        line = ["inspect", "--config", str(config), "--output", str(sandbox.output)]
        try:
            run_program(main, [*line, *flags])
        finally:
            sandbox.check(before)

    def make(rng: Rng) -> Attempt:
        label, path = sandbox.make(rng, hostile_project(rng))
        if chance(rng, 0.6):
            return Attempt(label, lambda: attempt(["--project", str(path)]))
        images = sandbox.work / "images"
        images.mkdir()
        for name in ("a.png", "b.png", "c.png"):
            data = sound_image(rng)[1] if chance(rng, 0.2) else _plain_image(rng)
            (images / name).write_bytes(data)
        files = [sandbox.work / "train.coco", sandbox.work / "val.coco"]
        for file in files:
            file.write_bytes(hostile_coco(rng))
        flags = ["--coco", *map(str, files), "--images", str(images)]
        return Attempt("COCO files", lambda: attempt(flags))

    yield Bench(make)


KINDS = {
    "project_run": Kind(
        "projects and folders through the client",
        (ProgramRefusalError,),
        _run,
        weight=0.4,
    ),
    "project_training": Kind(
        "projects and COCO files through training inspect",
        (ProgramRefusalError,),
        _training,
        weight=0.3,
        cpu_s=10,
    ),
}
