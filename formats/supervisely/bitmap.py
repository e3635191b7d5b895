"""Bitmap geometry of Supervisely: base64 of zlib of a PNG, with an origin.

Frame: the image, origin (y, x) in whole pixels; in the file it is [x, y].
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from typing import Any

import numpy as np

from formats.errors import AnnotationFileError
from formats.mask_crop import MAX_PIXELS, Mask, MaskCrop, tight_crop
from formats.quoted import quoted

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3  # PNG colour type
_BGRA = 4
_NO_PNG = "bitmap: expected PNG data, got something else"
_CUT_OFF = "bitmap: data is not readable: it is cut off"
_HEADER_BYTES = 33
"""Signature and header of a PNG."""
_CHUNK_FRAME = 12
"""Bytes of a chunk beside its data: length, kind and checksum."""
_PIXEL_BYTES = 9
"""Of a pixel at most: four channels of 16 bits, and a byte a line."""
_CHUNKS_BYTES = 1 << 16
"""Of what a PNG has beside its pixels."""
_ALWAYS_PIXELS = 1 << 20
"""Of a mask that is read whatever the size of its image."""
_STICKS_OUT = 4


def write_bitmap(crop: MaskCrop) -> dict[str, Any] | None:
    """Writes a mask as the `bitmap` value of an object, cropped to its tight box.

    Returns:
        `{"origin": [x, y], "data": text}`, or None where no pixel is set: the format
        has no empty bitmap.
    """
    tight = tight_crop(crop.mask, (crop.y1, crop.x1))
    if tight is None:
        return None
    data = base64.b64encode(zlib.compress(_palette_png(tight.mask))).decode("ascii")
    return {"origin": [tight.x1, tight.y1], "data": data}


def read_bitmap(bitmap: Any, size: tuple[int, int] | None = None) -> MaskCrop:
    """Reads the `bitmap` value of an object.

    Args:
        bitmap: as the file has it.
        size: (height, width) of the image; a bitmap that sticks out of it may have
            four times its pixels, but no more. None takes any mask that OpenCV reads.

    Returns:
        The mask, cropped to its tight box.

    Raises:
        AnnotationFileError: no origin, no data, not a mask, too large, or no pixel set.
    """
    try:
        left, top = (round(value) for value in bitmap["origin"])
        packed = base64.b64decode(bitmap["data"], validate=True)
    except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as err:
        raise AnnotationFileError(
            'bitmap: expected {"origin": [x, y], "data": base64 text}, got '
            f"{quoted(bitmap)}"
        ) from err
    most = MAX_PIXELS
    if size is not None:
        most = min(most, max(_ALWAYS_PIXELS, _STICKS_OUT * size[0] * size[1]))
    crop = tight_crop(_read_png(_unpacked(packed, most)), (top, left))
    if crop is None:
        raise AnnotationFileError(
            "bitmap: expected a mask, got one without a set pixel"
        )
    return crop


def _unpacked(packed: bytes, most: int) -> bytes:
    """Returns the PNG, of no more bytes than its header and a bound allow.

    Args:
        packed: zlib data of a PNG, or a PNG.
        most: pixels.

    Raises:
        AnnotationFileError: not readable, not a PNG, or too large.
    """
    if packed.startswith(PNG_SIGNATURE):
        _check_header(packed, most)
        _check_chunks(packed)
        return packed
    unpack = zlib.decompressobj()
    try:
        start = unpack.decompress(packed, _HEADER_BYTES)
        if len(start) < _HEADER_BYTES and not unpack.eof:
            raise AnnotationFileError(_CUT_OFF)
        pixels = _check_header(start, most)
        room = pixels * _PIXEL_BYTES + _CHUNKS_BYTES
        data = start + unpack.decompress(unpack.unconsumed_tail, room)
    except zlib.error as err:
        raise AnnotationFileError(f"bitmap: data is not readable: {err}") from err
    if unpack.unconsumed_tail:
        raise AnnotationFileError(
            f"bitmap: expected a PNG of {pixels:,} pixels, got more than "
            f"{len(data):,} bytes of it"
        )
    if not unpack.eof:
        raise AnnotationFileError(_CUT_OFF)
    _check_chunks(data)
    return data


def _check_header(data: bytes, most: int) -> int:
    """Returns how many pixels a PNG has."""
    is_png = data.startswith(PNG_SIGNATURE) and data[12:16] == b"IHDR"
    if not is_png or len(data) < _HEADER_BYTES:
        raise AnnotationFileError(_NO_PNG)
    width, height = struct.unpack_from(">II", data, 16)
    if not 1 <= width * height <= most:
        raise AnnotationFileError(
            f"bitmap: expected a mask of 1 to {most:,} pixels for its picture, got one "
            f"of {width} x {height}"
        )
    return int(width * height)


def _check_chunks(data: bytes) -> None:
    """Checks that a PNG has all bytes that its chunks claim.

    OpenCV takes the memory of a chunk before it looks whether that is there.
    """
    position, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if position + _CHUNK_FRAME > len(data):
            raise AnnotationFileError(_CUT_OFF)
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + _CHUNK_FRAME + length
        if end > len(data):
            raise AnnotationFileError(_CUT_OFF)
        if kind[:1].isupper():  # decoders go past the others
            checked = zlib.crc32(memoryview(data)[position + 4 : end - 4])
            if checked.to_bytes(4, "big") != data[end - 4 : end]:
                raise AnnotationFileError("bitmap: data is not readable: it is damaged")
        position = end


def _read_png(data: bytes) -> Mask:
    import cv2  # slow to import, and only readers of masks need it

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as err:
        raise AnnotationFileError(f"bitmap: data is not readable: {err}") from err
    if pixels is None:
        raise AnnotationFileError(_NO_PNG)
    if pixels.ndim == 2:
        return np.asarray(pixels > 0)
    if pixels.shape[2] == _BGRA:
        return np.asarray(pixels[..., 3] > 0)
    raise AnnotationFileError(
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
