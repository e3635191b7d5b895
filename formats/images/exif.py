"""Orientation of images: EXIF blocks and the directories of TIFF that they are."""

from __future__ import annotations

import struct

ORIENTATION = 0x0112
"""Tag of the orientation."""
UPRIGHT = 1
"""EXIF orientation of an image that is stored as it is seen."""
SIDEWAYS = frozenset({5, 6, 7, 8})
"""EXIF orientations that swap height and width."""


def exif_orientation(exif: bytes) -> int:
    """Returns the orientation in an EXIF block; upright if the block is damaged."""
    try:
        return valid_orientation(tiff_tags(exif).get(ORIENTATION, UPRIGHT))
    except struct.error:
        return UPRIGHT


def valid_orientation(value: int) -> int:
    """Returns an orientation, upright for what is none."""
    return value if 1 <= value <= 8 else UPRIGHT


def tiff_tags(data: bytes) -> dict[int, int]:
    """Returns the whole numbers of a TIFF's first directory, by tag."""
    if data[:2] not in (b"II", b"MM"):
        return {}
    order = "<" if data[:2] == b"II" else ">"
    magic, position = struct.unpack_from(f"{order}HI", data, 2)
    if magic != 42:
        return {}
    (count,) = struct.unpack_from(f"{order}H", data, position)
    tags = {}
    for entry in range(position + 2, position + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", data, entry)
        if kind in (3, 4) and values == 1:  # SHORT and LONG
            code = "H" if kind == 3 else "I"
            (tags[tag],) = struct.unpack_from(f"{order}{code}", data, entry + 8)
    return tags
