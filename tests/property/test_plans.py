"""Which parts of an image the inference modes send, for any image and config."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client import ModeError
from client.call import plan_batches
from client.instance import Instance
from client.modes.bboxes import Bboxes
from client.modes.join import Part, join_parts
from client.modes.roi import Roi
from client.modes.suppress import Suppression
from client.modes.windows import Windows
from client.rect import Length, Rect, Sides, whole
from formats.supervisely.placed_objects import PlacedObject

FEW = settings(max_examples=50, deadline=None)
SIDE = st.integers(1, 70)
SIZE = st.tuples(SIDE, SIDE)
LENGTH = st.builds(Length, st.integers(-150, 150), st.booleans())
SIDES = st.builds(Sides, LENGTH, LENGTH, LENGTH, LENGTH)


@st.composite
def windows_and_size(draw):
    """Windows that fit into an image, and the image's size."""
    size = draw(SIZE)
    window = tuple(draw(st.integers(1, side)) for side in size)
    overlap = tuple(draw(st.integers(0, side - 1)) for side in window)
    return Windows(window, overlap), size


@st.composite
def box_and_size(draw):
    height, width = draw(SIZE)
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    bottom, right = draw(st.integers(top, height)), draw(st.integers(left, width))
    return Rect(top, left, max(bottom, top + 1), max(right, left + 1)), (height, width)


@FEW
@given(windows_and_size())
def test_windows(case):
    windows, size = case
    planned = windows.plan(size)
    seen = np.zeros(size, bool)
    for window in planned:
        assert window.size == windows.size
        assert window.intersect(whole(size)) == window
        seen[window.top : window.bottom, window.left : window.right] = True
    assert seen.all()
    assert (planned[-1].bottom, planned[-1].right) == size
    assert planned == sorted(set(planned))
    for axis, starts in enumerate(
        zip(*[(w.top, w.left) for w in planned], strict=True)
    ):
        stride = windows.size[axis] - windows.overlap[axis]
        steps = np.diff(sorted(set(starts)))
        assert all(steps[:-1] == stride)
        assert all(steps <= stride)


@FEW
@given(windows_and_size(), st.integers(1, 5))
def test_windows_larger_than_the_image(case, more):
    windows, (height, width) = case
    for size in ((windows.size[0] - 1, width), (height, windows.size[1] - 1)):
        if min(size) > 0:
            with pytest.raises(ModeError, match="size of a window"):
                windows.plan(size)


@FEW
@given(SIZE, SIDES)
def test_roi(size, bounds):
    """In the image and not empty, by the pixels that each side is said to lose."""
    height, width = size
    top, left = bounds.top.pixels(height), bounds.left.pixels(width)
    bottom = height - bounds.bottom.pixels(height)
    right = width - bounds.right.pixels(width)
    empty = top >= min(bottom, height) or left >= min(right, width)
    if top < 0 or left < 0 or empty:
        with pytest.raises(ModeError):
            Roi(bounds=bounds).plan(size)
    else:
        (crop,) = Roi(bounds=bounds).plan(size)
        assert crop == (top, left, min(bottom, height), min(right, width))


@FEW
@given(box_and_size(), SIDES)
def test_surroundings(case, padding):
    box, size = case
    try:
        crops = Bboxes(padding=padding).plan(size, [PlacedObject("a", {}, box)])
    except ModeError:
        assert padding.grow(box).is_empty
        return
    assert len(crops) <= 1
    for crop in crops:
        assert not crop.is_empty
        assert crop.intersect(whole(size)) == crop
        assert crop == padding.grow(box).intersect(whole(size))
    if all(length.value >= 0 for length in padding):
        (crop,) = crops
        assert crop.intersect(box) == box


@FEW
@given(st.integers(-99, 99), st.integers(0, 4000))
def test_shares_are_cut_off_towards_zero(percent, side):
    pixels = Length(percent, is_percent=True).pixels(side)
    assert abs(pixels) == abs(percent) * side // 100
    assert Length.parse(f"{percent}%") == Length(percent, is_percent=True)
    assert Length.parse(f"{percent}px").pixels(side) == percent


@FEW
@given(st.lists(st.tuples(SIDE, SIDE), max_size=40), st.integers(1, 9))
def test_batches(sizes, batch_size):
    crops = [Rect(0, 0, *size) for size in sizes]
    batches = list(plan_batches(crops, batch_size))
    assert sorted(itertools.chain(*batches)) == list(range(len(crops)))
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        assert batch == sorted(batch)
        assert len({crops[index].size for index in batch}) == 1


def instance(box, score, size=(90, 90)):
    return Instance("thing", 1, score, tuple(map(float, box)), tuple(box), None, size)


@st.composite
def instances(draw):
    found = []
    for _ in range(draw(st.integers(0, 12))):
        top, left, height, width = (draw(st.integers(1, 40)) for _ in range(4))
        score = draw(st.integers(0, 5)) / 5
        found.append(instance((top, left, top + height, left + width), score))
    return found


@FEW
@given(instances(), st.floats(0, 1))
def test_suppression(found, threshold):
    """Against the rule as it is written down, one pair at a time."""
    ordered = sorted(found, key=lambda i: i.confidence)
    expected = [
        one
        for index, one in enumerate(ordered)
        if all(iou(one, two) <= threshold for two in ordered[index + 1 :])
    ]
    assert Suppression(threshold).apply(found) == expected
    assert Suppression(threshold, uses_masks=True).apply(found) == expected


def iou(one, two):
    common = Rect(*one.mask_box).intersect(Rect(*two.mask_box))
    area = 0 if common.is_empty else np.prod(common.size)
    areas = [np.prod(Rect(*i.mask_box).size) for i in (one, two)]
    return area / (sum(areas) - area)


@FEW
@given(windows_and_size(), st.data())
def test_a_box_cut_by_windows_is_one_again(case, data):
    """Whatever the windows, if no part of it is thinner than what tells parts apart."""
    windows, size = case
    crops = windows.plan(size)
    top = data.draw(st.integers(0, size[0] - 1))
    left = data.draw(st.integers(0, size[1] - 1))
    box = Rect(
        top,
        left,
        data.draw(st.integers(top + 1, size[0])),
        data.draw(st.integers(left + 1, size[1])),
    )
    parts = []
    for crop in crops:
        inside = box.intersect(crop)
        if not inside.is_empty:
            parts.append(Part(instance(inside, 0.5, size), crop))
    joined = join_parts(parts, whole(size))
    whole_ones = {
        part.instance.mask_box for part in parts if part.instance.mask_box == box
    }
    boxes = {one.mask_box for one in joined}
    assert boxes == {box}
    assert len(joined) == 1 or whole_ones
