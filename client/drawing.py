"""Draws a prediction over its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from client.result import Instance
from formats.overlay import Overlay, Pixels, distinct_colors, draw_overlays


def draw_instances(
    image: Pixels,
    instances: Sequence[Instance],
    colors: Mapping[int, str],
    *,
    labels: bool = True,
) -> Pixels:
    """Draws instances over a picture.

    Args:
        image: uint8[H, W, 3] RGB; not changed.
        instances: what to draw, in this picture's frame.
        colors: class id to "#RRGGBB"; classes without one, or with one that another
            class has too, get one of their own.
        labels: write classes and scores too.

    Returns:
        uint8[H, W, 3] RGB.
    """
    palette = distinct_colors({i.class_id for i in instances}, colors)
    return draw_overlays(
        image,
        [
            Overlay(i.class_name, palette[i.class_id], i.mask_box, i.mask_crop, i.score)
            for i in instances
        ],
        labels=labels,
    )


__all__ = ["draw_instances"]
