"""Images that are refused: damaged, foreign, too large, and headers that lie."""

from __future__ import annotations

import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.images import (
    Frame,
    encode,
    gif,
    gif_indices,
    gif_palette,
    image,
    png_chunk,
    with_bmp_size,
    with_jpeg_size,
    with_png_size,
)

IMAGE = image()
JPEG, PNG, BMP = (encode(IMAGE, kind) for kind in ("JPEG", "PNG", "BMP"))
PALETTE = gif_palette()
GIF = gif([Frame(gif_indices())], PALETTE)
FOREIGN = "expected a JPEG, PNG, GIF or BMP file, got {} bytes of something else"
TOO_LARGE = "expected a picture of 1 to 100000000 pixels, got height x width {} x {}"
OTHER_BMP = "expected an uncompressed BMP file of 8, 24 or 32 bits a pixel"


@pytest.fixture
def refused(decode):
    """Decodes what cannot be decoded; returns the message."""
    import tensorflow as tf

    def run(data, decode=decode):
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            decode(data)
        return caught.value.message

    return run


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"hello world",
        b"\x89PNG\r\n",
        b"GIF88a" + GIF[6:],
        b"\0" + JPEG,
        encode(IMAGE, "WEBP"),
        encode(IMAGE, "TIFF"),
        encode(IMAGE, "PPM"),
    ],
    ids=[
        "empty",
        "one byte",
        "text",
        "half a signature",
        "another GIF",
        "shifted JPEG",
        "WebP",
        "TIFF",
        "PPM",
    ],
)
def test_other_files_are_refused_with_the_formats_that_are_taken(refused, data):
    assert FOREIGN.format(len(data)) in refused(data)


