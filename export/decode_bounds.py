"""What decoding a file may cost beside its pixels, checked before it is decoded.

The size in a header bounds the pixels, not the work: a progressive JPEG may repeat its
scans over all pixels, and a PNG may bring compressed texts that unpack to megabytes
each, or compressed data long after its last pixel.

Source: ITU-T T.81 (B.2.3, scan header); PNG specification (11.2 and 11.3).
"""

from __future__ import annotations

import tensorflow as tf

MAX_SCANS = 64
"""Most scans of a JPEG and of the thumbnails in it; progressive ones have about ten."""
MAX_PACKED_CHUNKS = 16
"""Most compressed texts and colour profiles of a PNG."""
SPARE_PNG_BYTES = 1 << 18
"""How much longer than its pixels uncompressed a PNG may be."""

_SCAN_HEADER = b"\xff\xda\0"
_PACKED_CHUNKS = (b"zTXt", b"iTXt", b"iCCP")
_CHANNELS = (1, 0, 3, 1, 2, 0, 4)
"""Samples of a pixel by colour type."""


def check_jpeg(contents: tf.Tensor) -> tf.Operation:
    """Returns an op that fails where a JPEG has more than `MAX_SCANS` scans.

    Args:
        contents: string[], a JPEG file.
    """
    # Within a scan 0xff is never followed by a marker's code, so nothing is missed.
    count = _count(contents, _SCAN_HEADER, MAX_SCANS)
    return tf.debugging.Assert(
        count <= MAX_SCANS,
        [f"image_bytes: a JPEG file with more than {MAX_SCANS} scans"],
    )


def check_png(
    contents: tf.Tensor, header: tf.Tensor, size: tf.Tensor
) -> list[tf.Operation]:
    """Returns ops that fail where a PNG unpacks to far more than its pixels.

    Args:
        contents: string[], a PNG file.
        header: int32[N], its first bytes, at least 26.
        size: int32[2] (height, width), positive or refused elsewhere.
    """
    count = tf.add_n(
        [_count(contents, kind, MAX_PACKED_CHUNKS) for kind in _PACKED_CHUNKS]
    )
    few = tf.debugging.Assert(
        count <= MAX_PACKED_CHUNKS,
        [
            f"image_bytes: a PNG file with more than {MAX_PACKED_CHUNKS} compressed "
            "texts and profiles"
        ],
    )
    height, width = tf.unstack(tf.cast(size, tf.int64))
    depth, color_type = header[24], tf.clip_by_value(header[25], 0, len(_CHANNELS) - 1)
    bits = tf.cast(depth * tf.constant(_CHANNELS)[color_type], tf.int64)
    pixel_bytes = height * (1 + (width * bits + 7) // 8)
    most = pixel_bytes + pixel_bytes // 64 + SPARE_PNG_BYTES
    length = tf.cast(tf.strings.length(contents), tf.int64)
    short = tf.debugging.Assert(
        length <= most,
        [
            tf.strings.join(
                [
                    "image_bytes: expected a PNG file of at most ",
                    tf.strings.as_string(most),
                    " bytes for its size in pixels, got ",
                    tf.strings.as_string(length),
                ]
            )
        ],
    )
    return [few, short]


def _count(contents: tf.Tensor, pattern: bytes, most: int) -> tf.Tensor:
    """Returns int32[], how often a pattern occurs, `most` + 1 where it is more."""
    parts = tf.raw_ops.StringSplitV2(
        input=contents[None], sep=pattern, maxsplit=most + 1
    )
    # An empty file has no parts at all.
    return tf.maximum(tf.size(parts.values) - 1, 0)
