"""Masks as a server sends them, PNG: their check when they come, and their decoding.

A decoder takes memory for what a header or a chunk claims, whatever there is.
"""

from __future__ import annotations

import struct

import numpy as np

from client.errors import ContractError
from formats.mask_crop import Mask

MOST_CHUNKS = 64
"""Chunks of a small PNG; a large one may have another one each `CHUNK_BYTES`."""
CHUNK_BYTES = 1024
_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_CHUNKS_AT = 33
"""Where the chunks behind the header begin."""
_OTHER_SIZES = (b"IHDR", b"acTL", b"fcTL")
"""A second header, and frames of an animation."""


def check_mask_png(png: bytes, height: int, width: int) -> None:
    """Checks a mask's form; the pixels are decoded when they are asked for.

    Args:
        png: the file.
        height: of the mask, pixels.
        width: likewise; where one is 0, nothing is expected.

    Raises:
        ContractError: no PNG of one channel and this size.
    """
    if height == 0 or width == 0:
        return
    if not png.startswith(_BEGIN) or len(png) < 26:
        raise ContractError(f"answer: mask: expected a PNG, got {png[:16]!r}")
    png_width, png_height, depth, color_type = struct.unpack_from(">IIBB", png, 16)
    if (png_height, png_width) != (height, width):
        raise ContractError(
            f"answer: mask: expected {width} x {height} pixels, the size of the "
            f"rounded box, got {png_width} x {png_height}"
        )
    if color_type != 0 or depth > 8:
        raise ContractError(
            "answer: mask: expected a PNG of one channel and at most 8 bits, got "
            f"colour type {color_type} of {depth} bits"
        )
    place = _CHUNKS_AT
    for _ in range(MOST_CHUNKS + len(png) // CHUNK_BYTES):
        if place + 8 > len(png):
            return
        length, kind = struct.unpack_from(">I4s", png, place)
        if kind in _OTHER_SIZES:
            raise ContractError(f"answer: mask: expected no chunk {kind!r} in its PNG")
        place += length + 12
    raise ContractError("answer: mask: expected fewer chunks in its PNG")


def decode_mask_png(png: bytes, height: int, width: int) -> Mask:
    """Decodes a mask that was checked.

    Args:
        png: the file.
        height: of the mask, pixels.
        width: likewise; where one is 0, the file is not looked at.

    Returns:
        bool[height, width].

    Raises:
        ContractError: it is damaged.
    """
    if height == 0 or width == 0:
        return np.zeros((height, width), bool)
    if not _is_whole(png):
        raise ContractError("mask: the PNG is damaged: it ends too early")
    import cv2  # slow to import, and not everyone looks at masks

    try:
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as err:
        raise ContractError(f"mask: the PNG is damaged: {err.err}") from err
    if pixels is None or pixels.shape != (height, width):
        raise ContractError(
            f"mask: expected a PNG of {width} x {height} pixels, got a damaged one"
        )
    return np.asarray(pixels > 127)


def _is_whole(png: bytes) -> bool:
    """Says whether a PNG that was checked has all that its chunks claim."""
    place, kind = _CHUNKS_AT, b""
    while kind != b"IEND" and place + 12 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        place += length + 12
    return kind == b"IEND" and place <= len(png)
