"""Damaged and hostile archives, folders and picture headers, from a seed.

Each kind gives an input to what reads it; anything but an error of the format's family
is a fault. `python -m tests.hostile_files COUNT` runs all kinds.
"""

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import random
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from formats.errors import FormatError
from formats.image import checked_size, decode_image
from formats.image_header import format_of
from formats.project import open_project
from tests.project_factory import box, meta_json

NAMES = (
    "../x.png",
    "/etc/x.png",
    "ds/img/../../../x.png",
    "./ds/img/a.png",
    "ds//img/a.png",
    "ds/img/a\0b.png",
    "C:/ds/img/a.png",
    "..",
    ".",
    "",
    "ds/img/" + "x" * 300 + ".png",
    "a/" * 3000 + "b.png",
    ".maskrcnn-run/img/a.png",
    "meta.json/img/a.png",
    "ds\\img\\a.png",
    "ds/img/\udce4.png",
    "ds/img/\n\x1b[31m.png",
    "ds/img",
    "ds",
    "ds/images/a.png",
    "img/a.png",
)


def png(size=(12, 9)):
    stream = io.BytesIO()
    Image.new("RGB", size, (9, 99, 199)).save(stream, "PNG")
    return stream.getvalue()


def annotation(size=(9, 12)):
    content = {"size": {"height": size[0], "width": size[1]}, "tags": []}
    return json.dumps(content | {"objects": [box()]}).encode()


def members(rng):
    """Returns names and contents of a project, some of them odd."""
    found = [("meta.json", json.dumps(meta_json()).encode())]
    for index in range(rng.randint(1, 3)):
        found.append((f"ds/img/{index}.png", png()))
        found.append((f"ds/ann/{index}.png.json", annotation()))
    for _ in range(rng.randint(0, 2)):
        content = rng.choice((b"", b"[]", b"null", b'"/etc/passwd"', b"7", png()))
        found.append((rng.choice(NAMES), content))
    if rng.random() < 0.2:
        found.append(rng.choice(found))
    rng.shuffle(found)
    return found


def damaged(data, rng, most=12):
    """Returns data with some bytes changed, cut or put in."""
    data = bytearray(data)
    for _ in range(rng.randint(1, most)):
        if not data:
            break
        at = rng.randrange(len(data))
        what = rng.random()
        if what < 0.6:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif what < 0.75:
            length = rng.choice((2, 4, 8))
            data[at : at + length] = rng.choice((b"\xff", b"\0", b"\x7f")) * length
        elif what < 0.85:
            del data[at : at + rng.randint(1, 64)]
        elif what < 0.95:
            data[at:at] = rng.randbytes(rng.randint(1, 64))
        else:
            del data[at:]
    return bytes(data)


def make_tar(rng):
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
    stream = io.BytesIO()
    form = rng.choice((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT))
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in members(rng):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if rng.random() < 0.03:
                info.type = rng.choice((*kinds, b"Z", b"S", tarfile.DIRTYPE))
                info.linkname = rng.choice((*NAMES, "meta.json", "/etc/passwd"))
                info.size = 0
            try:
                archive.addfile(info, io.BytesIO(content))
            except (ValueError, UnicodeError):
                continue
    return stream.getvalue()


def make_zip(rng):
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members(rng):
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.compress_type = rng.choice(
                (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
            )
            if rng.random() < 0.03:
                info.external_attr = rng.choice((0o120777, 0o010777, 0o020777)) << 16
            try:
                archive.writestr(info, content)
            except (ValueError, UnicodeError):
                continue
    return stream.getvalue()


def read_all(path):
    """Does what training and client do with a project."""
    project = open_project(path, 2**26)
    project.left_out.lines()
    for item in project.items:
        for read in (project.content, project.image, project.image_size):
            with contextlib.suppress(FormatError):
                read(item)
        if item.annotation is not None:
            with contextlib.suppress(FormatError):
                project.parse(item, project.read_annotation(item))


def archive_case(make, pack):
    def run(rng, folder):
        data = make(rng)
        if rng.random() < 0.7:
            data = damaged(data, rng)
        data = pack(data)
        if rng.random() < 0.3:
            data = damaged(data, rng)
        path = folder / "p.bin"
        path.write_bytes(data)
        read_all(path)

    return run


def folder_case(rng, folder):
    """A folder with links, pipes and odd names."""
    root = folder / "p"
    root.mkdir()
    folders = [root]
    for name, content in members(rng):
        path = root / name.replace("..", "u").lstrip("/")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except (OSError, ValueError):
            continue
        folders.append(path.parent)
    for index in range(rng.randint(0, 9)):
        path = rng.choice(folders) / rng.choice(
            ("img", "ann", f"l{index}", "meta.json")
        )
        try:
            kind = rng.random()
            if kind < 0.2:
                os.mkfifo(path)
            elif kind < 0.4:
                path.symlink_to(
                    rng.choice((folder, Path("/etc"), path, Path("/dev/zero")))
                )
            else:
                path.symlink_to(rng.choice(folders))
        except OSError:
            continue
    read_all(root)


def pictures():
    """Returns a small file of each format."""
    rows, columns = np.mgrid[:24, :33]
    pixels = np.stack([rows * 9, columns * 7, rows + columns], -1).astype(np.uint8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    made = []
    for form in (
        "JPEG",
        "PNG",
        "GIF",
        "BMP",
        "WEBP",
        "TIFF",
        "JPEG2000",
        "AVIF",
        "HEIF",
    ):
        options = {"exif": exif} if form in ("JPEG", "PNG", "WEBP", "AVIF") else {}
        stream = io.BytesIO()
        if form == "HEIF":
            import pillow_heif

            file = pillow_heif.from_pillow(image)
            file.save(stream, exif=exif.tobytes())
        else:
            image.save(stream, form, **options)
        made.append(stream.getvalue())
    stream = io.BytesIO()
    image.save(stream, "JPEG2000", no_jp2=True)
    return [*made, stream.getvalue()]


PICTURES = pictures()


def picture_case(rng, folder):
    data = damaged(rng.choice(PICTURES), rng, 6)
    format_of(data[:264])
    for read in (checked_size, decode_image):
        with contextlib.suppress(FormatError):
            read(data, "x")


KINDS = {
    "tar": archive_case(make_tar, lambda data: data),
    "tar.gz": archive_case(make_tar, lambda data: gzip.compress(data, 1)),
    "tar.bz2": archive_case(make_tar, bz2.compress),
    "tar.xz": archive_case(make_tar, lambda data: lzma.compress(data, preset=0)),
    "zip": archive_case(make_zip, lambda data: data),
    "folder": folder_case,
    "picture": picture_case,
}


def run(kind, seed):
    """Runs one input.

    Returns:
        What it ended in, "" for a result or an error of the format's family.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            KINDS[kind](random.Random(f"{kind} {seed}"), Path(folder))
        except FormatError:
            return ""
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
