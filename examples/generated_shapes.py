"""Writes a Supervisely project of drawn discs, boxes and triangles.

    python examples/generated_shapes.py [--images 240] [--seed 0] DIR

Shapes have random sizes, places and colours over a noisy background and may overlap;
the later one covers the earlier, in the image and in the masks. A fifth of the
images are tagged `val`, the rest `train`.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from formats.mask_crop import MaskCrop
from formats.supervisely.bitmap import write_bitmap

SIDE = 128
COLORS = {"box": "#3060FF", "disc": "#FF9020", "triangle": "#20C060"}
MIN_PIXELS = 60
"""Shapes that later ones leave less of are not annotated."""

Array = np.ndarray[Any, Any]


def write_project(root: Path, images: int, seed: int) -> None:
    """Writes the project.

    Args:
        root: folder that is not there yet.
        images: of both sets.
        seed: decides everything.
    """
    for folder in ("img", "ann"):
        (root / "shapes" / folder).mkdir(parents=True)
    tags = [
        {"name": name, "value_type": "none", "color": "#808080"}
        for name in ("train", "val")
    ]
    classes = [
        {"title": title, "shape": "bitmap", "color": color}
        for title, color in COLORS.items()
    ]
    _write(root / "meta.json", {"classes": classes, "tags": tags})
    rng = np.random.default_rng(seed)
    for number in range(images):
        pixels, found = draw_image(rng)
        name = f"{number:04}.png"
        cv2.imwrite(str(root / "shapes" / "img" / name), pixels)
        objects = [
            {
                "classTitle": title,
                "tags": [],
                "bitmap": write_bitmap(MaskCrop(0, 0, mask)),
            }
            for title, mask in found
        ]
        annotation = {
            "description": "",
            "size": {"height": SIDE, "width": SIDE},
            "tags": [{"name": "val" if number % 5 == 4 else "train"}],
            "objects": objects,
        }
        _write(root / "shapes" / "ann" / f"{name}.json", annotation)


def draw_image(rng: np.random.Generator) -> tuple[Array, list[tuple[str, Array]]]:
    """Draws one image.

    Returns:
        uint8[SIDE, SIDE, 3] BGR, and (class, bool[SIDE, SIDE]) of each shape.
    """
    back = rng.integers(40, 200, 3)
    noise = rng.normal(0, 12, (SIDE, SIDE, 3))
    pixels = np.clip(back + noise, 0, 255).astype(np.uint8)
    shapes: list[tuple[str, Array]] = []
    for _ in range(rng.integers(2, 6)):
        title = str(rng.choice(list(_OUTLINES)))
        center, radius = rng.uniform(15, SIDE - 15, 2), rng.uniform(9, 26)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        outline = np.rint(_OUTLINES[title](center, radius, rng)).astype(np.int32)
        cv2.fillPoly(mask, [outline], 1)
        covered = mask.astype(bool)
        color = (back + rng.choice((-1, 1)) * rng.integers(60, 120, 3)) % 256
        pixels[covered] = np.clip(color + noise[covered], 0, 255)
        shapes = [(name, other & ~covered) for name, other in shapes]
        shapes.append((title, covered))
    return pixels, [(name, mask) for name, mask in shapes if mask.sum() >= MIN_PIXELS]


def _regular(corners: int) -> Callable[[Array, float, np.random.Generator], Array]:
    def outline(center: Array, radius: float, rng: np.random.Generator) -> Array:
        angles = (
            rng.uniform(0, 2 * math.pi) + np.arange(corners) * 2 * math.pi / corners
        )
        return center + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    return outline


_OUTLINES = {"box": _regular(4), "disc": _regular(60), "triangle": _regular(3)}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", dest="images", type=int, default=240, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("output", type=Path, metavar="DIR")
    args = parser.parse_args(argv)
    write_project(args.output, args.images, args.seed)


if __name__ == "__main__":
    main()
