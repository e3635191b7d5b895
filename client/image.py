"""Makes images ready to send: as they are, or straightened to plain pixels.

Frame of everything that comes back: the image as people see it, EXIF applied.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, BinaryIO, TypeGuard, Union

import numpy as np

from client.errors import ImageError
from formats.errors import ImageFileError
from formats.images.image import Pixels, checked_header, decode_image

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

ImageSource = Union[
    str,
    "PathLike[str]",
    bytes,
    bytearray,
    memoryview,
    Pixels,
    "BinaryIO",
    "PilImage",
]
"""A path, a file's content, a file opened in binary mode, a PIL image, or pixels:
uint8[H, W, 3] RGB."""


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """An image that a model can take; one of `encoded` and `pixels` is there.

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
        return _decode(self.encoded or b"", self.name)


def load_image(source: ImageSource, max_pixels: int | None = None) -> LoadedImage:
    """Reads an image.

    Args:
        source: a path, a file's bytes, a file opened in binary mode, which is read to
            its end, a PIL image, or uint8[H, W, 3] RGB.
        max_pixels: refuse larger images, from the header; None for any size.

    Raises:
        ImageError: not readable, not an image of a known format, or too large.
    """
    source = whole_source(source)
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(bytes(source), "picture", max_pixels)
    if isinstance(source, (str, PathLike)):
        try:
            # Before it is opened: that of a pipe would wait for its other end.
            if not stat.S_ISREG(os.stat(source).st_mode):
                raise ImageError(
                    f"{source}: expected a picture's file, got a folder, a pipe or a "
                    "device"
                )
            with open(source, "rb") as file:
                data = file.read()
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or err
            raise ImageError(f"{source}: {reason}") from err
        return _from_file(data, str(source), max_pixels)
    if _is_pil(source):
        return _from_pil(source, max_pixels)
    raise ImageError(
        "picture: expected a path, bytes, a file opened in binary mode, a PIL image or "
        f"a uint8 array [height, width, 3], got {type(source).__name__}"
    )


def whole_source(source: ImageSource) -> ImageSource:
    """Returns a source that can be read again: for an open file its content.

    Raises:
        ImageError: it cannot be read, or it is opened as text.
    """
    read = getattr(source, "read", None)
    if read is None or isinstance(source, np.ndarray) or _is_pil(source):
        return source
    name = getattr(source, "name", "picture")
    try:
        data = read()
    except (OSError, ValueError) as err:  # a text's decoder raises ValueError too
        raise ImageError(f"{name}: {err}") from err
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise ImageError(
            f"{name}: expected a file opened in binary mode, got one that reads "
            f'{type(data).__name__}; open it with "rb"'
        )
    return bytes(data)


def _is_pil(source: object) -> TypeGuard[PilImage]:
    """Says whether this is a PIL image; where there is one, PIL is imported."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(source, pil.Image)


def _from_pil(image: PilImage, max_pixels: int | None) -> LoadedImage:
    from PIL import ImageOps

    name = getattr(image, "filename", "") or "picture"
    _check_size((image.height, image.width), name, max_pixels)
    if image.mode in ("I", "F"):
        raise ImageError(
            f"{name}: expected a PIL image of 8 or 16 bits, got mode {image.mode}, "
            "which does not say what is white; convert it to L or RGB"
        )
    try:
        turned = ImageOps.exif_transpose(image)
        if turned.mode.startswith("I;16"):
            upper = (np.asarray(turned) >> 8).astype(np.uint8)
            pixels = np.repeat(upper[..., None], 3, axis=2)
        else:
            # Alpha is dropped as it is from files: what lies below it stays.
            plain = {"La": "LA", "RGBa": "RGBA"}.get(turned.mode)
            turned = turned if plain is None else turned.convert(plain)
            pixels = np.array(turned.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as err:
        raise ImageError(f"{name}: the PIL image cannot be read: {err}") from err
    return _from_array(pixels, None)


def _from_array(array: Pixels, max_pixels: int | None) -> LoadedImage:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ImageError(
            "picture: expected a uint8 array [height, width, 3] in RGB order, got "
            f"{array.dtype} {list(array.shape)}"
        )
    size = (array.shape[0], array.shape[1])
    _check_size(size, "picture", max_pixels)
    return LoadedImage("picture", size, pixels=array)


def _from_file(data: bytes, name: str, max_pixels: int | None) -> LoadedImage:
    try:
        header = checked_header(data, name)
    except ImageFileError as err:
        raise ImageError(str(err)) from err
    _check_size(header.seen_size, name, max_pixels)
    if header.plain:
        return LoadedImage(name, header.seen_size, encoded=data)
    return LoadedImage(name, header.seen_size, pixels=_decode(data, name))


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


def _decode(data: bytes, name: str) -> Pixels:
    try:
        return decode_image(data, name)
    except ImageFileError as err:
        raise ImageError(str(err)) from err


def _by(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"