@pytest.mark.parametrize("kept", [3, 20, 300, len(JPEG) // 2])
def test_a_cut_jpeg_is_refused(refused, kept):
    message = refused(JPEG[:kept])
    assert "jpeg" in message.lower()
    assert "something else" not in message


@pytest.mark.parametrize("kept", [8, 20, 33, 100, len(PNG) // 2, len(PNG) - 40])
def test_a_cut_png_is_refused(refused, kept):
    message = refused(PNG[:kept])
    assert "Invalid PNG" in message or "expected a picture of 1 to" in message


@pytest.mark.parametrize("kept", [2, 20, 54, 100, len(BMP) - 1])
def test_a_cut_bmp_is_refused(refused, kept):
    assert "something else" not in refused(BMP[:kept])


@pytest.mark.parametrize("kept", [6, 12, 13, 100, 13 + 3 * 128])
def test_a_gif_that_ends_before_its_frame_is_refused(refused, kept):
    assert "expected a GIF file with a frame, found none" in refused(GIF[:kept])


@pytest.mark.parametrize("kept", [13 + 3 * 128 + 4, 13 + 3 * 128 + 12, len(GIF) // 2])
def test_a_gif_cut_inside_its_frame_is_refused(refused, kept):
    message = refused(GIF[:kept])
    assert "GIF" in message or "expected a picture of 1 to" in message


@pytest.mark.parametrize(
    "data",
    [
        b"GIF89a" + b"\xff" * 30,
        GIF[:10] + b"\xf7" + b"\xff" * 900,
        GIF[:13] + b"!" * 2000,
        GIF[:13] + b"!\xfe" + b"\x01" * 5001,
    ],
    ids=["no data", "large colour table only", "extensions only", "endless chain"],
)
def test_a_gif_of_noise_ends(refused, data):
    refused(data)


def with_bits(bits):
    return BMP[:28] + struct.pack("<H", bits) + BMP[30:]


def with_compression(data, kind):
    return data[:30] + struct.pack("<I", kind) + data[34:]


CORE_BMP = (
    b"BM" + struct.pack("<IHHIIHHHH", 122, 0, 0, 26, 12, 8, 4, 1, 24) + b"\7" * 96
)


@pytest.mark.parametrize(
    "data",
    [
        CORE_BMP,
        with_bits(1),
        with_bits(4),
        with_bits(16),
        with_compression(encode(IMAGE[:, :, 0], "BMP"), 1),
        with_compression(BMP, 3),
        with_compression(encode(np.dstack([IMAGE, IMAGE[:, :, 0]]), "BMP"), 3),
    ],
    ids=[
        "OS/2 header",
        "1 bit",
        "4 bits",
        "16 bits",
        "run lengths",
        "24 bits with masks",
        "32 bits without the masks it announces",
    ],
)
def test_kinds_of_bmp_that_would_be_misread_are_refused(refused, data):
    assert OTHER_BMP in refused(data)


def test_a_bmp_whose_pixels_lie_outside_of_its_palette_is_refused(refused):
    data = encode(IMAGE[:, :, 0], "BMP")
    start = struct.unpack("<I", data[10:14])[0]
    without = data[:10] + struct.pack("<I", 54) + data[14:54] + data[start:]
    assert "is not in [0, 0)" in refused(without)


def test_a_bmp_whose_palette_lies_past_its_end_is_refused(refused):
    data = encode(IMAGE[:, :, 0], "BMP")
    broken = data[:14] + struct.pack("<I", 2**30) + data[18:]
    assert "the palette of the BMP file lies past its end" in refused(broken)


def _commented(blocks):
    """A GIF with a comment of these blocks before its frame."""
    return gif([Frame(gif_indices(), before=b"!\xfe" + blocks + b"\0")], PALETTE)


def test_a_gif_of_endless_small_blocks_is_refused(refused):
    from export.gif import MAX_RUNS

    data = _commented(b"\x01x\x02xx" * (MAX_RUNS // 2 + 1))
    text = f"a GIF file whose blocks change their size more than {MAX_RUNS} times"
    assert text in refused(data)
    chains = b"\0!\xfe".join([b"\x01x\x02xx" * (MAX_RUNS // 16)] * 10)
    assert text in refused(_commented(chains)), "the chains of a file count together"


def test_a_gif_of_many_blocks_of_one_size_is_decoded_in_few_steps(decode):
    expected = decode(GIF)
    for blocks in (b"\x01x" * 500_000, b"\xfe" + b"x" * 254, b"\xff" + b"x" * 255):
        np.testing.assert_array_equal(decode(_commented(blocks * 3)), expected)


def jpeg_of_scans(count):
    """A progressive 64 x 64 JPEG that repeats one empty scan."""

    def segment(marker, data):
        return bytes([255, marker]) + struct.pack(">H", len(data) + 2) + data

    code = bytes([1] + [0] * 15)
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\x01" * 64),
            segment(0xC2, struct.pack(">BHHB", 8, 64, 64, 1) + b"\x01\x11\0"),
            segment(0xC4, b"\0" + code + b"\0"),
            segment(0xC4, b"\x10" + code + b"\xe0"),
            segment(0xDA, b"\x01\x01\0\0\0\0") + b"\0" * 9,
            (segment(0xDA, b"\x01\x01\0\x01\x3f\0") + b"\0" * 4) * (count - 1),
            b"\xff\xd9",
        ]
    )


def test_a_jpeg_of_endless_scans_is_refused(decode, refused):
    from export.decode_bounds import MAX_SCANS

    assert decode(jpeg_of_scans(MAX_SCANS)).shape == (64, 64, 3)
    for count in (MAX_SCANS + 1, 10_000):
        text = f"a JPEG file with more than {MAX_SCANS} scans"
        assert text in refused(jpeg_of_scans(count))


def with_png_chunks(*chunks):
    return PNG[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + PNG[33:]


@pytest.mark.parametrize(
    ("kind", "head"), [(b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\1\0\0\0")]
)
def test_a_png_of_many_compressed_texts_is_refused(decode, refused, kind, head):
    from export.decode_bounds import MAX_PACKED_CHUNKS

    chunk = (kind, head + zlib.compress(b"a" * 1000))
    data = with_png_chunks(*[chunk] * MAX_PACKED_CHUNKS)
    np.testing.assert_array_equal(decode(data), IMAGE)
    data = with_png_chunks(*[chunk] * (MAX_PACKED_CHUNKS + 1))
    text = f"a PNG file with more than {MAX_PACKED_CHUNKS} compressed texts"
    assert text in refused(data)


def test_a_png_far_longer_than_its_pixels_is_refused(decode, refused):
    from export.decode_bounds import SPARE_PNG_BYTES

    height, width = IMAGE.shape[:2]
    plain = height * (1 + 3 * width)
    most = plain + plain // 64 + SPARE_PNG_BYTES
    spare = most - len(PNG) - 12
    np.testing.assert_array_equal(
        decode(with_png_chunks((b"abCd", bytes(spare)))), IMAGE
    )
    text = f"a PNG file of at most {most} bytes for its size in pixels, got {most + 1}"
    assert text in refused(with_png_chunks((b"abCd", bytes(spare + 1))))


BIG = 40_000
LYING = {
    "PNG": with_png_size(PNG, BIG, BIG),
    "BMP": with_bmp_size(BMP, BIG, BIG),
    "BMP from the top down": with_bmp_size(BMP, -BIG, BIG),
    "JPEG": with_jpeg_size(JPEG, BIG, BIG),
    "GIF frame": (
        lambda at: GIF[: at + 5] + struct.pack("<HH", BIG, BIG) + GIF[at + 9 :]
    )(GIF.index(b",\0\0\0\0")),
}


@pytest.mark.parametrize("name", LYING)
def test_a_header_that_announces_too_much_is_refused_by_it(refused, name):
    assert TOO_LARGE.format(BIG, BIG) in refused(LYING[name])


@pytest.mark.parametrize(
    ("data", "height", "width"),
    [
        (with_png_size(PNG, 0, 5), 0, 5),
        (with_png_size(PNG, 5, 0), 5, 0),
        (with_png_size(PNG, 0xFFFFFFFF, 0xFFFFFFFF), -1, -1),
        (with_png_size(PNG, 0x7FFFFFFF, 0x7FFFFFFF), 2**31 - 1, 2**31 - 1),
        (with_bmp_size(BMP, 0, 5), 0, 5),
        (with_bmp_size(BMP, -(2**31), -(2**31)), -(2**31), -(2**31)),
        (with_bmp_size(BMP, 2**16, 2**16), 2**16, 2**16),
    ],
)
def test_impossible_sizes_are_refused(refused, data, height, width):
    assert TOO_LARGE.format(height, width) in refused(data)


def test_a_small_lie_is_refused_by_the_decoder(refused):
    assert "something else" not in refused(with_png_size(PNG, 62, 83))
    assert "something else" not in refused(with_bmp_size(BMP, 62, 83))


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [JPEG, PNG, BMP, encode(IMAGE, "GIF")],
    ids=["JPEG", "PNG", "BMP", "GIF"],
)
def test_the_limit_is_the_last_size_allowed(make_decode, refused, data):
    pixels = IMAGE.shape[0] * IMAGE.shape[1]
    assert make_decode(pixels)(data).shape == IMAGE.shape
    message = refused(data, make_decode(pixels - 1))
    assert f"expected a picture of 1 to {pixels - 1} pixels, got height x" in message
    assert "61 x 83" in message


MEASURE = """
    import resource, sys
    import numpy as np
    import tensorflow as tf
    from export.decode import decode
    from tests.images import encode, image
    from tests.unit.export.test_export_decode_refusals import LYING

    run = tf.function(
        lambda contents: decode(contents, 100_000_000),
        input_signature=[tf.TensorSpec((), tf.string)],
    )
    def peak_mb():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

    flat = encode(np.zeros((2000, 2000), np.uint8), "GIF")
    at = flat.index(b",\\0\\0\\0\\0")
    bomb = flat[:at] + flat[at:-1] * 30 + b";"
    for small in (encode(image(), "JPEG"), flat):
        run(small)
    start = peak_mb()
    for data in LYING.values():
        try:
            run(data)
        except tf.errors.InvalidArgumentError:
            continue
        sys.exit("decoded")
    refused = peak_mb()
    assert run(bomb).shape == (2000, 2000, 3)
    print(refused - start, peak_mb() - refused)
"""


@pytest.mark.slow
def test_refusing_costs_no_memory_and_thirty_frames_cost_one():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURE)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    refusing_mb, many_frames_mb = map(float, done.stdout.split())
    assert refusing_mb < 50, "the pictures would take 4800 MB each"
    assert many_frames_mb < 100, "a frame takes 12 MB, thirty 360"
