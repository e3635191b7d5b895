"""Files of images: broken headers and bodies, bombs, of all formats."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pillow_heif
from PIL import Image

from client.errors import ImageError
from client.image import load_image
from formats.errors import ImageFileError
from formats.images.image import checked_size, decode_image
from tests.stress.hostile.kind import Attempt, Bench, FindingError, Kind, Place, Rng
from tests.stress.hostile.mutations import chance, mutate_bytes, packed_zeros, pick

FORMATS = (
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("PNG", {"mode": "P"}),
    ("PNG", {"mode": "RGBA"}),
    ("PNG", {"mode": "I;16"}),
    ("GIF", {"mode": "P"}),
    ("BMP", {}),
    ("BMP", {"mode": "P"}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("JPEG2000", {}),
    ("JPEG2000", {"no_jp2": True}),
    ("AVIF", {}),
    ("HEIF", {}),
    ("PPM", {}),
    ("ICO", {}),
)
WITH_EXIF = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")
MAX_PIXELS = 1_000_000


def sound_image(rng: Rng) -> tuple[str, bytes]:
    """Returns a format's name and a small file of it."""
    name, options = pick(rng, FORMATS)
    options = dict(options)
    mode = options.pop("mode", "RGB")
    pixels = np.random.default_rng(int(rng.integers(5))).integers(
        0, 256, (int(rng.integers(1, 40)), int(rng.integers(1, 40)), 3), np.uint8
    )
    image = Image.fromarray(pixels)
    image = (
        image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
    )
    if name in WITH_EXIF and chance(rng, 0.5):
        exif = Image.Exif()
        exif[0x0112] = pick(rng, (1, 3, 6, 8))
        options["exif"] = exif.tobytes()
    stream = io.BytesIO()
    if name == "HEIF":
        pillow_heif.from_pillow(image).save(stream, **options)
    else:
        image.save(stream, name, **options)
    return name, stream.getvalue()


def hostile_image(rng: Rng) -> tuple[str, bytes]:
    """Returns a label and the bytes of a file."""
    kind = int(rng.integers(12))
    if kind == 0:
        return "PNG that claims much", claiming_png(rng)
    if kind == 1:
        return "GIF of many blocks", chained_gif(rng)
    if kind == 2:
        return "JPEG that claims much", claiming_jpeg(rng)
    name, data = sound_image(rng)
    if chance(rng, 0.05):
        return f"sound {name}", data
    return f"broken {name}", mutate_bytes(rng, data)


def claiming_png(rng: Rng) -> bytes:
    """Returns a PNG with a large size in its header and little behind it."""
    width, height = (pick(rng, (1, 999, 30_000, 2**31 - 1)) for _ in range(2))
    rows = packed_zeros(min(width + 1, 30_001) * min(height, 1000))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    if chance(rng, 0.3):
        text = packed_zeros(20_000_000)
        chunks.insert(1, pick(rng, ((b"zTXt", b"a\0\0" + text), (b"abCd", header * 9))))
    if chance(rng, 0.2):
        chunks.insert(1, (b"IHDR", struct.pack(">IIBBBBB", 5, 5, 8, 0, 0, 0, 0)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def chained_gif(rng: Rng) -> bytes:
    """Returns a GIF of one pixel after many blocks of one byte."""
    block = b"\x21\xfe" + b"\x01x" * pick(rng, (10, 5000, 65_000)) + b"\0"
    frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x4c\x01\0"
    frames = frame * pick(rng, (1, 1, 200, 20_000))
    size = struct.pack("<HH", pick(rng, (1, 300, 65_535)), pick(rng, (1, 300, 65_535)))
    blocks = block * pick(rng, (1, 3, 15))
    return b"GIF89a" + size + b"\0\0\0" + blocks + frames + b"\x3b"


def claiming_jpeg(rng: Rng) -> bytes:
    """Returns a JPEG whose header names another size than its content has."""
    stream = io.BytesIO()
    progressive = chance(rng, 0.5)
    Image.new("RGB", (16, 16), (9, 99, 9)).save(stream, "JPEG", progressive=progressive)
    data = bytearray(stream.getvalue())
    at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    height, width = (pick(rng, (0, 17, 3000, 65_535)) for _ in range(2))
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    scan = data.find(b"\xff\xda")
    if chance(rng, 0.3) and progressive:
        data[scan:-2] = data[scan:-2] * pick(rng, (5, 300))
    return bytes(data)


def _read_for_client(data: bytes) -> None:
    load_image(data, MAX_PIXELS)


def _read_for_training(data: bytes) -> None:
    height, width = checked_size(data, "picture")
    if height * width > MAX_PIXELS:
        return
    pixels = decode_image(data, "picture")
    if pixels.shape != (height, width, 3):
        raise FindingError(f"header says {(height, width)}, pixels are {pixels.shape}")


@contextlib.contextmanager
def _image(place: Place) -> Iterator[Bench]:
    def make(rng: Rng) -> Attempt:
        label, data = hostile_image(rng)
        read = pick(rng, (_read_for_client, _read_for_training))
        text = f"{label}, {len(data)} bytes, {read.__name__.strip('_')}"
        return Attempt(text, lambda: read(data))

    yield Bench(make)


KINDS = {
    "image": Kind("pictures", (ImageFileError, ImageError), _image, weight=2),
}
