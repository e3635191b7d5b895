"""Random changes of an image on its canvas, with its masks.

Zooming is not here: `training.pipeline.placement` does it with the resizing that every
image needs anyway.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from formats.mask_crop import MaskCrop
from training.config.groups import Augmentation

FLIP_PROBABILITY = 0.5
"""Of a flip that the config asks for."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a pixel's grey value, ITU-R BT.601."""

Array = np.ndarray[Any, Any]


class Draws(NamedTuple):
    """The random numbers of one image, float in [0, 1).

    All are drawn at once, whatever is asked for, so that one setting does not shift
    another's random numbers.

    Attributes:
        flip_x: flips below the probability.
        flip_y: likewise.
        turn: number of quarter turns.
        brightness: where in the range.
        contrast: likewise.
        saturation: likewise.
        zoom: likewise.
        top: where the zoomed image lies, or is cut, from top to bottom.
        left: the same from left to right.
    """

    flip_x: float
    flip_y: float
    turn: float
    brightness: float
    contrast: float
    saturation: float
    zoom: float
    top: float
    left: float


def draw(rng: np.random.Generator) -> Draws:
    """Draws the random numbers of one image."""
    return Draws(*rng.random(len(Draws._fields)))


def zoom_factor(scale: tuple[float, float], draws: Draws) -> float:
    """Returns the zoom factor; factors are equally likely on a log scale.

    Args:
        scale: smallest and largest one; 1 shows the image as serving does.
        draws: decide.
    """
    low, high = (math.log(bound) for bound in scale)
    return math.exp(low + (high - low) * draws.zoom)


class Placed(NamedTuple):
    """An image on its canvas.

    Attributes:
        canvas: uint8[H, W, 3] RGB, padding 0.
        window: int32[4] yxyx, where the image lies.
        masks: of the objects, canvas frame.
        neutral: regions to ignore, canvas frame.
    """

    canvas: Array
    window: Array
    masks: list[MaskCrop]
    neutral: list[MaskCrop]


def augment(placed: Placed, augmentation: Augmentation, draws: Draws) -> Placed:
    """Returns the image with its masks flipped, turned and in other light.

    Raises:
        ValueError: a canvas that is not square would be turned.
    """
    if augmentation.horizontal_flip and draws.flip_x < FLIP_PROBABILITY:
        placed = _mirrored(placed)
    if augmentation.vertical_flip and draws.flip_y < FLIP_PROBABILITY:
        placed = _transposed(_mirrored(_transposed(placed)))
    if augmentation.rotate_90:
        if placed.canvas.shape[0] != placed.canvas.shape[1]:
            raise ValueError(
                "augmentation rotate_90: expected a square canvas, got "
                f"{placed.canvas.shape[:2]}; use resize mode square"
            )
        for _ in range(int(4 * draws.turn)):
            placed = _mirrored(_transposed(placed))
    if augmentation.brightness or augmentation.contrast or augmentation.saturation:
        placed = placed._replace(canvas=_relit(placed, augmentation, draws))
    return placed


def _mirrored(placed: Placed) -> Placed:
    width = placed.canvas.shape[1]

    def mirror(crops: list[MaskCrop]) -> list[MaskCrop]:
        return [MaskCrop(c.y1, width - c.box[3], c.mask[:, ::-1]) for c in crops]

    y1, x1, y2, x2 = placed.window
    window = np.array((y1, width - x2, y2, width - x1), np.int32)
    return Placed(
        placed.canvas[:, ::-1], window, mirror(placed.masks), mirror(placed.neutral)
    )


def _transposed(placed: Placed) -> Placed:
    def swap(crops: list[MaskCrop]) -> list[MaskCrop]:
        return [MaskCrop(x, y, mask.T) for y, x, mask in crops]

    return Placed(
        placed.canvas.transpose(1, 0, 2),
        placed.window[[1, 0, 3, 2]],
        swap(placed.masks),
        swap(placed.neutral),
    )


def _relit(placed: Placed, augmentation: Augmentation, draws: Draws) -> Array:
    """Returns the canvas with other light inside the window; padding stays 0."""
    y1, x1, y2, x2 = placed.window
    canvas = placed.canvas.copy()
    inside = canvas[y1:y2, x1:x2].astype(np.float32)
    if augmentation.saturation:
        grey = (inside @ np.array(LUMA, np.float32))[:, :, None]
        inside = grey + (inside - grey) * _gain(
            augmentation.saturation, draws.saturation
        )
    if augmentation.contrast:
        mean = inside.mean()
        inside = (inside - mean) * _gain(augmentation.contrast, draws.contrast) + mean
    inside += 255 * augmentation.brightness * (2 * draws.brightness - 1)
    canvas[y1:y2, x1:x2] = np.clip(np.rint(inside), 0, 255)
    return canvas


def _gain(largest: float, drawn: float) -> np.float32:
    return np.float32(1 + largest * (2 * drawn - 1))
