import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.architecture import Architecture
from models.checkpoint import inspect_checkpoint, read_arrays, write_arrays
from models.layout import array_shapes

SIZES = st.integers(1, 6)
ARCHITECTURES = st.builds(
    Architecture,
    stem_filters=SIZES,
    stage_blocks=st.tuples(*[st.integers(1, 3)] * 4),
    stage_filters=st.tuples(*[SIZES] * 4),
    fpn_channels=SIZES,
    rpn_channels=SIZES,
    anchors_per_cell=SIZES,
    box_head_channels=SIZES,
    pool_size=st.integers(1, 4),
    mask_head_channels=SIZES,
    num_classes=st.integers(2, 6),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(ARCHITECTURES, st.integers(0, 2**32 - 1))
def test_any_network_round_trips(architecture, seed):
    """Sizes are read off the shapes, also where many of them are equal."""
    rng = np.random.default_rng(seed)
    arrays = {
        # Absolute values, as variances are not negative.
        (layer, name): np.float32(np.abs(rng.normal(size=shape)))
        for layer, named in array_shapes(architecture).items()
        for name, shape in named.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.h5"
        write_arrays(arrays, architecture, path)
        checkpoint = inspect_checkpoint(path)
        assert checkpoint.problems == ()
        assert checkpoint.architecture == architecture
        read = read_arrays(checkpoint)
    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[key], arrays[key]) for key in arrays)
