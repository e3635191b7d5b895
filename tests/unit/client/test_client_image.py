import io
import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from client import ImageError
from client.image import load_image
from formats.images.image_header import read_header

ROWS, COLUMNS = np.mgrid[:30, :40]
RGB = np.stack([ROWS * 8, COLUMNS * 6, (ROWS + COLUMNS) * 3], -1).astype(np.uint8)
IMAGE = Image.fromarray(RGB)
LOSSLESS = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
JPEG_NOISE = 6  # largest difference of two decoders, grey levels


def encode(image, format, **options):
    stream = io.BytesIO()
    image.save(stream, format, **(LOSSLESS.get(format, {}) | options))
    return stream.getvalue()


def rotated(format, orientation):
    if format == "TIFF":
        return encode(IMAGE, format, tiffinfo={274: orientation})
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(IMAGE, format, exif=exif.tobytes())


def seen(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def with_alpha(mode):
    image = IMAGE.copy()
    image.putalpha(128)
    return image.convert(mode)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + bytes(4)


def huge_png(side=40_000):
    header = struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


PLAIN = {
    "jpeg": encode(IMAGE, "JPEG"),
    "grey jpeg": encode(IMAGE.convert("L"), "JPEG"),
    "progressive jpeg": encode(IMAGE, "JPEG", progressive=True),
    "cmyk jpeg": encode(IMAGE.convert("CMYK"), "JPEG"),
    "upright jpeg": rotated("JPEG", 1),
    "jpeg of unknown orientation": rotated("JPEG", 0),
    "png": encode(IMAGE, "PNG"),
    "grey png": encode(IMAGE.convert("L"), "PNG"),
    "palette png": encode(IMAGE.convert("P"), "PNG"),
    "bit png": encode(IMAGE.convert("1"), "PNG"),
    "rgba png": encode(with_alpha("RGBA"), "PNG"),
    "la png": encode(with_alpha("LA"), "PNG"),
    "gif": encode(IMAGE.convert("P"), "GIF"),
    "gif with a comment": encode(IMAGE.convert("P"), "GIF", comment=b"x" * 600),
    "bmp": encode(IMAGE, "BMP"),
}
BMP = PLAIN["bmp"]
# The sign of its height is all that tells a BMP stored from the top.
TOP_DOWN = BMP[:22] + struct.pack("<i", -30) + BMP[26:]
STRAIGHTENED = {
    "palette bmp": encode(IMAGE.convert("P"), "BMP"),
    "grey bmp": encode(IMAGE.convert("L"), "BMP"),
    "bit bmp": encode(IMAGE.convert("1"), "BMP"),
    "bmp from the top": TOP_DOWN,
    "webp": encode(IMAGE, "WEBP"),
    "lossy webp": encode(IMAGE, "WEBP", lossless=False),
    "tiff": encode(IMAGE, "TIFF"),
    "packed tiff": encode(IMAGE, "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_goes_as_it_is(name):
    loaded = load_image(PLAIN[name])
    assert loaded.encoded == PLAIN[name]
    assert loaded.pixels is None
    assert loaded.size == (30, 40)


@pytest.mark.parametrize("name", STRAIGHTENED)
def test_is_decoded_first(name):
    loaded = load_image(STRAIGHTENED[name])
    assert loaded.encoded is None
    assert loaded.size == (30, 40)
    expected = seen(STRAIGHTENED[name]).astype(int)
    limit = JPEG_NOISE if name == "lossy webp" else 0
    assert np.abs(loaded.rgb() - expected).max() <= limit


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation(format, orientation):
    data = rotated(format, orientation)
    loaded = load_image(data)
    expected = seen(data)
    assert loaded.size == expected.shape[:2]
    assert loaded.encoded is None
    limit = JPEG_NOISE if format == "JPEG" else 0
    assert np.abs(loaded.rgb() - expected.astype(int)).max() <= limit


def test_alpha_is_dropped():
    loaded = load_image(encode(with_alpha("RGBA"), "WEBP", exact=True))
    assert np.array_equal(loaded.rgb(), RGB)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_keeps_its_upper_half(suffix, channels):
    deep = (ROWS * 2000 + COLUMNS).astype(np.uint16)
    deep = np.repeat(deep[..., None], channels, -1)
    loaded = load_image(cv2.imencode(suffix, deep)[1].tobytes())
    assert loaded.encoded is None
    # TIFF of three channels is rounded instead.
    limit = 1 if (suffix, channels) == (".tiff", 3) else 0
    assert np.abs(loaded.rgb() - (deep >> 8).astype(int)).max() <= limit


@pytest.mark.skipif(
    not hasattr(cv2, "IMREAD_COLOR_RGB"), reason="OpenCV before 4.11 has no GIF"
)
def test_gif_with_a_first_frame_that_is_a_part():
    data = PLAIN["gif"]
    data = data[:6] + struct.pack("<HH", 60, 50) + data[10:]
    loaded = load_image(data)
    assert loaded.encoded is None
    assert loaded.rgb().shape == (50, 60, 3)
    assert np.array_equal(loaded.rgb()[:30, :40], seen(PLAIN["gif"]))


def test_arrays():
    assert load_image(RGB).pixels is RGB
    assert np.array_equal(load_image(encode(IMAGE, "PNG")).rgb(), RGB)


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (RGB.astype(float), r"float64 \[30, 40, 3\]"),
        (RGB[0], r"uint8 \[40, 3\]"),
        (RGB[..., :2], r"uint8 \[30, 40, 2\]"),
        (RGB[None], r"uint8 \[1, 30, 40, 3\]"),
    ],
)
def test_other_arrays(array, got):
    with pytest.raises(ImageError, match=got):
        load_image(array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty file"),
        (
            b"hello world",
            "expected JPEG, PNG, GIF, BMP, WebP, TIFF, JPEG 2000, AVIF or HEIC, got",
        ),
        (b"BM is no bitmap, yet", "expected JPEG"),
        (b"RIFF....WAVEfmt ", "expected JPEG"),
        (b"RIFF....WEBPVP9 ....", "makes no sense"),
        (PLAIN["jpeg"][:30], "cut off"),
        (PLAIN["png"][:20], "does not start with|cut off"),
        (PLAIN["gif"][:8], "cut off"),
        (PLAIN["bmp"][:24], "cut off"),
        (STRAIGHTENED["webp"][:24], "cut off"),
        (STRAIGHTENED["tiff"][:6], "cut off|no size"),
        (rotated("JPEG", 6)[:-200], "cut off"),
        (rotated("PNG", 6)[:-20], "cut off"),
        (STRAIGHTENED["webp"][:-20], "cut off"),
        (STRAIGHTENED["tiff"][:1000], "cut off|damaged"),
        (STRAIGHTENED["palette bmp"][:200], "damaged"),
        (encode(Image.new("F", (4, 4)), "TIFF"), "does not read"),
    ],
)
def test_bad_files(data, message, capfd):
    with pytest.raises(ImageError, match=message):
        load_image(data).rgb()
    capfd.readouterr()


