"""Pixels of every format, against other decoders and by hand."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.images import (
    Frame,
    encode,
    gif,
    gif_indices,
    gif_palette,
    image,
    png,
    sub_blocks,
)

IMAGE = image()
PILLOW = Image.fromarray(IMAGE)
GREY = np.asarray(PILLOW.convert("L"))
ALPHA = np.broadcast_to(np.arange(IMAGE.shape[1], dtype=np.uint8), GREY.shape)
RGBA = np.dstack([IMAGE, ALPHA])
COLOR_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


def opencv(data: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), COLOR_FLAGS)
    assert image is not None
    return image[:, :, ::-1]


def with_orientation(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(IMAGE, "JPEG", exif=exif)


JPEGS = {
    "baseline": encode(IMAGE, "JPEG", quality=90),
    "progressive": encode(IMAGE, "JPEG", progressive=True),
    "4:4:4": encode(IMAGE, "JPEG", subsampling="4:4:4"),
    "4:2:2": encode(IMAGE, "JPEG", subsampling="4:2:2"),
    "4:2:0": encode(IMAGE, "JPEG", subsampling="4:2:0"),
    "4:2:0 of even sides": encode(image(64, 96), "JPEG", subsampling="4:2:0"),
    "low quality": encode(IMAGE, "JPEG", quality=5),
    "optimised": encode(IMAGE, "JPEG", optimize=True),
    "restart markers": encode(IMAGE, "JPEG", restart_marker_rows=1),
    "grey": encode(GREY, "JPEG"),
    "1 x 1": encode(IMAGE[:1, :1], "JPEG"),
    "turned by EXIF": with_orientation(6),
    "mirrored by EXIF": with_orientation(2),
}
PNGS = {
    "RGB": encode(IMAGE, "PNG"),
    "grey": encode(GREY, "PNG"),
    "1 bit": encode(PILLOW.convert("1"), "PNG"),
    "palette": encode(PILLOW.convert("P"), "PNG"),
    "palette of 4 bits": encode(PILLOW.quantize(16), "PNG", bits=4),
    "interlaced": png(IMAGE, interlaced=True),
    "interlaced grey": png(GREY[:, :, None], interlaced=True),
    "interlaced 1 x 1": png(IMAGE[:1, :1], interlaced=True),
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_has_opencvs_pixels(decode, name):
    got = decode(JPEGS[name])
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, opencv(JPEGS[name]))


def test_a_cmyk_jpeg_is_decoded_to_rgb(decode):
    data = encode(PILLOW.convert("CMYK"), "JPEG", quality=95)
    got = decode(data)
    # Decoders disagree on how ink becomes light by some levels, not on what is where.
    assert got.shape == IMAGE.shape
    difference = np.abs(got.astype(int) - opencv(data))
    assert difference.max() <= 2


def test_exif_orientation_is_ignored(decode):
    upright = decode(JPEGS["baseline"]).shape
    assert decode(JPEGS["turned by EXIF"]).shape == upright
    turned = cv2.imdecode(
        np.frombuffer(JPEGS["turned by EXIF"], np.uint8), cv2.IMREAD_COLOR
    )
    assert turned.shape[:2] == upright[1::-1], "the file does ask for a turn"


@pytest.mark.parametrize("name", PNGS)
def test_a_png_has_opencvs_pixels(decode, name):
    np.testing.assert_array_equal(decode(PNGS[name]), opencv(PNGS[name]))


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("RGBA", encode(RGBA, "PNG"), IMAGE),
        ("interlaced RGBA", png(RGBA, interlaced=True), IMAGE),
        ("grey alpha", png(np.dstack([GREY, ALPHA])), np.dstack([GREY] * 3)),
        ("RGB", PNGS["RGB"], IMAGE),
        ("interlaced", PNGS["interlaced"], IMAGE),
    ],
)
def test_alpha_of_a_png_is_dropped_not_blended(decode, name, data, expected):
    np.testing.assert_array_equal(decode(data), expected)
    np.testing.assert_array_equal(opencv(data), expected)


def test_a_transparent_palette_entry_keeps_its_colour(decode):
    flat = PILLOW.quantize(16)
    data = encode(flat, "PNG", transparency=0)
    np.testing.assert_array_equal(decode(data), np.asarray(flat.convert("RGB")))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_samples_keep_their_upper_byte(decode, channels):
    import tensorflow as tf

    rng = np.random.default_rng(channels)
    pixels = rng.integers(0, 65536, (7, 9, channels)).astype(np.uint16)
    data = png(pixels)
    expected = tf.io.decode_png(data, 3).numpy()
    got = decode(data)
    np.testing.assert_array_equal(got, expected)
    upper = (pixels >> 8).astype(np.uint8)
    colors = upper[:, :, :3] if channels >= 3 else upper[:, :, [0, 0, 0]]
    np.testing.assert_array_equal(got, colors)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode(IMAGE, "BMP"), IMAGE),
        (encode(RGBA, "BMP"), IMAGE),
        (encode(IMAGE[:, :82], "BMP"), IMAGE[:, :82]),
        (encode(IMAGE[:, :1], "BMP"), IMAGE[:, :1]),
    ],
    ids=["24 bit", "32 bit", "rows that need padding", "one column"],
)
def test_a_bmp_has_its_own_pixels(decode, data, expected):
    np.testing.assert_array_equal(decode(data), expected)


def test_a_bmp_from_the_top_down_is_not_turned_over(decode):
    data = encode(IMAGE, "BMP")
    rows = len(data) - 54
    flipped = np.frombuffer(data[54:], np.uint8).reshape(IMAGE.shape[0], -1)[::-1]
    assert flipped.size == rows
    top_down = data[:22] + struct.pack("<i", -IMAGE.shape[0]) + data[26:54]
    np.testing.assert_array_equal(decode(top_down + flipped.tobytes()), IMAGE)


@pytest.mark.parametrize("colors", [2, 200, 256])
def test_an_8_bit_bmp_has_the_colours_of_its_palette(decode, colors):
    flat = PILLOW.quantize(colors)
    data = encode(flat, "BMP")
    assert data[28] == 8
    expected = np.asarray(flat.convert("RGB"))
    np.testing.assert_array_equal(decode(data), expected)
    np.testing.assert_array_equal(opencv(data), expected)
    grey = encode(GREY, "BMP")
    np.testing.assert_array_equal(decode(grey), np.dstack([GREY, GREY, GREY]))


def test_a_bmp_with_the_usual_colour_masks_is_decoded(decode):
    data = cv2.imencode(".bmp", RGBA[:, :, [2, 1, 0, 3]])[1].tobytes()
    assert data[30] == 3, "OpenCV writes 32-bit files with masks"
    np.testing.assert_array_equal(decode(data), IMAGE)


def test_a_gif_has_pillows_pixels(decode):
    flat = PILLOW.quantize(200)
    expected = np.asarray(flat.convert("RGB"))
    np.testing.assert_array_equal(decode(encode(flat, "GIF")), expected)
    animated = encode(
        flat,
        "GIF",
        save_all=True,
        append_images=[PILLOW.rotate(180).quantize(200), PILLOW.quantize(3)],
        duration=40,
        loop=0,
        comment=b"c" * 700,
    )
    assert Image.open(io.BytesIO(animated)).n_frames == 3
    np.testing.assert_array_equal(decode(animated), expected)


PALETTE, LOCAL = gif_palette(1), gif_palette(2)
INDICES = gif_indices()
GRAPHIC_CONTROL = b"!\xf9\x04\x00\x0a\x00\x00\x00"
COMMENT = b"!\xfe" + sub_blocks(b"about, the; pictures!" * 40)
APPLICATION = b"!\xff\x0bNETSCAPE2.0" + sub_blocks(b"\x01\x00\x00")


@pytest.mark.parametrize(
    ("frame", "palette", "expected"),
    [
        (Frame(INDICES), PALETTE, PALETTE[INDICES]),
        (Frame(INDICES, interlaced=True), PALETTE, PALETTE[INDICES]),
        (Frame(INDICES, LOCAL), PALETTE, LOCAL[INDICES]),
        (Frame(INDICES, LOCAL), None, LOCAL[INDICES]),
        (Frame(INDICES, before=COMMENT), PALETTE, PALETTE[INDICES]),
        (
            Frame(INDICES, LOCAL, before=APPLICATION + COMMENT + GRAPHIC_CONTROL),
            PALETTE,
            LOCAL[INDICES],
        ),
        (Frame(INDICES[:1, :1]), PALETTE, PALETTE[INDICES[:1, :1]]),
    ],
    ids=[
        "plain",
        "interlaced",
        "local colour table",
        "local colour table only",
        "comment with separators in it",
        "three extensions",
        "one pixel",
    ],
)
def test_the_first_frame_of_a_gif_by_hand(decode, frame, palette, expected):
    np.testing.assert_array_equal(decode(gif([frame], palette)), expected)
    second = Frame(127 - frame.indices, gif_palette(3), before=GRAPHIC_CONTROL)
    followed = gif([frame, second, second], palette)
    np.testing.assert_array_equal(decode(followed), expected)


def test_a_gif_without_its_trailer_is_decoded(decode):
    data = gif([Frame(INDICES)], PALETTE)
    np.testing.assert_array_equal(decode(data[:-1]), PALETTE[INDICES])


def test_a_damaged_later_frame_does_not_matter(decode):
    data = gif([Frame(INDICES), Frame(INDICES)], PALETTE)
    cut = data[: len(data) * 2 // 3]
    np.testing.assert_array_equal(decode(cut), PALETTE[INDICES])


def test_eager_and_traced_decoding_agree(decode):
    import tensorflow as tf

    from export.decode import decode as eager

    for data in (JPEGS["4:2:0"], PNGS["palette"], gif([Frame(INDICES)], PALETTE)):
        np.testing.assert_array_equal(
            eager(tf.constant(data), 1_000_000).numpy(), decode(data)
        )
