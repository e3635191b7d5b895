from __future__ import annotations

import pytest

MAX_PIXELS = 100_000_000


@pytest.fixture(scope="session")
def make_decode():
    """Builds decoders as a signature holds them: make_decode(limit)(file) -> pixels."""
    import tensorflow as tf

    from export.decode import decode

    def make(limit):
        run = tf.function(
            lambda contents: decode(contents, limit),
            input_signature=[tf.TensorSpec((), tf.string)],
        )
        return lambda contents: run(contents).numpy()

    return make


@pytest.fixture(scope="session")
def decode(make_decode):
    return make_decode(MAX_PIXELS)