def test_size_is_checked_before_decoding():
    with pytest.raises(ImageError, match=r"1,600,000,000 \(40000 x 40000\)") as caught:
        load_image(huge_png(), max_pixels=100_000_000)
    assert "at most 100,000,000 pixels" in str(caught.value)
    with pytest.raises(ImageError, match="promises 40000 x 40000 pixels; of"):
        load_image(huge_png())
    load_image(RGB, max_pixels=1200)
    with pytest.raises(ImageError, match="at most 1,199"):
        load_image(RGB, max_pixels=1199)


def test_lying_header(capfd):
    data = rotated("PNG", 6)
    header = b"IHDR" + struct.pack(">II", 3000, 3000) + data[24:29]
    data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    with pytest.raises(ImageError, match="damaged"):
        load_image(data)
    capfd.readouterr()


def test_jpeg_header_that_promises_more_than_the_file_holds():
    data = bytearray(PLAIN["jpeg"])
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 9000, 9000)
    with pytest.raises(ImageError, match="promises 9000 x 9000 pixels, more than"):
        load_image(bytes(data))


@pytest.mark.parametrize("progressive", [False, True])
def test_smallest_jpegs_are_no_lie(progressive):
    flat = Image.new("L", (2000, 2000), 128)
    data = encode(flat, "JPEG", quality=1, optimize=True, progressive=progressive)
    assert load_image(data).size == (2000, 2000)


