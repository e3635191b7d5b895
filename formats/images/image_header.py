"""What an image's first bytes say: format, size, orientation.

Content decides, never a file's name. Nothing is decoded here, so a file that claims
40,000 x 40,000 pixels costs nothing to refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from formats.images.exif import (
    ORIENTATION,
    SIDEWAYS,
    UPRIGHT,
    exif_orientation,
    tiff_tags,
    valid_orientation,
)
from formats.images.image_boxes import CODESTREAM, brand, read_item, read_jpeg_2000

FORMATS = "JPEG, PNG, GIF, BMP, WebP, TIFF, JPEG 2000, AVIF or HEIC"

FIRST_BYTES = 264
"""So many tell the format."""

MAX_SCANS = 64
"""Most scans of a progressive JPEG; programs write ten, and some dozens at most."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_WIDTH = 0x0100
_HEIGHT = 0x0101
# SOF0..SOF15 but DHT, JPG and DAC, which share the range.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_SCAN = b"\xff\xda"
_END_OF_IMAGE = b"\xff\xd9"
_APP1 = 0xE1
# Markers without a length: TEM, RST0..RST7, SOI.
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
# Huffman codes have a bit at least, and every block of 8 x 8 pixels has a code.
_JPEG_PIXELS_PER_BYTE = 8 * 64
_GIF_EXTENSION = 0x21
_GIF_FRAME = 0x2C
_BITMAPINFOHEADER = 40
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})  # bytes, by version


@dataclass(frozen=True)
class Header:
    """What a file says of its image.

    Attributes:
        format: one of `FORMATS`.
        height: pixels, as stored.
        width: pixels, as stored.
        orientation: EXIF orientation, 1..8; 1 is upright.
        plain: TensorFlow decodes the file to what people see.
        complete: the end of the file is there, as far as that is easy to tell.
    """

    format: str
    height: int
    width: int
    orientation: int = UPRIGHT
    plain: bool = False
    complete: bool = True

    @property
    def seen_size(self) -> tuple[int, int]:
        """(height, width) as people see the image, pixels."""
        if self.orientation in SIDEWAYS:
            return self.width, self.height
        return self.height, self.width


def read_header(data: bytes) -> Header | None:
    """Reads the header of an image.

    Returns:
        The header, or None if this is none of the known formats.

    Raises:
        ValueError: the format is known, but its header is cut or makes no sense.
    """
    for signature, _, read in _READERS:
        if data.startswith(signature):
            try:
                header = read(data)
            except (struct.error, IndexError) as err:
                raise ValueError("the header is cut off") from err
            if header is not None:
                return header
    return _read_boxed(data) if data[4:8] == b"ftyp" else None


def format_of(data: bytes) -> str:
    """Returns the format of an image by its first bytes, "" if it is none.

    Args:
        data: `FIRST_BYTES` of the file, or all.
    """
    for signature, name, read in _READERS:
        if data.startswith(signature):
            try:
                header = read(data)
            except (ValueError, struct.error, IndexError):
                return name  # the rest of the header lies further on
            if header is not None:
                return header.format
    return brand(data) if data[4:8] == b"ftyp" else ""


def _read_jpeg(data: bytes) -> Header:
    position, orientation = 2, UPRIGHT
    frame: tuple[int, int, int] | None = None
    while True:
        if position >= len(data) or data[position] != 0xFF:
            raise ValueError("the JPEG header is cut off or damaged")
        (marker,) = struct.unpack_from("B", data, position + 1)
        if marker == 0xFF or marker in _STANDALONE:  # 0xFF may be repeated as filling
            position += 1 if marker == 0xFF else 2
            continue
        if marker == _START_OF_SCAN:
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        if marker in _START_OF_FRAME:
            frame = struct.unpack_from(">BHH", data, position + 4)
        elif marker == _APP1 and data[position + 4 : position + 10] == b"Exif\0\0":
            orientation = exif_orientation(data[position + 10 : position + 2 + length])
        position += 2 + length
    if frame is None:
        raise ValueError("the JPEG header has no size")
    end = data.find(_END_OF_IMAGE, position)
    scans = data.count(_SCAN, position, end if end > 0 else len(data))
    if scans > MAX_SCANS:
        # Each goes over all pixels again, and may be written in some sixty bytes.
        raise ValueError(f"the JPEG has {scans:,} scans, expected {MAX_SCANS} at most")
    bits, height, width = frame
    if height * width > len(data) * _JPEG_PIXELS_PER_BYTE:
        # Decoders would not mind: they paint grey what they miss.
        raise ValueError(
            f"the JPEG header promises {width} x {height} pixels, more than "
            f"{len(data):,} bytes can hold"
        )
    return Header(
        "JPEG",
        height,
        width,
        orientation,
        plain=orientation == UPRIGHT and bits == 8,
        complete=end > 0,
    )


