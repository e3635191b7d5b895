"""Where the reference arrays of Matterport's own network lie, and how to skip them."""

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2].parent / "shared" / "goldens"
SETS = {
    "i": ("coco_resnet101_81", 7),
    "ii": ("resnet50_4", 11),
    "iii": ("resnet50_81", 13),
    "iv": ("resnet50_81", 17),
}
"""Set -> manifest and seed of its weights."""
NAMES = [f"{name}_{image}" for name in SETS for image in range(3)]


def needs_goldens(test):
    """Marks a test, or a module as `pytestmark = needs_goldens`, as needing them."""
    for mark in MARKS:
        test = mark(test)
    return test


MARKS = [
    pytest.mark.shared,
    pytest.mark.skipif(not ROOT.is_dir(), reason=f"no reference arrays in {ROOT}"),
]


def load(name):
    """Returns one reference file, arrays read when they are asked for."""
    return np.load(ROOT / f"{name}.npz")
