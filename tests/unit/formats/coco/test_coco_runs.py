import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from formats.coco.masks import decode_counts, draw_segmentation
from formats.coco.rle import encode_counts, encode_mask, run_lengths
from formats.mask_crop import MaskCrop
from tests.whole_mask import pasted

SMALL = st.integers(1, 9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**20)))
def test_counts(counts):
    assert decode_counts(encode_counts(counts)) == counts


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(SMALL, SMALL)), st.integers(0, 5), st.integers(0, 5))
def test_masks(mask, more, offset):
    origin = (offset, more)
    size = (mask.shape[0] + offset + more, mask.shape[1] + more + offset)
    whole = np.zeros(size, bool)
    whole[offset : offset + mask.shape[0], more : more + mask.shape[1]] = mask
    drawn = draw_segmentation(encode_mask(MaskCrop(*origin, mask), size), size)
    found = np.zeros(size, bool) if drawn is None else pasted(drawn, size)
    assert np.array_equal(found, whole)


def test_runs_by_hand():
    mask = np.array([[0, 1], [1, 1], [1, 0]], bool)
    assert run_lengths(MaskCrop(0, 1, mask), (3, 4)) == [4, 4, 4]
    assert run_lengths(MaskCrop(1, 0, mask), (4, 2)) == [2, 2, 1, 2, 1]
    assert run_lengths(MaskCrop(0, 0, mask[::-1, ::-1]), (3, 2)) == [1, 4, 1]
    assert run_lengths(MaskCrop(0, 0, ~mask), (3, 2)) == [0, 1, 4, 1]
    assert run_lengths(MaskCrop(0, 1, mask[:0]), (3, 4)) == [12]


def test_as_pycocotools():
    coco = pytest.importorskip("pycocotools.mask")
    mask = np.random.default_rng(1).random((40, 30)) > 0.6
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    found = encode_mask(MaskCrop(0, 0, mask), mask.shape)
    assert found["counts"].encode() == expected["counts"]
    assert found["size"] == list(expected["size"])
