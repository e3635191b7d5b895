"""The small seeded network gives, everywhere, what it gave when it was recorded."""

import json

import numpy as np
import pytest

from tests.golden import small
from tests.reference.matching import Rows, pair

TOLERANCE = 1e-3
"""Other CPUs and TensorFlow versions differ by about 1e-5."""
PIXELS = 0.1


@pytest.fixture(scope="module")
def recorded():
    return json.loads(small.PATH.read_text())


@pytest.fixture(scope="module")
def computed():
    return small.compute()


def test_features(recorded, computed):
    assert recorded["features"].keys() == computed["features"].keys()
    for level, values in recorded["features"].items():
        scale = np.abs(values).max()
        assert scale > 0.1
        np.testing.assert_allclose(
            computed["features"][level], values, rtol=0, atol=TOLERANCE * scale
        )


def rows(numbers):
    fields = (numbers[name] for name in ("boxes_norm", "class_ids", "scores"))
    return Rows(*map(np.asarray, fields))


def test_detections(recorded, computed):
    ours, theirs = rows(computed), rows(recorded)
    assert 5 <= len(theirs.scores) < small.CONFIG.max_detections
    assert set(theirs.class_ids) == {1, 2}
    pairs, extra, lost = pair(ours, theirs, TOLERANCE)
    near = small.CONFIG.score_threshold + TOLERANCE
    assert all(ours.scores[row] < near for row in extra)
    assert all(theirs.scores[row] < near for row in lost)
    for i, j in pairs:
        boxes = computed["boxes"][i], recorded["boxes"][j]
        np.testing.assert_allclose(*boxes, atol=PIXELS)
        means = computed["mask_means"][i], recorded["mask_means"][j]
        np.testing.assert_allclose(*means, atol=5 * TOLERANCE)
