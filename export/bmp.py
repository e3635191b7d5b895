"""BMP files inside the graph.

TensorFlow's decoder gives the palette indices of an 8-bit file as grey levels, and
reads a compressed file as if it were not: the palette is looked up here, and what the
decoder would misread is refused.
"""

from __future__ import annotations

import tensorflow as tf

HEADER_BYTES = 66
_FILE_HEADER_BYTES = 14
_INFO_HEADER_BYTES = 40
_PLAIN, _MASKED = 0, 3
_MASKS = (0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0)
"""Red, green and blue of a 32-bit pixel as a file without masks has them."""


def bmp_size(header: tf.Tensor) -> tf.Tensor:
    """Reads the size of a BMP.

    Args:
        header: int32[66], the file's first bytes, zeros past its end.

    Returns:
        int32[2] (height, width). The op fails with INVALID_ARGUMENT when the file is of
        a kind that is not decoded.
    """
    bits = _number(header, 28, 2)
    compression = _number(header, 30)
    masked = (compression == _MASKED) & tf.reduce_all(header[54:66] == _MASKS)
    known = tf.debugging.Assert(
        (_number(header, 14) >= _INFO_HEADER_BYTES)
        & tf.reduce_any(bits == [8, 24, 32])
        & ((compression == _PLAIN) | (masked & (bits == 32))),
        [
            "image_bytes: expected an uncompressed BMP file of 8, 24 or 32 bits a "
            "pixel, got another kind of BMP"
        ],
    )
    with tf.control_dependencies([known]):
        return tf.abs(tf.stack([_number(header, 22), _number(header, 18)]))


def decode_bmp(contents: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP whose size was read; returns uint8[H, W, 3], alpha dropped."""
    image = tf.io.decode_bmp(contents)

    def colors() -> tf.Tensor:
        start = _FILE_HEADER_BYTES + _number(header, 14)
        entries = tf.clip_by_value((_number(header, 10) - start) // 4, 0, 256)
        # Checked here: the op's own message would quote the file's bytes.
        complete = tf.debugging.Assert(
            (start >= 0) & (start + 4 * entries < tf.strings.length(contents)),
            ["image_bytes: the palette of the BMP file lies past its end"],
        )
        with tf.control_dependencies([complete]):
            table = tf.strings.substr(contents, start, 4 * entries)
        palette = tf.reshape(tf.io.decode_raw(table, tf.uint8), (-1, 4))[:, 2::-1]
        return tf.gather(palette, tf.cast(image[:, :, 0], tf.int32))

    return tf.cond(tf.shape(image)[2] == 1, colors, lambda: image[:, :, :3])


def _number(header: tf.Tensor, at: int, size: int = 4) -> tf.Tensor:
    """Returns int32[], the little-endian number at an offset."""
    return tf.reduce_sum(header[at : at + size] * [1 << 8 * i for i in range(size)])
