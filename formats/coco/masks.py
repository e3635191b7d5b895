"""Masks of COCO annotations: polygons and run lengths, pixel for pixel as COCO's tools.

Written out rather than taken from pycocotools: that draws every object into an array of
the image's size, and is compiled code for two short routines.

Frame: the image. Polygons are continuous: pixel (0, 0) spans [0, 1) x [0, 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from formats.coco.polygon import Floats, Ints, polygon_borders
from formats.errors import AnnotationFileError
from formats.fractions_of_one import look_like_fractions
from formats.mask_crop import MAX_PIXELS, MaskCrop, tight_crop
from formats.quoted import quoted

_FARTHEST = 1_000_000
"""Pixels off the image's corner beyond which a coordinate is taken for an error."""
_LONGEST_RUN_BITS = 62


class Segmentation(NamedTuple):
    """The `segmentation` of an annotation, drawn.

    Attributes:
        crop: its mask; None where no pixel is set.
        stray_rings: polygons that are none and were left out.
        has_fractions: its coordinates look like fractions of 1.
    """

    crop: MaskCrop | None
    stray_rings: int = 0
    has_fractions: bool = False


def draw_segmentation(segmentation: Any, size: tuple[int, int]) -> MaskCrop | None:
    """Draws the `segmentation` of an annotation.

    Args:
        segmentation: a list of polygons [x1, y1, x2, y2, ...], which are united, or run
            lengths {"size": [height, width], "counts": list or text}.
        size: (height, width) of the image.

    Returns:
        The mask, or None where no pixel is set.

    Raises:
        AnnotationFileError: it is neither, or makes no sense.
    """
    return read_segmentation(segmentation, size).crop


def read_segmentation(
    segmentation: Any, size: tuple[int, int], *, is_lenient: bool = False
) -> Segmentation:
    """Draws the `segmentation` of an annotation, and says what is odd about it.

    Args:
        segmentation: as `draw_segmentation` takes it.
        size: (height, width) of the image.
        is_lenient: leave out polygons that are none, rather than raise.

    Raises:
        AnnotationFileError: it is neither, or makes no sense.
    """
    if isinstance(segmentation, Mapping):
        return Segmentation(_draw_runs(segmentation, size))
    if not isinstance(segmentation, list) or not segmentation:
        raise AnnotationFileError(
            "segmentation: expected polygons or run lengths, got "
            f"{quoted(segmentation)}"
        )
    rings, stray = [], 0
    for ring in segmentation:
        try:
            rings.append(_polygon(ring))
        except AnnotationFileError:
            if not is_lenient:
                raise
            stray += 1
    has_fractions = look_like_fractions(value for ring in rings for value in ring.flat)
    return Segmentation(_draw_polygons(rings, size), stray, has_fractions)


