"""Encoded images to pixels, inside the graph.

The size is read from the file's header and checked before anything is decoded, and so
is what else a file may unpack to. JPEG is
decoded with the accurate integer transform, so its pixels equal OpenCV's and Pillow's.
EXIF orientation is ignored, alpha is dropped, 16-bit samples keep their upper byte.
"""

from __future__ import annotations

import tensorflow as tf

from export.bmp import HEADER_BYTES, bmp_size, decode_bmp
from export.decode_bounds import check_jpeg, check_png
from export.gif import first_frame

_SIGNATURES: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("jpeg", (b"\xff\xd8\xff",)),
    ("png", (b"\x89PNG\r\n\x1a\n",)),
    ("gif", (b"GIF87a", b"GIF89a")),
    ("bmp", (b"BM",)),
)


def decode(contents: tf.Tensor, max_image_pixels: int) -> tf.Tensor:
    """Decodes one image.

    Args:
        contents: string[], JPEG, PNG, GIF (first frame) or BMP.
        max_image_pixels: larger images are refused before they are decoded.

    Returns:
        uint8[H, W, 3] RGB. The op fails with INVALID_ARGUMENT when the format is
        another one, the image is too large, or its data is damaged.
    """
    header = tf.cast(  # [HEADER_BYTES]
        tf.io.decode_raw(contents, tf.uint8, fixed_length=HEADER_BYTES), tf.int32
    )
    matches = [
        tf.reduce_any([_starts_with(header, magic) for magic in magics])
        for _, magics in _SIGNATURES
    ]
    known = tf.debugging.Assert(
        tf.reduce_any(matches),
        [
            tf.strings.join(
                [
                    "image_bytes: expected a JPEG, PNG, GIF or BMP file, got ",
                    tf.strings.as_string(tf.strings.length(contents)),
                    " bytes of something else",
                ]
            )
        ],
    )
    with tf.control_dependencies([known]):
        # bool[4] -> int32[]
        kind = tf.argmax(tf.cast(tf.stack(matches), tf.int32), output_type=tf.int32)
    size, contents = tf.switch_case(  # int32[2], string[]
        kind,
        [
            lambda: (tf.io.extract_jpeg_shape(contents)[:2], contents),
            lambda: (_png_size(header), contents),
            lambda: first_frame(contents),
            lambda: (bmp_size(header), contents),
        ],
    )
    with tf.control_dependencies([require_size(size, "image_bytes", max_image_pixels)]):
        contents = tf.identity(contents)
    image = tf.switch_case(  # uint8[H, W, 3]
        kind,
        [
            lambda: _decode_jpeg(contents),
            lambda: _decode_png(contents, header, size),
            lambda: tf.io.decode_gif(contents)[0],
            lambda: decode_bmp(contents, header),
        ],
    )
    return tf.ensure_shape(image, (None, None, 3))


def require_size(size: tf.Tensor, name: str, max_image_pixels: int) -> tf.Operation:
    """Returns an op that fails unless an image has 1 to `max_image_pixels` pixels.

    Args:
        size: int32[2] (height, width).
        name: input that the message names.
        max_image_pixels: upper bound.
    """
    wide = tf.cast(size, tf.int64)
    allowed = tf.reduce_all(size > 0) & (tf.reduce_prod(wide) <= max_image_pixels)
    return tf.debugging.Assert(
        allowed,
        [
            tf.strings.join(
                [
                    f"{name}: expected a picture of 1 to {max_image_pixels} pixels, "
                    "got height x width ",
                    tf.strings.reduce_join(tf.strings.as_string(size), separator=" x "),
                ]
            )
        ],
    )


def _decode_jpeg(contents: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([check_jpeg(contents)]):
        return tf.io.decode_jpeg(contents, 3, dct_method="INTEGER_ACCURATE")


def _decode_png(contents: tf.Tensor, header: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies(check_png(contents, header, size)):
        return tf.io.decode_png(contents, 3)


def _starts_with(header: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.reduce_all(header[: len(magic)] == tf.constant(list(magic)))


def _png_size(header: tf.Tensor) -> tf.Tensor:
    """Returns int32[2] (height, width) out of the first chunk."""
    big_endian = tf.constant([1 << 24, 1 << 16, 1 << 8, 1])
    return tf.stack(
        [tf.reduce_sum(header[at : at + 4] * big_endian) for at in (20, 16)]
    )
