"""Draws the pictures of docs/modes from what a model finds.

    python examples/draw_modes.py --model DIR [--image FILE] [--output docs/modes]

Each picture shows what the config of its page does to one image. `DIR` is an exported
model; it is served for the run.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FIELDS = ((0.06, 0.08, 0.44, 0.5), (0.5, 0.42, 0.9, 0.86))
"""Objects for `bboxes`: (y1, x1, y2, x2), shares of the image."""
GIVEN, SEEN = (255, 255, 255), (255, 200, 40)
"""RGB of objects that were there, and of what the model saw."""
ENLARGED = 2
GAP_PX = 12
QUALITY = 88


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument(
        "--image",
        type=Path,
        default=ROOT / "examples" / "nuclei" / "nuc_6eefe1f0d9c2.png",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "modes")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from client.local_server import LocalServer

    with LocalServer(args.model) as server:
        where = {"address": server.address, "model_name": server.model_name}
        for page in sorted((ROOT / "docs" / "modes").glob("*.md")):
            config = _config(page)
            variants = [config]
            if config["mode"]["name"] == "sliding_window":
                continue
            if "nms_after" in config["mode"]:
                plain = {k: v for k, v in config["mode"].items() if k != "nms_after"}
                variants.insert(0, config | {"mode": plain})
            drawn = [_draw(where, variant, args.image) for variant in variants]
            target = args.output / f"{page.stem}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
            cv2.imwrite(str(target), _beside(drawn)[..., ::-1], quality)
            sys.stdout.write(f"{target}\n")
    return 0


def _config(page: Path) -> Any:
    """Returns the first config of a page."""
    blocks = re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return json.loads(blocks[0])


def _draw(where: dict[str, Any], config: Any, path: Path) -> np.ndarray:
    """Returns uint8[H, W, 3] RGB: regions, objects that were there, and instances."""
    from client import Client, Region
    from formats.annotation import annotation_json, rectangle_object
    from formats.image import decode_image

    image = decode_image(path.read_bytes(), path.name)
    size = image.shape[:2]
    fields = [tuple((np.array(f) * (size * 2)).round().astype(int)) for f in FIELDS]
    given = {}
    if config["mode"]["name"] == "bboxes":
        objects = [rectangle_object("field", tuple(map(int, box))) for box in fields]
        classes = [{"title": "field", "shape": "rectangle"}]
        given["annotation"] = annotation_json(size, [o for o in objects if o])
        given["meta"] = {"classes": classes, "tags": []}
    with Client(config=config, **where) as client:
        result = client.predict(image, **given)
    drawn = cv2.resize(
        result.draw(labels=False),
        (size[1] * ENLARGED, size[0] * ENLARGED),
        interpolation=cv2.INTER_CUBIC,
    )
    if given:
        for box in fields:
            _outline(drawn, box, GIVEN)
    for entry in result.entries:
        if isinstance(entry, Region):
            _outline(drawn, entry.box, SEEN)
    return drawn


def _outline(drawn: np.ndarray, box: Any, color: tuple[int, int, int]) -> None:
    top, left, bottom, right = (int(side) * ENLARGED for side in box)
    cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), color, 2)


def _beside(pictures: list[np.ndarray]) -> np.ndarray:
    gap = np.full((pictures[0].shape[0], GAP_PX, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (gap, picture)]
    return np.hstack(row[1:])


if __name__ == "__main__":
    raise SystemExit(main())
