"""Writes Supervisely annotations: one JSON file an image, its objects and tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from formats.mask_crop import CropBox, MaskCrop
from formats.supervisely.bitmap import write_bitmap


def annotation_json(
    size: tuple[int, int], objects: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Returns the content of an annotation file.

    Args:
        size: (height, width) of the image as people see it, pixels.
        objects: as `bitmap_object` returns them.
    """
    return {
        "description": "",
        "size": {"height": size[0], "width": size[1]},
        "tags": [],
        "objects": list(objects),
    }


def bitmap_object(
    class_title: str, crop: MaskCrop, tags: Sequence[dict[str, Any]] = ()
) -> dict[str, Any] | None:
    """Returns an object that is a mask.

    Args:
        class_title: its class, as meta.json has it.
        crop: its mask.
        tags: as `tag_json` returns them.

    Returns:
        The object, or None where no pixel of the mask is set: a bitmap cannot be empty.
    """
    bitmap = write_bitmap(crop)
    if bitmap is None:
        return None
    return {
        "description": "",
        "classTitle": class_title,
        "geometryType": "bitmap",
        "shape": "bitmap",
        "tags": list(tags),
        "bitmap": bitmap,
    }


def rectangle_object(
    class_title: str, box: CropBox, tags: Sequence[dict[str, Any]] = ()
) -> dict[str, Any] | None:
    """Returns an object that is a rectangle.

    Args:
        class_title: its class, as meta.json has it.
        box: (y1, x1, y2, x2), whole pixels, half-open; in the file both corners are
            inclusive.
        tags: as `tag_json` returns them.

    Returns:
        The object, or None where the box has no pixel.
    """
    top, left, bottom, right = box
    if bottom <= top or right <= left:
        return None
    corners = [[left, top], [right - 1, bottom - 1]]
    return {
        "description": "",
        "classTitle": class_title,
        "geometryType": "rectangle",
        "shape": "rectangle",
        "tags": list(tags),
        "points": {"exterior": corners, "interior": []},
    }


def tag_json(name: str, value: float | str) -> dict[str, Any]:
    """Returns a tag with a value."""
    return {"name": name, "value": value}
