"""Writes Supervisely annotations: one JSON file a picture, its objects and tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from formats.bitmap import Mask, write_bitmap


def annotation_json(
    size: tuple[int, int], objects: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Returns the content of an annotation file.

    Args:
        size: (height, width) of the picture as people see it, pixels.
        objects: as `bitmap_object` returns them.
    """
    return {
        "description": "",
        "size": {"height": size[0], "width": size[1]},
        "tags": [],
        "objects": list(objects),
    }


def bitmap_object(
    class_title: str,
    mask: Mask,
    origin: tuple[int, int],
    tags: Sequence[dict[str, Any]] = (),
) -> dict[str, Any] | None:
    """Returns an object that is a mask.

    Args:
        class_title: its class, as meta.json has it.
        mask: bool[h, w].
        origin: (y, x) of the mask's top-left pixel in the picture.
        tags: as `tag_json` returns them.

    Returns:
        The object, or None where no pixel of the mask is set: a bitmap cannot be empty.
    """
    bitmap = write_bitmap(mask, origin)
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


def tag_json(name: str, value: float | str) -> dict[str, Any]:
    """Returns a tag with a value."""
    return {"name": name, "value": value}


__all__ = ["annotation_json", "bitmap_object", "tag_json"]
