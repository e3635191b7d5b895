"""Draws a prediction over its image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import cv2
import numpy as np

from client.errors import ImageError
from client.instance import Instance, Region
from formats.drawing.overlay import (
    Overlay,
    Pixels,
    distinct_colors,
    draw_overlays,
    parse_color,
    readable_scale,
)

ColorBy = Literal["class", "instance"]
"""What has a colour of its own in a drawing."""
EXTENSIONS = {
    ".png": [],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 92],
    ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, 92],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, 92],
}
"""Names of files that drawings can be saved as, and how."""
REGION_COLOR = (230, 194, 41)
"""Of regions whose class has no colour."""


def draw_instances(
    image: Pixels,
    instances: Sequence[Instance],
    colors: Mapping[int, str],
    *,
    regions: Sequence[Region] = (),
    region_colors: Mapping[str, str] | None = None,
    labels: bool = True,
    scale: int | None = 1,
    color_by: ColorBy = "class",
) -> Pixels:
    """Draws instances over an image.

    Args:
        image: uint8[H, W, 3] RGB; not changed.
        instances: what to draw, in this image's frame.
        colors: class id to "#RRGGBB"; classes without one, or with one that another
            class has too, get one of their own.
        regions: what the model saw; drawn as dashed boxes, the first of each class
            with a label.
        region_colors: class of a region to "#RRGGBB".
        labels: write classes and scores too.
        scale: draw everything so many times as large; None for the whole factor that
            makes a small image readable.
        color_by: what has a colour of its own, every class or every instance.

    Returns:
        uint8[H * scale, W * scale, 3] RGB.
    """
    if scale is None:
        scale = readable_scale((image.shape[0], image.shape[1]))
    keys = [i.class_id for i in instances]
    if color_by == "instance":
        keys, colors = list(range(1, len(keys) + 1)), {}
    palette = distinct_colors(set(keys), colors)
    overlays = [
        Overlay(
            one.class_name,
            palette[key],
            one.mask_box,
            one.mask_crop,
            None if math.isnan(one.score) else one.score,
        )
        for key, one in zip(keys, instances, strict=True)
    ]
    overlays += _region_overlays(regions, region_colors or {})
    return draw_overlays(image, overlays, labels=labels, scale=scale)


def encode_drawing(drawn: Pixels, extension: str) -> bytes:
    """Returns a drawing as a file's content.

    Args:
        drawn: uint8[H, W, 3] RGB.
        extension: one of `EXTENSIONS`.

    Raises:
        ImageError: the format does not take an image of this size.
    """
    bgr = np.ascontiguousarray(drawn[..., ::-1])
    try:
        is_done, encoded = cv2.imencode(extension, bgr, EXTENSIONS[extension])
    except cv2.error as err:
        raise ImageError(f"{extension}: cannot be written: {err.err}") from err
    if not is_done:
        height, width = drawn.shape[:2]
        raise ImageError(
            f"{extension}: expected a picture that the format takes, got "
            f"{width} x {height} pixels; choose .png"
        )
    return encoded.tobytes()


def _region_overlays(
    regions: Sequence[Region], colors: Mapping[str, str]
) -> list[Overlay]:
    named = set[str]()
    overlays = []
    for region in regions:
        title = "" if region.class_name in named else region.class_name
        named.add(region.class_name)
        color = parse_color(colors.get(region.class_name, "")) or REGION_COLOR
        overlays.append(Overlay(title, color, region.box, None))
    return overlays
