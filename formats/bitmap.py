"""Bitmap geometry of Supervisely: base64 of zlib of a PNG, with an origin.

Frame: the picture, origin (y, x) in whole pixels; in the file it is [x, y].
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import Any

import numpy as np

from formats.errors import AnnotationError

Mask = np.ndarray[Any, np.dtype[np.bool_]]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3  # PNG colour type
_BGRA = 4


def write_bitmap(mask: Mask, origin: tuple[int, int]) -> dict[str, Any] | None:
    """Writes a mask as the `bitmap` value of an object, cropped to its tight box.

    Args:
        mask: bool[h, w].
        origin: (y, x) of its top-left pixel in the picture.

    Returns:
        `{"origin": [x, y], "data": text}`, or None where no pixel is set: the format
        has no empty bitmap.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    top, left = int(rows[0]), int(columns[0])
    tight = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    data = base64.b64encode(zlib.compress(_palette_png(tight))).decode("ascii")
    return {"origin": [origin[1] + left, origin[0] + top], "data": data}


def read_bitmap(bitmap: Any) -> tuple[Mask, tuple[int, int]]:
    """Reads the `bitmap` value of an object.

    Returns:
        bool[h, w] cropped to its tight box, and the (y, x) of its top-left pixel.

    Raises:
        AnnotationError: no origin, no data, not a mask, or no pixel set.
    """
    try:
        left, top = (round(value) for value in bitmap["origin"])
        packed = base64.b64decode(bitmap["data"], validate=True)
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as err:
        raise AnnotationError(
            'bitmap: expected {"origin": [x, y], "data": base64 text}, got '
            f"{_short(bitmap)}"
        ) from err
    mask = _read_png(packed)
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        raise AnnotationError("bitmap: expected a mask, got one without a set pixel")
    tight = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return tight, (top + int(rows[0]), left + int(columns[0]))


def _read_png(packed: bytes) -> Mask:
    import cv2  # slow to import, and only readers of masks need it

    try:
        data = packed if packed.startswith(PNG_SIGNATURE) else zlib.decompress(packed)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except (zlib.error, cv2.error) as err:
        raise AnnotationError(f"bitmap: data is not readable: {err}") from err
    if pixels is None:
        raise AnnotationError("bitmap: expected PNG data, got something else")
    if pixels.ndim == 2:
        return np.asarray(pixels > 0)
    if pixels.shape[2] == _BGRA:
        return np.asarray(pixels[..., 3] > 0)
    raise AnnotationError(
        "bitmap: expected a PNG of one channel or with transparency, got one of "
        f"{pixels.shape[2]} channels"
    )


def _palette_png(mask: Mask) -> bytes:
    """Encodes a mask as readers of the format want it: index 0 is transparent."""
    height, width = mask.shape
    header = struct.pack(">IIBBBBB", width, height, 1, _PALETTE, 0, 0, 0)
    unfiltered = np.zeros((height, 1), np.uint8)
    lines = np.hstack([unfiltered, np.packbits(mask, axis=1)])
    return PNG_SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", bytes((0, 0, 0, 255, 255, 255))),
            _chunk(b"tRNS", bytes((0,))),
            _chunk(b"IDAT", zlib.compress(lines.tobytes())),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


__all__ = ["read_bitmap", "write_bitmap"]
