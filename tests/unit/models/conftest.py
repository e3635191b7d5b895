import keras
import numpy as np
import pytest
import tensorflow as tf

from examples.seeded_checkpoint import seeded_arrays
from models.architecture import preset
from models.checkpoint import load_network, write_arrays
from models.config import ModelConfig
from tests.factories import TINY


def eager(function, *values, shapes=None):
    """Calls the function on tensors."""
    return function(*(tf.convert_to_tensor(value) for value in values))


def traced(function, *values, shapes=None):
    """Calls the function in a graph that knows no more of its inputs than `shapes`.

    Without shapes it knows the ranks only.
    """
    tensors = [tf.convert_to_tensor(value) for value in values]
    shapes = shapes or [[None] * tensor.shape.rank for tensor in tensors]
    signature = [
        tf.TensorSpec(shape, tensor.dtype)
        for shape, tensor in zip(shapes, tensors, strict=True)
    ]
    return tf.function(function, input_signature=signature)(*tensors)


def check_layer(layer, *shapes, rtol):
    """Asserts that a layer is the same from its config, as symbol, eager and traced.

    Args:
        layer: a built layer or model of as many inputs as there are shapes.
        shapes: of the inputs, with batch.
        rtol: difference of an eager and a traced call, of an output's largest value.
    """
    rng = np.random.default_rng(0)
    inputs = [np.float32(rng.normal(0, 50, shape)) for shape in shapes]
    expected = tf.nest.flatten(eager(layer, *inputs))
    again = type(layer).from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    symbols = again(*(keras.Input(batch_shape=(None, *shape[1:])) for shape in shapes))
    for value, other, symbol, graph in zip(
        expected,
        tf.nest.flatten(eager(again, *inputs)),
        tf.nest.flatten(symbols),
        tf.nest.flatten(traced(layer, *inputs)),
        strict=True,
    ):
        np.testing.assert_array_equal(value, other)
        assert symbol.dtype == value.dtype.name
        assert symbol.shape[0] is None
        assert tf.TensorShape(symbol.shape).is_compatible_with(value.shape)
        scale = np.abs(value).max()
        assert scale > 0
        np.testing.assert_allclose(value, graph, rtol=0, atol=rtol * scale)


@pytest.fixture(params=[eager, traced], ids=lambda function: function.__name__)
def run(request):
    """How an op is run: `run(function, *values, shapes=[(None, 4), ...])`."""
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(scope="session")
def tiny_arrays():
    return seeded_arrays(TINY, 0)


@pytest.fixture
def tiny_file(tiny_arrays, tmp_path):
    path = tmp_path / "tiny.h5"
    write_arrays(tiny_arrays, TINY, path)
    return path


@pytest.fixture(scope="session")
def small_file(tmp_path_factory):
    architecture = preset("small", num_classes=3)
    path = tmp_path_factory.mktemp("small") / "small.h5"
    write_arrays(seeded_arrays(architecture, 0), architecture, path)
    return path


@pytest.fixture(scope="session")
def small_network(small_file):
    """The seeded "small" network on canvases of 128 pixels."""
    config = ModelConfig(
        architecture=preset("small", num_classes=3),
        min_dim=128,
        max_dim=128,
        post_nms_top_k=200,
        max_detections=100,
    )
    network, _ = load_network(small_file, config)
    return network