def _read_png(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        raise ValueError("the PNG does not start with its header")
    width, height, bits = struct.unpack_from(">IIB", data, 16)
    position, orientation, complete = len(PNG_SIGNATURE), UPRIGHT, False
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"eXIf":
            orientation = exif_orientation(data[position + 8 : position + 8 + length])
        if kind == b"IEND":
            complete = True
            break
        position += 12 + length
    plain = orientation == UPRIGHT and bits <= 8
    return Header("PNG", height, width, orientation, plain, complete)


def _read_gif(data: bytes) -> Header:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _color_table_bytes(flags)
    while struct.unpack_from("B", data, position) == (_GIF_EXTENSION,):
        position += 2
        while length := struct.unpack_from("B", data, position)[0]:
            position += 1 + length
        position += 1
    separator, *frame = struct.unpack_from("<BHHHH", data, position)
    if separator != _GIF_FRAME:
        raise ValueError("the GIF has no picture")
    # TensorFlow returns the first frame alone, whatever it is part of.
    return Header("GIF", height, width, plain=frame == [0, 0, width, height])


def _color_table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _read_bmp(data: bytes) -> Header | None:
    header_bytes = int.from_bytes(data[14:18], "little")
    if header_bytes not in _BMP_HEADERS:  # two letters are no proof
        return None
    if header_bytes < _BITMAPINFOHEADER:
        width, height = struct.unpack_from("<HH", data, 18)
        return Header("BMP", height, width)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    # TensorFlow shows palettes as grey levels and reads the fourth byte as alpha.
    plain = bits == 24 and compression == 0 and height > 0
    return Header("BMP", abs(height), abs(width), plain=plain)


def _read_webp(data: bytes) -> Header | None:
    if data[8:12] != b"WEBP":
        return None
    kind, orientation = data[12:16], UPRIGHT
    if kind == b"VP8X":
        size = struct.unpack_from("<HBHB", data, 24)
        width, height = size[0] + (size[1] << 16) + 1, size[2] + (size[3] << 16) + 1
        orientation = _webp_orientation(data)
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", data, 26))
    else:
        raise ValueError("the WebP header makes no sense")
    (riff_bytes,) = struct.unpack_from("<I", data, 4)
    complete = len(data) >= riff_bytes + 8
    return Header("WebP", height, width, orientation, complete=complete)


def _webp_orientation(data: bytes) -> int:
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == b"EXIF":
            block = data[position + 8 : position + 8 + length]
            return exif_orientation(block.removeprefix(b"Exif\0\0"))
        position += 8 + length + length % 2
    return UPRIGHT


def _read_tiff(data: bytes) -> Header:
    tags = tiff_tags(data)
    if _WIDTH not in tags or _HEIGHT not in tags:
        raise ValueError("the TIFF header has no size")
    orientation = valid_orientation(tags.get(ORIENTATION, UPRIGHT))
    return Header("TIFF", tags[_HEIGHT], tags[_WIDTH], orientation)


def _read_jpeg_2000(data: bytes) -> Header:
    found = read_jpeg_2000(data)
    return Header("JPEG 2000", found.height, found.width, complete=found.complete)


def _read_boxed(data: bytes) -> Header | None:
    name = brand(data)
    if not name:
        return None
    try:
        found = read_item(data)
    except (struct.error, IndexError) as err:
        raise ValueError(f"the {name} header is cut off") from err
    # OpenCV, which reads AVIF, shows all of it; libheif, which reads HEIC, the crop.
    height, width = found.height, found.width
    if name == "HEIC" and found.cropped is not None:
        height, width = found.cropped
    return Header(name, height, width, found.orientation, complete=found.complete)


_READERS: tuple[tuple[bytes, str, Callable[[bytes], Header | None]], ...] = (
    (b"\xff\xd8\xff", "JPEG", _read_jpeg),
    (PNG_SIGNATURE, "PNG", _read_png),
    (b"GIF87a", "GIF", _read_gif),
    (b"GIF89a", "GIF", _read_gif),
    (b"BM", "BMP", _read_bmp),
    (b"RIFF", "WebP", _read_webp),
    (b"II*\0", "TIFF", _read_tiff),
    (b"MM\0*", "TIFF", _read_tiff),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", _read_jpeg_2000),
    (CODESTREAM, "JPEG 2000", _read_jpeg_2000),
)
