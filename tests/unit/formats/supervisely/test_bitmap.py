import base64
import io
import json
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from formats import (
    AnnotationFileError,
    bitmap_object,
    read_bitmap,
    tag_json,
    write_bitmap,
)
from formats.mask_crop import MaskCrop

SHARED = Path(__file__).resolve().parents[4] / ".." / "shared"


def packed(image: Image.Image, **options) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return base64.b64encode(zlib.compress(stream.getvalue())).decode()


MASK = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0]], bool)


def test_tight_crop_and_origin():
    bitmap = write_bitmap(MaskCrop(10, 20, MASK))
    assert bitmap is not None
    assert bitmap["origin"] == [21, 11]
    *origin, mask = read_bitmap(bitmap)
    assert origin == [11, 21]
    assert mask.tolist() == [[True, False], [True, True]]


def test_pixels_as_other_readers_see_them():
    bitmap = write_bitmap(MaskCrop(0, 0, MASK))
    assert bitmap is not None
    png = Image.open(io.BytesIO(zlib.decompress(base64.b64decode(bitmap["data"]))))
    assert png.mode == "P"
    assert png.info["transparency"] == 0 or png.info["transparency"] == b"\x00"
    assert np.array(png.convert("RGBA"))[..., 3].tolist() == [[255, 0], [255, 255]]
    assert np.array(png.convert("L")).tolist() == [[255, 0], [255, 255]]


def test_empty_mask_has_no_bitmap():
    empty = MaskCrop(0, 0, np.zeros((3, 4), bool))
    assert write_bitmap(empty) is None
    assert write_bitmap(MaskCrop(0, 0, np.zeros((0, 4), bool))) is None
    assert bitmap_object("cat", empty) is None


@settings(deadline=None)
@given(
    npst.arrays(bool, npst.array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.tuples(st.integers(0, 5000), st.integers(0, 5000)),
)
def test_round_trip(mask, origin):
    bitmap = write_bitmap(MaskCrop(*origin, mask))
    if bitmap is None:
        assert not mask.any()
        return
    top, left, tight = read_bitmap(json.loads(json.dumps(bitmap)))
    back = np.zeros_like(mask)
    top, left = top - origin[0], left - origin[1]
    back[top : top + tight.shape[0], left : left + tight.shape[1]] = tight
    assert np.array_equal(back, mask)


@pytest.mark.parametrize("mode", ["1", "L", "RGBA"])
def test_reads_what_others_write(mode):
    grey = Image.fromarray(MASK.astype(np.uint8) * 255)
    image = grey.convert(mode)
    if mode == "RGBA":
        image.putalpha(grey)
    *origin, mask = read_bitmap({"origin": [0, 0], "data": packed(image)})
    assert origin == [1, 1]
    assert mask.tolist() == [[True, False], [True, True]]


def test_reads_a_bare_png():
    stream = io.BytesIO()
    Image.fromarray(MASK.astype(np.uint8) * 255).save(stream, "PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    assert read_bitmap({"origin": [0, 0], "data": data}).mask.sum() == 3


@pytest.mark.parametrize(
    ("bitmap", "message"),
    [
        (None, "bitmap: expected"),
        ({"origin": [1], "data": ""}, "bitmap: expected"),
        ({"origin": [1, 2], "data": "!!!"}, "bitmap: expected"),
        ({"origin": [1, 2], "data": ""}, "not readable"),
        (
            {
                "origin": [1, 2],
                "data": base64.b64encode(zlib.compress(b"no png")).decode(),
            },
            "expected PNG data",
        ),
        (
            {"origin": [0, 0], "data": packed(Image.new("L", (3, 3)))},
            "without a set pixel",
        ),
        ({"origin": [0, 0], "data": packed(Image.new("RGB", (3, 3)))}, "3 channels"),
    ],
)
def test_unreadable(bitmap, message):
    with pytest.raises(AnnotationFileError, match=message):
        read_bitmap(bitmap)


def bomb(data: bytes, more: int) -> str:
    """Returns the text of data with very many zeros behind it."""
    pack = zlib.compressobj(9)
    parts = [pack.compress(data), *(pack.compress(bytes(1 << 20)) for _ in range(more))]
    return base64.b64encode(b"".join([*parts, pack.flush()])).decode()


def claiming(width: int, height: int) -> bytes:
    """Returns a PNG that says it has other sides than it does."""
    stream = io.BytesIO()
    Image.new("L", (3, 3), 255).save(stream, "PNG")
    data = stream.getvalue()
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def png(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (side, side), 255).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(lambda: bomb(b"", 300), "expected PNG data", id="zeros"),
        pytest.param(lambda: bomb(png(3), 300), "PNG of 9 pixels, got more", id="tail"),
        pytest.param(
            lambda: bomb(claiming(1 << 31, 1 << 31), 0), "got one of 2147", id="sides"
        ),
        pytest.param(
            lambda: base64.b64encode(claiming(40_000, 40_000)).decode(),
            "got one of 40000 x 40000",
            id="bare",
        ),
        pytest.param(
            lambda: base64.b64encode(zlib.compress(png(9))[:-9]).decode(),
            "cut off",
            id="cut",
        ),
    ],
)
def test_bitmaps_larger_than_they_say_take_no_memory(data, message):
    text = data()
    tracemalloc.start()
    with pytest.raises(AnnotationFileError, match=message):
        read_bitmap({"origin": [0, 0], "data": text})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (4 << 20) + 4 * len(text)


