import numpy as np
import pytest
import tensorflow as tf

from examples.seeded_checkpoint import seeded_arrays
from models.architecture import Architecture, preset
from models.checkpoint import load_network, write_arrays
from models.config import ModelConfig

TINY = Architecture(
    stem_filters=4,
    stage_blocks=(1, 2, 1, 1),
    stage_filters=(2, 3, 2, 4),
    fpn_channels=5,
    rpn_channels=6,
    box_head_channels=7,
    pool_size=3,
    mask_head_channels=4,
    num_classes=3,
)
"""A whole network of a few thousand numbers; every size occurs once or twice."""


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