def test_empty_sizes():
    gif = PLAIN["gif"]
    with pytest.raises(ImageError, match="got 0 x 30 pixels"):
        load_image(gif[:6] + b"\0\0" + gif[8:])
    with pytest.raises(ImageError, match="the GIF has no picture"):
        load_image(gif[:13] + bytes(900))
    with pytest.raises(ImageError, match="got 40 x 0 pixels"):
        load_image(np.zeros((0, 40, 3), np.uint8))


@pytest.mark.parametrize("kind", ["VP8 ", "VP8L", "VP8X"])
def test_webp_sizes(kind):
    files = {
        "VP8 ": encode(IMAGE, "WEBP", lossless=False),
        "VP8L": encode(IMAGE, "WEBP"),
        "VP8X": rotated("WEBP", 1),
    }
    data = files[kind]
    assert data[12:16] == kind.encode()
    header = read_header(data)
    assert header is not None
    assert (header.height, header.width, header.orientation) == (30, 40, 1)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(PLAIN | STRAIGHTENED)),
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
)
def test_damaged_headers_raise_nothing_else(name, length, changes):
    data = bytearray((PLAIN | STRAIGHTENED)[name][:length])
    for position, value in changes:
        if position < len(data):
            data[position] = value
    try:
        header = read_header(bytes(data))
    except ValueError:
        return
    assert header is None or header.height >= 0


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "RGBa", "L", "LA", "P", "1", "CMYK"])
def test_pil_images(mode):
    image = with_alpha("RGBA").convert(mode) if mode != "RGB" else IMAGE
    loaded = load_image(image)
    plain = {"LA": "L"}.get(mode, "RGB")
    assert loaded.size == (30, 40)
    if mode != "RGBa":
        expected = np.array(image.convert(plain).convert("RGB"))
        assert np.array_equal(loaded.rgb(), expected)
    assert loaded.rgb().dtype == np.uint8


def test_pil_images_are_turned_as_people_see_them():
    data = rotated("JPEG", 6)
    with Image.open(io.BytesIO(data)) as image:
        loaded = load_image(image)
    assert loaded.size == (40, 30)
    assert np.array_equal(loaded.rgb(), seen(data))


def test_pil_images_of_16_bits():
    deep = Image.fromarray((RGB[..., 0].astype(np.uint16) << 8) + 17)
    assert deep.mode == "I;16"
    assert np.array_equal(load_image(deep).rgb(), RGB[..., :1].repeat(3, 2))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pil_images_without_a_white(mode):
    with pytest.raises(ImageError, match=f"got mode {mode}.* convert it"):
        load_image(IMAGE.convert(mode))


def test_pil_images_that_cannot_be_read():
    cut = Image.open(io.BytesIO(encode(IMAGE, "JPEG")[:700]))
    with pytest.raises(ImageError, match="cannot be read"):
        load_image(cut)
    with pytest.raises(ImageError, match="expected at most 1,000 pixels, got 1,200"):
        load_image(IMAGE, 1000)


def test_open_files(tmp_path):
    data = encode(IMAGE, "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert load_image(file).encoded == data
    with path.open("rb") as file:
        file.read(8)
        with pytest.raises(ImageError, match="got a file that starts"):
            load_image(file)
    assert load_image(io.BytesIO(data)).encoded == data


def test_open_files_that_do_not_give_bytes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("no picture", "utf-8")
    with path.open() as file, pytest.raises(ImageError, match=r'a\.txt: .* "rb"'):
        load_image(file)
    path.write_bytes(b"\xff\xfe\xff")
    with path.open(encoding="utf-8") as file, pytest.raises(ImageError, match="utf-8"):
        load_image(file)
    with pytest.raises(ImageError, match="closed file"):
        load_image(file)


def test_what_is_no_file_is_not_opened(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, "/dev/zero"):
        with pytest.raises(ImageError, match="got a folder, a pipe or a device"):
            load_image(path)