@pytest.mark.parametrize("kind", [b"IDAT", b"aaAa", b"IEND"])
def test_chunks_that_claim_more_than_is_there_take_no_memory(kind):
    data = png(3)
    claim = struct.pack(">I", 2**31 - 1) + kind
    for text in (data[:33] + claim + data[33:], data[:33] + claim):
        packed_text = base64.b64encode(zlib.compress(text)).decode()
        with pytest.raises(AnnotationFileError, match="not readable: it is cut off"):
            read_bitmap({"origin": [0, 0], "data": packed_text})


def test_damaged_chunks_are_told():
    data = bytearray(png(3))
    data[-20] ^= 1
    bitmap = {"origin": [0, 0], "data": base64.b64encode(data).decode()}
    with pytest.raises(AnnotationFileError, match="not readable: it is damaged"):
        read_bitmap(bitmap)


def test_bitmaps_are_bounded_by_their_image():
    bitmap = {"origin": [-900, -900], "data": bomb(png(2000), 0)}
    assert read_bitmap(bitmap, (1000, 1000)).mask.shape == (2000, 2000)
    with pytest.raises(
        AnnotationFileError, match=r"1 to 3,996,000 pixels .* 2000 x 2000"
    ):
        read_bitmap(bitmap, (1000, 999))
    small = {"origin": [0, 0], "data": bomb(png(1024), 0)}
    assert read_bitmap(small, (1, 1)).mask.all()
    assert read_bitmap(bitmap).mask.all()


def test_object():
    made = bitmap_object("cat_x", MaskCrop(5, 6, MASK), [tag_json("confidence", 0.5)])
    assert made is not None
    assert made["classTitle"] == "cat_x"
    assert made["geometryType"] == made["shape"] == "bitmap"
    assert made["tags"] == [{"name": "confidence", "value": 0.5}]
    assert made["bitmap"]["origin"] == [7, 6]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
def test_reads_every_bitmap_of_the_oracle():
    read = 0
    for path in sorted((SHARED / "oracle" / "cases").glob("*/expected_ann.json")):
        for made in json.loads(path.read_text())["objects"]:
            if made.get("geometryType") == "bitmap":
                raw = zlib.decompress(base64.b64decode(made["bitmap"]["data"]))
                expected = np.array(Image.open(io.BytesIO(raw))) > 0
                *origin, mask = read_bitmap(made["bitmap"])
                assert origin[::-1] == made["bitmap"]["origin"]
                assert np.array_equal(mask, expected)
                read += 1
    assert read > 100
