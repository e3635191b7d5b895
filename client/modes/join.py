"""Puts together what the borders of sliding windows cut apart.

Two instances of one class, found in different windows, are parts of one object if
 * at least one of them is cut: its box ends at a border of its window that is not a
   border of the image; and
 * they agree where both windows see: the masks there have an IoU of `MIN_AGREEMENT` or
   more. Where both windows see a strip too narrow for that, or none because they only
   touch, the outlines of the masks along that strip are compared instead.
Parts of parts belong to the object too. It gets the union of their masks and the score
of the best one.

Frame: the image, pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from client.instance import Instance
from client.rect import Rect
from formats.mask_crop import MaskCrop, mask_iou

MIN_AGREEMENT = 0.5
"""IoU from which on two windows are said to see one thing."""
NARROW_PX = 8
"""Width of a common strip below which a mask's last pixels would decide."""
CELLS = 28
"""Side of the masks of a Mask R-CNN; a box ends within two of its cells, if at all."""

Array = np.ndarray[Any, Any]


class Part(NamedTuple):
    """What a window shows of an object.

    Attributes:
        instance: in the frame of the image.
        window: where it was found.
    """

    instance: Instance
    window: Rect


def join_parts(parts: Sequence[Part], image: Rect) -> list[Instance]:
    """Puts parts of one object together.

    Args:
        parts: what all windows found.
        image: the whole image.

    Returns:
        One instance an object, in the order of their first parts.

    Raises:
        ContractError: a mask is damaged.
    """
    cut = [_is_cut(part, image) for part in parts]
    near = _surroundings(parts)
    group = list(range(len(parts)))
    for one, first in enumerate(parts):
        for two in _candidates(parts, near, one):
            low, high = sorted((_root(group, one), _root(group, two)))
            if low != high and (cut[one] or cut[two]) and _agree(first, parts[two]):
                group[high] = low
    members: dict[int, list[Instance]] = {}
    for index, part in enumerate(parts):
        members.setdefault(_root(group, index), []).append(part.instance)
    return [_union(found) for found in members.values()]


def _surroundings(parts: Sequence[Part]) -> Array:
    """Returns int64[N, 4], boxes grown by what parts of one object may lie apart."""
    boxes = np.array([part.instance.mask_box for part in parts], np.int64)
    boxes = boxes.reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    margin = np.maximum(2, -(-2 * sides // CELLS)) + NARROW_PX
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def _candidates(parts: Sequence[Part], near: Array, one: int) -> list[int]:
    """Returns later parts of the same class, in other windows that meet this one.

    Args:
        parts: what all windows found.
        near: their surroundings; those that do not meet cannot agree.
        one: index of a part.
    """
    first, later = parts[one], near[one + 1 :]
    meets = (later[:, :2] < near[one, 2:]) & (later[:, 2:] > near[one, :2])
    return [
        two
        for two in (np.flatnonzero(meets.all(axis=1)) + one + 1).tolist()
        if parts[two].instance.class_name == first.instance.class_name
        and parts[two].window != first.window
        and _meet(parts[two].window, first.window)
    ]


def _meet(one: Rect, two: Rect) -> bool:
    """Says whether windows overlap or touch."""
    common = one.intersect(two)
    height, width = common.size
    return height >= 0 and width >= 0 and max(height, width) > 0


def _root(group: list[int], index: int) -> int:
    while group[index] != index:
        index = group[index]
    return index


def _reach(side: int) -> int:
    """Returns how far off a border a cut object's box or mask may end, pixels."""
    return max(2, -(-2 * side // CELLS))


def _is_cut(part: Part, image: Rect) -> bool:
    """Says whether a border of the window may cut the object."""
    box, window = Rect(*part.instance.mask_box), part.window
    height, width = box.size
    return (
        (window.top > image.top and box.top - window.top <= _reach(height))
        or (window.left > image.left and box.left - window.left <= _reach(width))
        or (
            window.bottom < image.bottom
            and window.bottom - box.bottom <= _reach(height)
        )
        or (window.right < image.right and window.right - box.right <= _reach(width))
    )


def _agree(one: Part, two: Part) -> bool:
    """Says whether two windows show the same where both see."""
    common = one.window.intersect(two.window)
    height, width = common.size
    if min(height, width) >= NARROW_PX:
        here, there = (part.instance.crop.part(common) for part in (one, two))
        return mask_iou(here, there) >= MIN_AGREEMENT
    axis = 1 if width <= height else 0  # across the strip
    exact = 0 if min(height, width) else 1  # where they touch, the last pixels of each
    return any(
        mask_iou(*(_outline(part, common, axis, reach) for part in (one, two)))
        >= MIN_AGREEMENT
        for reach in (None, exact)
    )


def _outline(part: Part, strip: Rect, axis: int, reach: int | None) -> MaskCrop:
    """Returns where along a strip there are pixels of a part, one pixel wide.

    Args:
        part: what a window shows.
        strip: what both windows see; may be empty across.
        axis: across the strip, 0 for y and 1 for x.
        reach: pixels inwards that count as well; None for as many as a mask may end too
            early. That many are too many where a round thing is cut close to its end.
    """
    if reach is None:
        reach = _reach(Rect(*part.instance.mask_box).size[axis])
    top, left, bottom, right = strip
    if axis == 1:
        left, right = left - reach, right + reach
    else:
        top, bottom = top - reach, bottom + reach
    seen = Rect(top, left, bottom, right).intersect(part.window)
    pixels = part.instance.crop.within(seen)
    return MaskCrop(0, 0, np.asarray(pixels.any(axis=axis, keepdims=True)))


def _union(found: list[Instance]) -> Instance:
    """Returns one instance out of parts of one object."""
    if len(found) == 1:
        return found[0]
    best = max(found, key=lambda instance: instance.score)
    boxes = np.array([i.mask_box for i in found], np.int64)
    frame = Rect(*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist())
    exact = np.array([i.box for i in found], np.float64)
    box = (*exact[:, :2].min(0).tolist(), *exact[:, 2:].max(0).tolist())
    joined = replace(best, box=box, mask_box=frame)
    if all(i.mask_png is None for i in found):
        return joined
    return replace(joined, mask_png=b"", parts=tuple(found))
