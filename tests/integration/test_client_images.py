"""What the client sends as it is, TensorFlow decodes to what people see."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from client.image import load_image

ROWS, COLUMNS = np.mgrid[:45, :61]
RGB = np.stack([ROWS * 5, COLUMNS * 4, (ROWS + COLUMNS) * 2], -1).astype(np.uint8)
IMAGE = Image.fromarray(RGB)
JPEG_NOISE = 6  # two decoders, grey levels
ALPHA = Image.fromarray(np.where(COLUMNS > 30, 255, 40).astype(np.uint8))


def with_alpha(mode):
    image = IMAGE.copy()
    image.putalpha(ALPHA)
    return image.convert(mode)


def encode(image, format, **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


FILES = {
    "jpeg": (IMAGE, "JPEG", {"quality": 95, "subsampling": 0}),
    "grey jpeg": (IMAGE.convert("L"), "JPEG", {}),
    "progressive jpeg": (IMAGE, "JPEG", {"progressive": True, "subsampling": 0}),
    "cmyk jpeg": (IMAGE.convert("CMYK"), "JPEG", {"quality": 95}),
    "png": (IMAGE, "PNG", {}),
    "grey png": (IMAGE.convert("L"), "PNG", {}),
    "bit png": (IMAGE.convert("1"), "PNG", {}),
    "palette png": (IMAGE.convert("P"), "PNG", {}),
    "transparent palette png": (IMAGE.convert("P"), "PNG", {"transparency": 3}),
    "rgba png": (with_alpha("RGBA"), "PNG", {}),
    "la png": (with_alpha("LA"), "PNG", {}),
    "gif": (IMAGE.convert("P"), "GIF", {}),
    "moving gif": (
        IMAGE.convert("P"),
        "GIF",
        {"save_all": True, "append_images": [Image.new("P", IMAGE.size)]},
    ),
    "bmp": (IMAGE, "BMP", {}),
}


@pytest.mark.parametrize("name", FILES)
def test_tensorflow_sees_what_people_see(name):
    image, format, options = FILES[name]
    loaded = load_image(encode(image, format, **options))
    assert loaded.encoded is not None
    decoded = tf.io.decode_image(
        loaded.encoded, channels=3, expand_animations=False
    ).numpy()
    with Image.open(io.BytesIO(loaded.encoded)) as opened:
        # Without its alpha, whatever stands below it.
        alpha_free = opened.convert("L") if opened.mode == "LA" else opened
        expected = np.array(alpha_free.convert("RGB")).astype(int)
    assert decoded.shape == expected.shape
    assert np.abs(decoded - expected).max() <= (JPEG_NOISE if format == "JPEG" else 0)
    if format != "JPEG":
        assert np.array_equal(loaded.rgb(), decoded)


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "bmp"])
def test_damaged_files_are_refused_there(name):
    image, format, options = FILES[name]
    data = encode(image, format, **options)
    loaded = load_image(data[: len(data) * 3 // 4])
    assert loaded.encoded is not None
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_image(loaded.encoded, channels=3, expand_animations=False)


def test_lying_png_header_is_refused_there():
    image, format, options = FILES["png"]
    data = encode(image, format, **options)
    header = b"IHDR" + struct.pack(">II", 900, 900) + data[24:29]
    data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    loaded = load_image(data)
    assert loaded.size == (900, 900)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_image(loaded.encoded, channels=3, expand_animations=False)
