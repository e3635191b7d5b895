"""Reads images as people see them: 8-bit RGB, EXIF applied, alpha dropped.

Frame of everything that comes back: the image as people see it.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from formats.errors import ImageFileError
from formats.images.exif import SIDEWAYS, UPRIGHT
from formats.images.image_header import FORMATS, Header, format_of, read_header

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

MAX_PIXELS = 2**30
"""Most pixels of an image, those that OpenCV takes."""
PLAIN_PIXELS = 100_000_000
"""So many are decoded of any file, however small it is."""
PIXELS_PER_BYTE = 200
"""Larger images have at least a byte for so many pixels; photos have some hundred
times as much, and what unpacks to more is no photo."""
_HEIC_ERRORS = (
    ValueError,
    RuntimeError,
    OSError,
    EOFError,
    SyntaxError,
    LookupError,
    TypeError,
    MemoryError,
)
"""What its reader raises about damaged files."""
INSTALL = "pip install 'maskrcnn-serving[images]'"
"""What brings the reader of HEIC."""


def checked_header(data: bytes, name: str) -> Header:
    """Reads an image's header.

    Args:
        data: content of the file.
        name: what errors call it.

    Raises:
        ImageFileError: empty, of an unknown format, or the header makes no sense.
    """
    if not data:
        raise ImageFileError(f"{name}: expected a picture, got an empty file")
    try:
        header = read_header(data)
    except ValueError as err:
        raise ImageFileError(f"{name}: {err}") from err
    if header is None:
        raise ImageFileError(
            f"{name}: expected {FORMATS}, got a file that starts with {data[:8]!r}"
        )
    return header


def unreadable(start: bytes) -> str:
    """Returns why a file cannot be read as an image, "" if it can.

    Args:
        start: its `FIRST_BYTES`.
    """
    found = format_of(start)
    if not found:
        return "of no known image format"
    if found == "HEIC" and not _reads_heic():
        return f"in HEIC, which needs {INSTALL}"
    return ""


def _reads_heic() -> bool:
    return importlib.util.find_spec("pillow_heif") is not None


def _check_pixels(header: Header, file_bytes: int, name: str) -> None:
    """Refuses what unpacks to far more than the file can mean.

    Raises:
        ImageFileError: too many pixels.
    """
    pixels = header.height * header.width
    most = min(MAX_PIXELS, max(PLAIN_PIXELS, PIXELS_PER_BYTE * file_bytes))
    if pixels > most:
        raise ImageFileError(
            f"{name}: the {header.format} header promises {header.width} x "
            f"{header.height} pixels; of {file_bytes:,} bytes at most {most:,} pixels "
            "are read"
        )


def checked_size(data: bytes, name: str) -> tuple[int, int]:
    """Reads (height, width) of an image from its header.

    Args:
        data: content of the file.
        name: what errors call it.

    Raises:
        ImageFileError: not an image, cut off, or far larger than its file.
    """
    header = checked_header(data, name)
    if not header.complete:
        raise ImageFileError(f"{name}: the {header.format} file is cut off")
    _check_pixels(header, len(data), name)
    return header.seen_size


def decode_image(data: bytes, name: str) -> Pixels:
    """Decodes an image.

    Args:
        data: content of the file.
        name: what errors call it.

    Returns:
        uint8[H, W, 3] RGB.

    Raises:
        ImageFileError: not an image, cut off, damaged or far larger than its file.
    """
    header = checked_header(data, name)
    if not header.complete:
        raise ImageFileError(f"{name}: the {header.format} file is cut off")
    _check_pixels(header, len(data), name)
    # OpenCV turns TIFFs in any case, and of the rest some or all with its releases.
    turned = header.format == "TIFF"
    if header.format == "HEIC":
        pixels = _decode_heic(data, name)
    else:
        pixels = decode_pixels(data, name, UPRIGHT if turned else header.orientation)
    if pixels.shape[:2] != header.seen_size:
        height, width = header.seen_size
        raise ImageFileError(
            f"{name}: the header says {width} x {height} pixels, the picture has "
            f"{pixels.shape[1]} x {pixels.shape[0]}"
        )
    return pixels


def decode_pixels(data: bytes, name: str, orientation: int) -> Pixels:
    """Decodes to 8-bit RGB and turns it as people see it.

    Args:
        data: content of the file.
        name: what errors call it.
        orientation: EXIF's; how the stored pixels have to be turned.

    Raises:
        ImageFileError: the content is damaged.
    """
    import cv2  # slow to import, and most images go out as they are

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as err:
        raise ImageFileError(f"{name}: the picture is damaged: {err.err}") from err
    if bgr is None:
        raise ImageFileError(
            f"{name}: the picture is damaged, or stored in a way that OpenCV "
            f"{cv2.__version__} does not read"
        )
    return np.ascontiguousarray(_turn(bgr, orientation)[..., ::-1])


def _decode_heic(data: bytes, name: str) -> Pixels:
    """Decodes to 8-bit RGB, cropped and turned as people see it."""
    if not _reads_heic():
        raise ImageFileError(f"{name}: a HEIC picture, which needs {INSTALL}")
    import pillow_heif

    try:
        image = pillow_heif.open_heif(data, convert_hdr_to_8bit=True).to_pillow()
        return np.asarray(image.convert("RGB"))
    except _HEIC_ERRORS as err:
        raise ImageFileError(f"{name}: the picture is damaged: {err}") from err


def _turn(pixels: Pixels, orientation: int) -> Pixels:
    """Turns stored pixels as people see them.

    Args:
        pixels: uint8[H, W, 3].
        orientation: EXIF's: 1 none, 2 mirrored, 3 half a turn, 4 upside down, 5 and 7
            transposed along either diagonal, 6 and 8 a quarter turn right and left.
    """
    if orientation in SIDEWAYS:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
