"""What a server's C++ session lets through: the graph has to refuse it by itself."""

from __future__ import annotations

import numpy as np
import pytest

from serving import contract
from tests.images import encode, gif, image, with_png_size

GOOD = encode(image(), "PNG")


@pytest.fixture(scope="module")
def fed(saved_model_dir):
    """Runs a signature with an array whose shape nobody checks first."""
    import tensorflow as tf
    from tensorflow.core.protobuf import config_pb2

    graph = tf.Graph()
    with tf.compat.v1.Session(graph=graph) as session:
        loaded = tf.compat.v1.saved_model.loader.load(
            session, ["serve"], str(saved_model_dir)
        )
        runs = {}
        for name, signature in contract.SIGNATURES.items():
            found = loaded.signature_def[name]
            options = config_pb2.CallableOptions(
                feed=[found.inputs[signature.inputs[0].name].name],
                fetch=[found.outputs[signature.outputs[0].name].name],
            )
            runs[name] = session._make_callable_from_options(options)
        yield lambda name, value: runs[name](value)[0]


@pytest.fixture
def refused(fed):
    import tensorflow as tf

    def run(name, value):
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            fed(name, value)
        return caught.value.message

    return run


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (contract.IMAGE_TENSOR, (20, 30, 3)),
        (contract.IMAGE_TENSOR, (3,)),
        (contract.IMAGE_TENSOR, ()),
        (contract.IMAGE_TENSOR, (1, 1, 20, 30, 3)),
        (contract.IMAGE_TENSOR, (1, 20, 30, 1)),
        (contract.IMAGE_TENSOR, (1, 20, 30, 4)),
        (contract.SERVING_DEFAULT, ()),
        (contract.SERVING_DEFAULT, (1, 1)),
        (contract.ROI_MASKS, ()),
        (contract.ROI_MASKS, (2, 2)),
        (contract.MODEL_INFO, ()),
        (contract.MODEL_INFO, (1, 1)),
    ],
)
def test_a_wrong_shape_is_an_error_and_no_abort(fed, refused, name, shape):
    if name == contract.IMAGE_TENSOR:
        value = np.zeros(shape, np.uint8)
    else:
        value = np.full(shape, GOOD, object)
    assert "is not compatible with expected shape" in refused(name, value)
    assert fed(contract.MODEL_INFO, np.array([b""], object))


@pytest.mark.parametrize("name", list(contract.SIGNATURES))
def test_an_empty_batch_is_refused(refused, name):
    value = np.zeros((0,), object)
    if name == contract.IMAGE_TENSOR:
        value = np.zeros((0, 20, 30, 3), np.uint8)
    alias = contract.SIGNATURES[name].inputs[0].name
    assert f"{alias}: expected a batch of at least 1, got 0" in refused(name, value)


@pytest.mark.parametrize("shape", [(1, 0, 20, 3), (1, 20, 0, 3), (2, 0, 0, 3)])
def test_images_without_pixels_are_refused(refused, shape):
    message = refused(contract.IMAGE_TENSOR, np.zeros(shape, np.uint8))
    assert (
        "images: expected a picture of 1 to 100000000 pixels, got height x" in message
    )
    assert f"{shape[1]} x {shape[2]}" in message


def test_too_many_pixels_are_refused(refused):
    pixels = np.broadcast_to(np.zeros((), np.uint8), (1, 10_001, 10_000, 3))
    message = refused(contract.IMAGE_TENSOR, np.ascontiguousarray(pixels))
    assert "got height x width 10001 x 10000" in message


@pytest.mark.parametrize("name", [contract.SERVING_DEFAULT, contract.ROI_MASKS])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "expected a JPEG, PNG, GIF or BMP file, got 0 bytes"),
        (encode(image(), "WEBP"), "expected a JPEG, PNG, GIF or BMP file"),
        (GOOD[:200], "Invalid PNG"),
        (with_png_size(GOOD, 40_000, 40_000), "got height x width 40000 x 40000"),
        (gif([], None, (5, 5)), "expected a GIF file with a frame, found none"),
    ],
    ids=["empty", "WebP", "cut", "too large", "no frame"],
)
def test_a_bad_image_fails_its_request_only(fed, refused, name, data, told):
    before = fed(name, np.array([GOOD], object))
    assert told in refused(name, np.array([data], object))
    assert told in refused(name, np.array([GOOD, data], object))
    np.testing.assert_array_equal(fed(name, np.array([GOOD], object)), before)
