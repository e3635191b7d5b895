"""Makes pictures ready to send: as they are, or straightened to plain pixels.

Frame of everything that comes back: the picture as people see it, EXIF applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Union

import numpy as np

from client.errors import ImageError
from client.image_header import FORMATS, SIDEWAYS, UPRIGHT, Header, read_header

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
ImageSource = Union[str, "PathLike[str]", bytes, bytearray, memoryview, Pixels]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that a model can take; one of `encoded` and `pixels` is there.

    Attributes:
        name: what messages call it.
        size: (height, width) as people see it, pixels.
        encoded: the file's bytes, where TensorFlow decodes them to what people see.
        pixels: uint8[H, W, 3] RGB, where it does not, or where pixels came in.
    """

    name: str
    size: tuple[int, int]
    encoded: bytes | None = None
    pixels: Pixels | None = None

    def rgb(self) -> Pixels:
        """Returns uint8[H, W, 3] RGB, decoded if need be.

        Raises:
            ImageError: the file's content is damaged.
        """
        if self.pixels is not None:
            return self.pixels
        return _decode(self.encoded or b"", self.name, UPRIGHT)


def load_picture(source: ImageSource, max_pixels: int | None = None) -> Picture:
    """Reads a picture.

    Args:
        source: a path, a file's bytes, or uint8[H, W, 3] RGB.
        max_pixels: refuse larger pictures, from the header; None for any size.

    Raises:
        ImageError: not readable, not a picture of a known format, or too large.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(bytes(source), "picture", max_pixels)
    if isinstance(source, (str, PathLike)):
        try:
            data = Path(source).read_bytes()
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or err
            raise ImageError(f"{source}: {reason}") from err
        return _from_file(data, str(source), max_pixels)
    raise ImageError(
        "picture: expected a path, bytes or a uint8 array [height, width, 3], got "
        f"{type(source).__name__}"
    )


def _from_array(array: Pixels, max_pixels: int | None) -> Picture:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ImageError(
            "picture: expected a uint8 array [height, width, 3] in RGB order, got "
            f"{array.dtype} {list(array.shape)}"
        )
    size = (array.shape[0], array.shape[1])
    _check_size(size, "picture", max_pixels)
    return Picture("picture", size, pixels=array)


def _from_file(data: bytes, name: str, max_pixels: int | None) -> Picture:
    header = _checked_header(data, name)
    _check_size(header.seen_size, name, max_pixels)
    if header.plain:
        return Picture(name, header.seen_size, encoded=data)
    if not header.complete:
        raise ImageError(f"{name}: the {header.format} file is cut off")
    # OpenCV turns TIFFs in any case, and of the rest some or all with its releases.
    turned = header.format == "TIFF"
    pixels = _decode(data, name, UPRIGHT if turned else header.orientation)
    if pixels.shape[:2] != header.seen_size:
        raise ImageError(
            f"{name}: the header says {_by(header.seen_size)} pixels, the picture has "
            f"{_by(pixels.shape[:2])}"
        )
    return Picture(name, header.seen_size, pixels=pixels)


def _checked_header(data: bytes, name: str) -> Header:
    if not data:
        raise ImageError(f"{name}: expected a picture, got an empty file")
    try:
        header = read_header(data)
    except ValueError as err:
        raise ImageError(f"{name}: {err}") from err
    if header is None:
        raise ImageError(
            f"{name}: expected {FORMATS}, got a file that starts with {data[:8]!r}"
        )
    return header


def _check_size(size: tuple[int, int], name: str, max_pixels: int | None) -> None:
    if min(size) < 1:
        raise ImageError(f"{name}: expected a picture, got {_by(size)} pixels")
    count = size[0] * size[1]
    if max_pixels is not None and count > max_pixels:
        raise ImageError(
            f"{name}: expected at most {max_pixels:,} pixels, got {count:,} "
            f"({_by(size)}); scale the picture down, or export the model with a "
            "higher max_image_pixels"
        )


def _decode(data: bytes, name: str, orientation: int) -> Pixels:
    """Decodes to 8-bit RGB and turns it as people see it; alpha is dropped."""
    import cv2  # slow to import, and most pictures go out as they are

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as err:
        raise ImageError(f"{name}: the picture is damaged: {err.err}") from err
    if bgr is None:
        raise ImageError(
            f"{name}: the picture is damaged, or stored in a way that OpenCV "
            f"{cv2.__version__} does not read"
        )
    return np.ascontiguousarray(_turn(bgr, orientation)[..., ::-1])


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


def _by(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"


__all__ = ["ImageSource", "Picture", "Pixels", "load_picture"]
