"""The first frame of a GIF, cut out inside the graph before anything is decoded.

A decoder reads every frame of a file, and a frame's own size may exceed the size in the
file's header, so neither the header nor the length of a file bounds what decoding it
costs. The first frame alone, with its size known, does.

Source: GIF89a specification, sections 17 to 27.
"""

from __future__ import annotations

import tensorflow as tf

_HEADER_BYTES = 13
_DESCRIPTOR_BYTES = 10
MAX_RUNS = 1 << 11
"""Steps of the walk through a file; each passes a run of blocks of one size.

Encoders fill all blocks of a chain but the last, so a chain takes few steps.
"""
MAX_EXTENSIONS = 16
_RUN_BLOCKS = 1 << 10
"""Most blocks that one step passes."""

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, b"\x3b"


def first_frame(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Finds the first frame of a GIF.

    Args:
        contents: string[], a GIF file.

    Returns:
        int32[2] (height, width) of the frame, and string[] with the file cut after it.
        The op fails with INVALID_ARGUMENT where the file ends before its first frame.
    """
    length = tf.strings.length(contents)
    blocks = tf.range(_RUN_BLOCKS)
    data = tf.pad(tf.io.decode_raw(contents, tf.uint8), [[0, _DESCRIPTOR_BYTES]])

    def byte(at: tf.Tensor) -> tf.Tensor:
        """Returns a byte; past the end 0, which begins no block and ends a chain."""
        return tf.cast(data[tf.minimum(at, length)], tf.int32)

    def after_run(at: tf.Tensor, runs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the position after blocks of one size, and the runs so far."""
        size = byte(at)
        places = tf.minimum(at + blocks * (size + 1), length)
        same = tf.equal(tf.cast(tf.gather(data, places), tf.int32), size)
        count = tf.reduce_min(tf.where(same, _RUN_BLOCKS, blocks))
        return at + count * (size + 1), runs + 1

    def end_of_chain(at: tf.Tensor, runs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the position after a chain of sub-blocks, and the runs so far."""
        at, runs = tf.while_loop(
            lambda at, runs: (byte(at) > 0) & (runs < MAX_RUNS),
            after_run,
            (at, runs),
            parallel_iterations=1,
        )
        ended = tf.debugging.Assert(
            tf.equal(byte(at), 0),
            [
                "image_bytes: a GIF file whose blocks change their size more than "
                f"{MAX_RUNS} times"
            ],
        )
        with tf.control_dependencies([ended]):
            return at + 1, tf.identity(runs)

    start, runs = tf.while_loop(
        lambda at, _: tf.equal(byte(at), _EXTENSION),
        lambda at, runs: end_of_chain(at + 2, runs),
        (
            _HEADER_BYTES + _color_table_bytes(byte(tf.constant(10))),
            tf.constant(0),
        ),
        parallel_iterations=1,
        maximum_iterations=MAX_EXTENSIONS,
    )
    found = tf.debugging.Assert(
        tf.equal(byte(start), _IMAGE),
        ["image_bytes: expected a GIF file with a frame, found none"],
    )
    with tf.control_dependencies([found]):
        descriptor = tf.cast(data[start : start + _DESCRIPTOR_BYTES], tf.int32)
    width = descriptor[5] + 256 * descriptor[6]
    height = descriptor[7] + 256 * descriptor[8]
    pixels_at = start + _DESCRIPTOR_BYTES + _color_table_bytes(descriptor[9])
    # The byte before the chain is the code size.
    end, _ = end_of_chain(pixels_at + 1, runs)
    frame = tf.strings.substr(contents, 0, tf.minimum(end, length))
    return tf.stack([height, width]), tf.strings.join([frame, _TRAILER])


def _color_table_bytes(flags: tf.Tensor) -> tf.Tensor:
    """Returns the length of the colour table that a packed field announces."""
    entries = tf.bitwise.left_shift(2, tf.bitwise.bitwise_and(flags, 7))
    return tf.where(flags >= 128, 3 * entries, 0)