def decode_counts(text: str) -> list[int]:
    """Decodes COCO's compressed run lengths.

    Each is written in groups of 5 bits, the lowest first, from "0" on; from the fourth
    it is the difference to the one two before.

    Raises:
        AnnotationFileError: the text ends inside of a number, has other characters, or
            a number that no image needs.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > _LONGEST_RUN_BITS:
            raise AnnotationFileError(
                f"segmentation: expected compressed run lengths, got {quoted(text)}"
            )
        value |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise AnnotationFileError("segmentation: the run lengths are cut off")
    return counts


def _draw_runs(
    segmentation: Mapping[str, Any], size: tuple[int, int]
) -> MaskCrop | None:
    """Draws run lengths: column by column, the first run is not set."""
    counts = segmentation.get("counts")
    if segmentation.get("size") != [*size]:
        raise AnnotationFileError(
            f"segmentation: expected size {[*size]} (height, width of the picture), "
            f"got {quoted(segmentation.get('size'))}"
        )
    if isinstance(counts, str):
        counts = decode_counts(counts)
    if not isinstance(counts, list) or not all(
        type(count) is int and count >= 0 for count in counts
    ):
        raise AnnotationFileError(
            f"segmentation: expected run lengths, got {quoted(counts)}"
        )
    pixels = size[0] * size[1]
    if sum(counts) != pixels:
        raise AnnotationFileError(
            f"segmentation: expected run lengths of {quoted(pixels)} pixels in all, "
            f"got {quoted(sum(counts))}"
        )
    if pixels >> _LONGEST_RUN_BITS:
        raise AnnotationFileError(
            f"segmentation: size: no picture has {pixels:,} pixels"
        )
    return _from_borders(np.cumsum(np.array(counts[:-1], np.int64)), size)


def _from_borders(borders: Ints, size: tuple[int, int]) -> MaskCrop | None:
    """Makes a mask of the places where it changes.

    Args:
        borders: int64[N], y + height * x; each turns all pixels from there on over.
        size: (height, width) of the image.

    Raises:
        AnnotationFileError: more pixels than any image has.
    """
    height, width = size
    borders = np.sort(borders[borders < height * width])
    if not borders.size:
        return None
    left = int(borders[0]) // height
    # An odd number of borders leaves the rest of the image set.
    right = int(borders[-1] - 1) // height + 1 if borders.size % 2 == 0 else width
    pixels = (right - left) * height
    if pixels > MAX_PIXELS:
        raise AnnotationFileError(
            f"segmentation: expected an object of at most {MAX_PIXELS:,} pixels, got "
            f"one on {right - left:,} x {height:,}"
        )
    runs = np.diff(borders - left * height, prepend=0, append=pixels)
    columns = np.repeat(np.arange(runs.size) % 2 == 1, runs)
    return tight_crop(columns.reshape(right - left, height).T, (0, left))


def _polygon(ring: Any) -> Floats:
    """Returns float64[N, 2] (x, y)."""
    are_numbers = isinstance(ring, list) and {*map(type, ring)} <= {int, float}
    is_whole = are_numbers and len(ring) >= 6 and len(ring) % 2 == 0
    if is_whole and all(-_FARTHEST < value < _FARTHEST for value in ring):
        return np.array(ring, np.float64).reshape(-1, 2)
    raise AnnotationFileError(
        "segmentation: expected polygons of at least 3 points [x1, y1, x2, y2, ...] "
        f"within {_FARTHEST:,} pixels, got {quoted(ring)}"
    )


def _draw_polygons(rings: Sequence[Floats], size: tuple[int, int]) -> MaskCrop | None:
    """Draws polygons, united.

    Args:
        rings: of float64[N, 2] (x, y) each.
        size: (height, width) of the image.
    """
    if len(rings) == 1:
        return _from_borders(polygon_borders(rings[0], size), size)
    # One array for all of them, however many there are.
    union: MaskCrop | None = None
    for ring in rings:
        crop = _from_borders(polygon_borders(ring, size), size)
        if crop is None:
            continue
        if union is None:
            union = _room(rings, size)
        crop.draw_on(union.mask, (union.y1, union.x1))
    return None if union is None else tight_crop(union.mask, (union.y1, union.x1))


def _room(rings: Sequence[Floats], size: tuple[int, int]) -> MaskCrop:
    """Returns a mask without a set pixel that polygons fit into.

    Raises:
        AnnotationFileError: more pixels than any image has.
    """
    points = np.concatenate(rings)
    left, top = np.clip(points.min(axis=0) - 1, 0, None).astype(np.int64).tolist()
    right, bottom = np.ceil(points.max(axis=0) + 1).astype(np.int64).tolist()
    height, width = min(bottom, size[0]) - top, min(right, size[1]) - left
    if height * width > MAX_PIXELS:
        raise AnnotationFileError(
            f"segmentation: expected an object of at most {MAX_PIXELS:,} pixels, got "
            f"one on {width:,} x {height:,}"
        )
    return MaskCrop(top, left, np.zeros((height, width), np.bool_))
