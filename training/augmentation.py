"""Random changes of a picture on its canvas, with its masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Crop = tuple[int, int, Array]
"""(y1, x1, bool[h, w]): a mask and where its first pixel lies."""


@dataclass(frozen=True)
class Augmentation:
    """What is done to a picture at random; nothing by default, as in the original.

    Attributes:
        horizontal_flip: probability.
        vertical_flip: probability.
        transpose: probability of swapping rows and columns; square canvases only.
        brightness: largest shift, grey levels.
        contrast: largest relative change around the mean.
    """

    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    transpose: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0


class Placed(NamedTuple):
    """A picture on its canvas.

    Attributes:
        canvas: uint8[H, W, 3], padding 0.
        window: int32[4] yxyx, where the picture lies.
        masks: of the objects, canvas frame.
        neutral: regions to ignore, canvas frame.
    """

    canvas: Array
    window: Array
    masks: list[Crop]
    neutral: list[Crop]


def augment(
    placed: Placed, augmentation: Augmentation, rng: np.random.Generator
) -> Placed:
    """Returns the picture with its masks as the random numbers have it.

    Raises:
        ValueError: rows and columns of a canvas that is not square would be swapped.
    """
    # All drawn at once, so that one setting does not shift another's random numbers.
    flip_x, flip_y, swap, shift, stretch = rng.random(5)
    if flip_x < augmentation.horizontal_flip:
        placed = _mirrored(placed)
    if flip_y < augmentation.vertical_flip:
        placed = _transposed(_mirrored(_transposed(placed)))
    if swap < augmentation.transpose:
        if placed.canvas.shape[0] != placed.canvas.shape[1]:
            raise ValueError(
                "augmentation transpose: expected a square canvas, got "
                f"{placed.canvas.shape[:2]}; use resize mode square"
            )
        placed = _transposed(placed)
    if augmentation.brightness or augmentation.contrast:
        placed = placed._replace(
            canvas=_relit(placed, augmentation, 2 * shift - 1, 2 * stretch - 1)
        )
    return placed


def _mirrored(placed: Placed) -> Placed:
    width = placed.canvas.shape[1]

    def mirror(crops: list[Crop]) -> list[Crop]:
        return [(y, width - x - m.shape[1], m[:, ::-1]) for y, x, m in crops]

    y1, x1, y2, x2 = placed.window
    window = np.array((y1, width - x2, y2, width - x1), np.int32)
    return Placed(
        placed.canvas[:, ::-1], window, mirror(placed.masks), mirror(placed.neutral)
    )


def _transposed(placed: Placed) -> Placed:
    def swap(crops: list[Crop]) -> list[Crop]:
        return [(x, y, m.T) for y, x, m in crops]

    return Placed(
        placed.canvas.transpose(1, 0, 2),
        placed.window[[1, 0, 3, 2]],
        swap(placed.masks),
        swap(placed.neutral),
    )


def _relit(
    placed: Placed, augmentation: Augmentation, shift: float, stretch: float
) -> Array:
    """Returns the canvas with other light inside the window; padding stays 0."""
    y1, x1, y2, x2 = placed.window
    canvas = placed.canvas.copy()
    inside = canvas[y1:y2, x1:x2].astype(np.float32)
    mean = inside.mean()
    inside = (inside - mean) * (1 + augmentation.contrast * stretch) + mean
    inside += augmentation.brightness * shift
    canvas[y1:y2, x1:x2] = np.clip(np.rint(inside), 0, 255)
    return canvas


__all__ = ["Augmentation", "Crop", "Placed", "augment"]
