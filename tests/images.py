"""Encoded images, whole, exotic and broken; by hand where no encoder has them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from export.sample import sample_image

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2))
ADAM7 += ((0, 1, 2, 2), (1, 0, 2, 1))
"""First row, first column, row step, column step of each pass."""
GIF_CLEAR, GIF_END = 128, 129
"""With 128 colours codes have 8 bits until 126 entries were added to the table."""
GIF_RUN = 100


def image(height: int = 61, width: int = 83, seed: int = 3) -> np.ndarray:
    """uint8[height, width, 3] RGB with colour, edges and noise."""
    return sample_image(seed, height, width)


def encode(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    """Encodes with Pillow."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(pixels: np.ndarray, *, interlaced: bool = False) -> bytes:
    """Encodes uint8 or uint16 [H, W, 1, 2, 3 or 4]: grey, grey alpha, RGB or RGBA."""
    height, width, channels = pixels.shape
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    parts = [pixels[y::dy, x::dx] for y, x, dy, dx in passes]
    lines = [
        b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes()
        for part in parts
        if part.size
        for row in part
    ]
    bits = 8 * pixels.dtype.itemsize
    fields = (width, height, bits, color_type, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", struct.pack(">IIBBBBB", *fields))
        + png_chunk(b"IDAT", zlib.compress(b"".join(lines)))
        + png_chunk(b"IEND", b"")
    )


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Returns a chunk of a PNG with its checksum."""
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def with_png_size(data: bytes, height: int, width: int) -> bytes:
    """Replaces the size in the header, and the header's checksum."""
    header = struct.pack(">II", width, height) + data[24:29]
    return data[:8] + png_chunk(b"IHDR", header) + data[33:]


def with_bmp_size(data: bytes, height: int, width: int) -> bytes:
    return data[:18] + struct.pack("<ii", width, height) + data[26:]


def with_jpeg_size(data: bytes, height: int, width: int) -> bytes:
    """Replaces the size in the frame header of a baseline JPEG."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


class Frame(NamedTuple):
    """A frame of a GIF: palette indices below 128 and what surrounds them."""

    indices: np.ndarray
    local_palette: np.ndarray | None = None
    interlaced: bool = False
    before: bytes = b""


def gif(
    frames: Sequence[Frame],
    palette: np.ndarray | None,
    screen: tuple[int, int] | None = None,
) -> bytes:
    """Encodes a GIF. `palette` is uint8[128, 3]; `screen` (height, width)."""
    height, width = screen or frames[0].indices.shape
    data = b"GIF89a" + struct.pack("<HH", width, height)
    data += b"\0\0\0" if palette is None else b"\x86\0\0" + palette.tobytes()
    return data + b"".join(_gif_frame(frame) for frame in frames) + b";"


def _gif_frame(frame: Frame) -> bytes:
    height, width = frame.indices.shape
    local = frame.local_palette
    flags = (0 if local is None else 0x86) | (0x40 if frame.interlaced else 0)
    data = frame.before + b"," + struct.pack("<HHHHB", 0, 0, width, height, flags)
    data += b"" if local is None else local.tobytes()
    rows = np.arange(height)
    if frame.interlaced:
        rows = np.concatenate([rows[0::8], rows[4::8], rows[2::4], rows[1::2]])
    pixels = frame.indices[rows].astype(np.uint8).tobytes()
    runs = [pixels[at : at + GIF_RUN] for at in range(0, len(pixels), GIF_RUN)]
    codes = b"".join(bytes([GIF_CLEAR]) + run for run in runs) + bytes([GIF_END])
    return data + b"\x07" + sub_blocks(codes)


def sub_blocks(data: bytes) -> bytes:
    """A chain of GIF sub-blocks with its end."""
    parts = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def gif_palette(seed: int = 0) -> np.ndarray:
    """uint8[128, 3] of distinct colours."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(256)[:128] for _ in range(3)], 1).astype(np.uint8)


def gif_indices(height: int = 37, width: int = 53, seed: int = 0) -> np.ndarray:
    """int[height, width] palette indices."""
    return np.random.default_rng(seed).integers(0, 128, (height, width))
