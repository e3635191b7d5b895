"""Images and their masks onto the canvas: as in serving, or zoomed at random.

Unzoomed images go through `models.preprocessing`, bit for bit what serving does.
Zoomed ones are resized by OpenCV, bilinear with the same pixel centres: at most a grey
level or two apart, and several times faster.

A zoom resizes the image to factor x its letterboxed size. On an axis where that is
longer than the canvas a random part of the image fills the canvas; where it is
shorter, the image lies at a random place. The part is a whole number of the
image's pixels, so the factors of the two axes differ by less than one such pixel.
An object keeps what can be seen of it, however little: in serving, too, objects are
cut by the border.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from formats.mask_crop import MaskCrop, tight_crop
from models.config import ModelConfig
from models.preprocessing import letterbox, to_canvas
from training.pipeline.augmentation import Draws, Placed, zoom_factor

Array = np.ndarray[Any, Any]
Span = tuple[int, int]
"""First pixel and the one past the last, along one axis."""


def place(
    image: Array,
    masks: Sequence[MaskCrop],
    neutral: Sequence[MaskCrop],
    config: ModelConfig,
    scale: tuple[float, float],
    draws: Draws,
) -> Placed:
    """Puts an image and its masks on the canvas.

    Args:
        image: uint8[h, w, 3] RGB.
        masks: of the objects, image frame.
        neutral: regions to ignore, image frame.
        config: sizes.
        scale: smallest and largest zoom.
        draws: decide the zoom.

    Returns:
        As many masks as there were; those that cannot be seen have no pixel.
    """
    size = image.shape[:2]
    box = letterbox(np.array(size, np.int32), config)
    view = np.array((0, 0, *size), np.int32)
    if scale == (1.0, 1.0):
        window = box.window.numpy()
        canvas = to_canvas(image, box).numpy()
    else:
        canvas_size = box.canvas_size.numpy()
        view, window = _zoomed(
            size,
            box.resized_size.numpy(),
            canvas_size,
            zoom_factor(scale, draws),
            (draws.top, draws.left),
        )
        canvas = _resized(image, view, window, canvas_size)
    return Placed(
        canvas,
        window,
        [resize_crop(crop, view, window) for crop in masks],
        [resize_crop(crop, view, window) for crop in neutral],
    )


def resize_crop(crop: MaskCrop, view: Array, window: Array) -> MaskCrop:
    """Moves a mask from the image to the canvas, by the nearest pixel.

    Pixel centres are mapped as the image's are, so masks and pixels stay together.

    Args:
        crop: image frame.
        view: int[4] yxyx image frame, the part of the image on the canvas.
        window: int[4] yxyx canvas pixels, where that part lies.

    Returns:
        The crop in the canvas frame; without pixels where nothing of it is in the
        view, or all of it fell between two pixels.
    """
    y, x, mask = crop
    n_in, n_out = view[2:] - view[:2], window[2:] - window[:2]
    rows, top = _nearest(y - int(view[0]), mask.shape[0], int(n_in[0]), int(n_out[0]))
    columns, left = _nearest(
        x - int(view[1]), mask.shape[1], int(n_in[1]), int(n_out[1])
    )
    return MaskCrop(top + int(window[0]), left + int(window[1]), mask[rows][:, columns])


def visible_crops(masks: Sequence[MaskCrop]) -> tuple[Array, list[MaskCrop]]:
    """Returns int64[n] masks that have pixels, and these, tight."""
    tight = [tight_crop(crop.mask, (crop.y1, crop.x1)) for crop in masks]
    kept = [index for index, crop in enumerate(tight) if crop is not None]
    return np.array(kept, np.int64), [crop for crop in tight if crop is not None]


def boxes_of(crops: Sequence[MaskCrop]) -> Array:
    """Returns float32[n, 4] yxyx, the boxes of crops."""
    return np.array([crop.box for crop in crops], np.float32).reshape(-1, 4)


def _nearest(start: int, length: int, n_in: int, n_out: int) -> tuple[Array, int]:
    """Returns the crop's rows that the output takes, and the first output row."""
    source = np.floor((np.arange(n_out) + 0.5) * (n_in / n_out)).astype(np.int64)
    inside = np.flatnonzero((source >= start) & (source < start + length))
    first = int(inside[0]) if len(inside) else 0
    return source[inside] - start, first


def _zoomed(
    size: Sequence[int],
    resized_size: Array,
    canvas_size: Array,
    factor: float,
    at: tuple[float, float],
) -> tuple[Array, Array]:
    """Returns the view, image frame, and its window, canvas frame; both int32[4]."""
    (view_y, window_y), (view_x, window_x) = (
        _zoomed_axis(size[axis], resized_size[axis] * factor, canvas_size[axis], place)
        for axis, place in enumerate(at)
    )

    def box(ys: Span, xs: Span) -> Array:
        return np.array((ys[0], xs[0], ys[1], xs[1]), np.int32)

    return box(view_y, view_x), box(window_y, window_x)


def _zoomed_axis(
    n_in: int, n_zoomed: float, n_canvas: int, at: float
) -> tuple[Span, Span]:
    """Returns what of an axis can be seen, and where on the canvas."""
    if n_zoomed <= n_canvas:
        length = max(1, round(n_zoomed))
        start = int(at * (n_canvas - length + 1))
        return (0, n_in), (start, start + length)
    length = max(1, round(n_in * (n_canvas / n_zoomed)))
    start = int(at * (n_in - length + 1))
    return (start, start + length), (0, int(n_canvas))


def _resized(image: Array, view: Array, window: Array, canvas_size: Array) -> Array:
    canvas = np.zeros((*canvas_size, 3), np.uint8)
    part = image[view[0] : view[2], view[1] : view[3]]
    height, width = (int(side) for side in window[2:] - window[:2])
    resized = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    canvas[window[0] : window[2], window[1] : window[3]] = resized
    return canvas
