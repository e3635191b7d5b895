"""Headers of images that are made of boxes: JPEG 2000, AVIF and HEIC.

A box is its size, four letters, and content that may be boxes again.
Source: ISO/IEC 15444-1 annex I, ISO/IEC 14496-12, ISO/IEC 23008-12.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_BOXES = 65_536
"""Most boxes of one box, and most properties of an item; photos have some hundreds."""
CODESTREAM = b"\xff\x4f\xff\x51"
"""The beginning of JPEG 2000 without boxes."""
AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
)
_END_OF_CODESTREAM = b"\xff\xd9"

# Where the corners of an image are for each EXIF orientation, row by row.
_ORIENTATIONS = {
    (0, 1, 2, 3): 1,
    (1, 0, 3, 2): 2,
    (3, 2, 1, 0): 3,
    (2, 3, 0, 1): 4,
    (0, 2, 1, 3): 5,
    (2, 0, 3, 1): 6,
    (3, 1, 2, 0): 7,
    (1, 3, 0, 2): 8,
}


class BoxedHeader(NamedTuple):
    """What a file says of its image.

    Attributes:
        height: pixels, as stored.
        width: pixels, as stored.
        cropped: (height, width) of the part that is shown, None for all of it.
        orientation: EXIF's, for the turns and mirrors that the file asks for.
        complete: the end of the file is there, as far as that is easy to tell.
    """

    height: int
    width: int
    cropped: tuple[int, int] | None = None
    orientation: int = 1
    complete: bool = True


def brand(data: bytes) -> str:
    """Returns "AVIF" or "HEIC", or "" for other files that start with `ftyp`."""
    (size,) = struct.unpack_from(">I", data)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(size, 264), 4))}
    if brands & AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & HEIC_BRANDS else ""


def read_jpeg_2000(data: bytes) -> BoxedHeader:
    """Reads the header of a JPEG 2000 file, with or without boxes.

    Raises:
        ValueError: it makes no sense.
        struct.error: it is cut off.
    """
    start = 0
    if not data.startswith(CODESTREAM):
        start = data.find(CODESTREAM)
        if start < 0:
            raise ValueError("the JPEG 2000 file has no picture")
    right, bottom, left, top = struct.unpack_from(">IIII", data, start + 8)
    if right <= left or bottom <= top:
        raise ValueError("the JPEG 2000 header has no size")
    complete = data.find(_END_OF_CODESTREAM, start) > 0
    return BoxedHeader(bottom - top, right - left, complete=complete)


def read_item(data: bytes) -> BoxedHeader:
    """Reads the header of an AVIF or HEIC file: that of its primary image.

    Raises:
        ValueError: it makes no sense.
        struct.error: it is cut off.
    """
    meta = _inside(data, b"meta", 0, len(data))
    places = {
        kind: (start, end) for kind, start, end in _boxes(data, meta[0] + 4, meta[1])
    }
    if not places.keys() >= {b"pitm", b"iprp"}:
        raise ValueError("the header has no picture")
    start, _ = places[b"pitm"]
    (primary,) = struct.unpack_from(">I" if data[start] else ">H", data, start + 4)
    properties = list(_boxes(data, *_inside(data, b"ipco", *places[b"iprp"])))
    height = width = 0
    cropped, turns = None, []
    associated = _inside(data, b"ipma", *places[b"iprp"])
    for number in _associations(data, *associated, primary):
        if not 1 <= number <= len(properties):
            continue
        kind, start, end = properties[number - 1]
        content = data[start : min(end, start + 16)]
        if kind == b"ispe":
            width, height = struct.unpack_from(">II", content, 4)
        elif kind == b"clap":
            cropped = _cropped(struct.unpack(">IIII", content))
        elif kind in (b"irot", b"imir"):
            turns.append((kind, content[0] & 3))
    if not (height and width):
        raise ValueError("the header has no size")
    complete = _is_whole(data)
    return BoxedHeader(height, width, cropped, _orientation(turns), complete)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start and end of the content of each box."""
    for _ in range(MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head:
            raise ValueError("the header is damaged: a box smaller than its own head")
        yield kind, start + head, min(start + size, end)
        start += size
    raise ValueError(f"the header is damaged: more than {MAX_BOXES:,} boxes")


def _inside(data: bytes, kind: bytes, start: int, end: int) -> tuple[int, int]:
    """Returns where the content of a box starts and ends."""
    for found, first, last in _boxes(data, start, end):
        if found == kind:
            if last - first < 4:
                break
            return first, last
    raise ValueError(f"the header has no {kind.decode()} box, or is cut off")


def _associations(data: bytes, start: int, end: int, primary: int) -> list[int]:
    """Returns the numbers of an item's properties, from 1, in their order."""
    version, wide = data[start], data[start + 3] & 1
    (count,) = struct.unpack_from(">I", data, start + 4)
    position = start + 8
    id_code, code = ">I" if version else ">H", ">H" if wide else ">B"
    for _ in range(min(count, MAX_BOXES)):
        (item,) = struct.unpack_from(id_code, data, position)
        position += struct.calcsize(id_code)
        (length,) = struct.unpack_from(">B", data, position)
        first, step = position + 1, struct.calcsize(code)
        position = first + length * step
        if position > end:
            break
        if item == primary:
            entries = struct.unpack_from(f">{length}{code[1]}", data, first)
            return [entry & (0x7FFF if wide else 0x7F) for entry in entries]
    raise ValueError("the header says nothing of its picture, or is cut off")


def _cropped(parts: Sequence[int]) -> tuple[int, int]:
    """Returns (height, width) of a clean aperture."""
    width, width_by, height, height_by = parts
    if not (width_by and height_by):
        raise ValueError("the header is damaged: a crop that is no number")
    return round(height / height_by), round(width / width_by)


def _orientation(turns: Sequence[tuple[bytes, int]]) -> int:
    """Returns EXIF's orientation for quarter turns to the left and mirrors."""
    corners = (0, 1, 2, 3)
    for kind, value in turns:
        a, b, c, d = corners
        if kind == b"irot":
            for _ in range(value):
                a, b, c, d = b, d, a, c
        elif value & 1:
            a, b, c, d = b, a, d, c
        else:
            a, b, c, d = c, d, a, b
        corners = (a, b, c, d)
    return _ORIENTATIONS[corners]


def _is_whole(data: bytes) -> bool:
    """Says whether the last box ends where the file does, or before."""
    position = 0
    for _ in range(MAX_BOXES):
        if position + 8 > len(data):
            break
        (size,) = struct.unpack_from(">I", data, position)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, position + 8)
        if size < 8:
            return True
        position += size
    return position <= len(data)
