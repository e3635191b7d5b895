import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from formats import ImageFileError
from formats.images.image import checked_size, decode_image, unreadable
from formats.images.image_boxes import read_item
from formats.images.image_header import FIRST_BYTES, format_of, read_header

ROWS, COLUMNS = np.mgrid[:46, :62]
RGB = np.stack([ROWS * 5, COLUMNS * 4, (ROWS + COLUMNS) * 2], -1).astype(np.uint8)
IMAGE = Image.fromarray(RGB)
NOISE = 24
"""Grey levels that lossy formats and their colour subsampling may be off, at most."""


def encode(form, orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    if form == "HEIC":
        import pillow_heif

        file = pillow_heif.from_pillow(IMAGE)
        file.save(stream, exif=exif.tobytes(), quality=95)
    elif form == "AVIF":
        IMAGE.save(stream, form, exif=exif, quality=95)
    elif form == "codestream":
        IMAGE.save(stream, "JPEG2000", no_jp2=True)
    else:
        IMAGE.save(stream, "JPEG2000" if form == "JPEG 2000" else form)
    return stream.getvalue()


def turned(pixels, orientation):
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    from PIL import ImageOps

    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("form", ["JPEG 2000", "codestream", "AVIF", "HEIC", "GIF"])
def test_formats_are_read_by_content(form):
    data = encode(form)
    name = "JPEG 2000" if form == "codestream" else form
    assert format_of(data[:FIRST_BYTES]) == name
    assert unreadable(data[:FIRST_BYTES]) == ""
    header = read_header(data)
    assert (header.format, header.seen_size) == (name, (46, 62))
    assert header.complete
    assert not header.plain or form == "GIF"
    assert checked_size(data, "x") == (46, 62)
    difference = np.abs(decode_image(data, "x").astype(int) - RGB)
    assert difference.max() <= (60 if form == "GIF" else NOISE)


@pytest.mark.parametrize("form", ["AVIF", "HEIC"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_people_see_them(form, orientation):
    data = encode(form, orientation)
    expected = turned(RGB, orientation)
    assert checked_size(data, "x") == expected.shape[:2]
    difference = np.abs(decode_image(data, "x").astype(int) - expected)
    assert difference.max() <= NOISE


@pytest.mark.parametrize("form", ["JPEG 2000", "codestream", "AVIF", "HEIC"])
@pytest.mark.parametrize("share", [0.02, 0.2, 0.6, 0.97])
def test_cut_files_are_told(form, share):
    data = encode(form)
    with pytest.raises(
        ImageFileError, match=r"x: .*(cut off|no picture|damaged|got a f)"
    ):
        decode_image(data[: int(len(data) * share)], "x")


def test_heic_without_its_reader_is_told(monkeypatch):
    data = encode("HEIC")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    install = r"pip install 'maskrcnn-serving\[images\]'"
    assert unreadable(data[:FIRST_BYTES]).startswith("in HEIC, which needs pip install")
    assert checked_size(data, "x") == (46, 62)
    with pytest.raises(ImageFileError, match=f"^x: a HEIC picture, .* {install}"):
        decode_image(data, "x")


def test_other_boxed_files_are_no_images():
    video = struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 512) + bytes(300)
    assert format_of(video) == ""
    assert read_header(video) is None
    assert unreadable(video) == "of no known image format"


def box(kind, *content):
    data = b"".join(content)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def boxed(ipco, ipma):
    pitm = box(b"pitm", bytes(4), struct.pack(">H", 1))
    iprp = box(b"iprp", box(b"ipco", *ipco), box(b"ipma", ipma))
    return box(b"ftyp", b"heic", bytes(4)) + box(b"meta", bytes(4), pitm, iprp)


ISPE = box(b"ispe", bytes(4), struct.pack(">II", 64, 48))


@pytest.mark.parametrize(
    ("ipco", "ipma", "message"),
    [
        (
            [ISPE],
            bytes(4) + struct.pack(">I", 2**32 - 1),
            "cut off",
        ),
        ([ISPE], bytes(4) + struct.pack(">IHB", 1, 1, 0), "no size"),
        (
            [box(b"ispe", bytes(4))],
            bytes(4) + struct.pack(">IHBB", 1, 1, 1, 1),
            "cut off",
        ),
        ([struct.pack(">I4s", 3, b"ispe")], bytes(8), "smaller than its own head"),
        ([box(b"free")] * 70_000, bytes(8), "more than 65,536 boxes"),
    ],
)
def test_boxes_that_make_no_sense(ipco, ipma, message):
    with pytest.raises(ImageFileError, match=message):
        checked_size(boxed(ipco, ipma), "x")


def test_the_crop_of_a_heic_is_its_size():
    crop = box(b"clap", struct.pack(">IIII", 61, 1, 91, 2) + bytes(16))
    ipma = bytes(4) + struct.pack(">IHB3B", 1, 1, 3, 1, 2, 3)
    turn = box(b"irot", b"\1")
    data = boxed([ISPE, crop, turn], ipma)
    assert read_item(data).cropped == (46, 61)
    assert checked_size(data, "x") == (61, 46)


def png_of(width, height, filler=0):
    """Returns a white PNG of one bit a pixel, or one that claims to be so large."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(min(height, 4000) * (1 + (width + 7) // 8)), 1)
    chunks = (
        (b"IHDR", header),
        (b"fiLl", bytes(filler)),
        (b"IDAT", rows),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def test_what_unpacks_to_far_more_than_its_file_is_refused():
    bomb = png_of(30_000, 30_000)
    message = (
        "^x: the PNG header promises 30000 x 30000 pixels; of [0-9,]+ bytes at most "
        "100,000,000 pixels are read"
    )
    for read in (checked_size, decode_image):
        with pytest.raises(ImageFileError, match=message):
            read(bomb, "x")
    assert checked_size(png_of(10_000, 10_000), "x") == (10_000, 10_000)
    assert checked_size(png_of(20_000, 20_000, 2_000_000), "x") == (20_000, 20_000)
    with pytest.raises(ImageFileError, match="at most 1,073,741,824 pixels"):
        checked_size(png_of(40_000, 40_000, 10_000_000), "x")


def jpeg_of(scans):
    """Returns a progressive JPEG with its last scan so many times."""
    stream = io.BytesIO()
    IMAGE.save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]


def test_scans_of_a_jpeg_are_bounded():
    assert decode_image(jpeg_of(1), "x").shape == (46, 62, 3)
    with pytest.raises(ImageFileError, match="has 5,009 scans, expected 64 at most"):
        checked_size(jpeg_of(5000), "x")
