"""Draws what each inference mode does, from what a served model answers.

    python examples/mode_pictures.py (--model exported/mask_rcnn | --server HOST:PORT)
        [--output docs/modes]

The config is the first JSON block of the mode's page in the output folder, so a page
and its drawing agree. Left are the parts that the model sees, as the client saved them
in the annotation; right is the result. Images that are dark are drawn brighter than
they are sent.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from client import Client, Region, Result  # noqa: E402
from client.runs.local_server import LocalServer  # noqa: E402
from formats.drawing.font import make_font  # noqa: E402
from formats.drawing.overlay import Overlay, distinct_colors, draw_overlays  # noqa: E402
from formats.images.image import decode_image  # noqa: E402

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
Box = tuple[int, int, int, int]

REGION_COLORS = ((250, 180, 0), (0, 190, 255), (255, 90, 160), (120, 220, 60))
GIVEN_COLOR = (0, 120, 60)
INK, PAPER = (25, 25, 25), (255, 255, 255)
DIM = 0.42
"""Brightness of what the model does not see."""
GAP_PX = 14
JPEG_QUALITY = 84


class Example(NamedTuple):
    """What a page's drawing shows.

    Attributes:
        image: file in `examples/nuclei`.
        width: of a panel, pixels.
        given: boxes of objects of the class "cell" that are there already.
    """

    image: str
    width: int
    given: Sequence[Box] = ()


EXAMPLES = {
    "full_image": Example("nuc_6eefe1f0d9c2.png", 560),
    "roi": Example("nuc_136000dc18fa.png", 600),
    "bboxes": Example(
        "nuc_136000dc18fa.png",
        600,
        ((160, 231, 182, 268), (172, 162, 198, 188), (54, 82, 74, 102)),
    ),
    "sliding_window_det": Example("nuc_6eefe1f0d9c2.png", 480),
}
META = {"classes": [{"title": "cell", "shape": "rectangle", "color": "#00783C"}]}


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--model", type=Path)
    where.add_argument("--server")
    parser.add_argument("--model-name", default="mask_rcnn")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "modes")
    args = parser.parse_args()
    with ExitStack() as stack:
        address, name = args.server, args.model_name
        if args.model:
            server = stack.enter_context(LocalServer(args.model))
            address, name = server.address, server.model_name
        for mode, example in EXAMPLES.items():
            config = _config(args.output / f"{mode}.md")
            configs = [config]
            if config["mode"].get("nms_after"):
                configs.insert(0, _without_nms(config))
            results = [_predict(address, name, c, example) for c in configs]
            _save(args.output / f"{mode}.jpg", _draw(example, results))
    return 0


def _config(page: Path) -> dict[str, Any]:
    block = re.search(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    if block is None:
        raise SystemExit(f"{page}: expected a JSON block with the config, got none")
    config: dict[str, Any] = json.loads(block[1])
    return config


def _without_nms(config: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    changed["mode"]["nms_after"] = {"enable": False}
    return changed


def _predict(
    address: str, name: str, config: dict[str, Any], example: Example
) -> Result:
    path = ROOT / "examples" / "nuclei" / example.image
    known: dict[str, Any] = {}
    if example.given:
        known = {"annotation": _annotation(path, example.given), "meta": META}
    with Client(address, model_name=name, config=config) as client:
        return client.predict(path, **known)


def _annotation(path: Path, boxes: Sequence[Box]) -> dict[str, Any]:
    height, width = decode_image(path.read_bytes(), path.name).shape[:2]
    return {
        "description": "",
        "tags": [],
        "size": {"height": height, "width": width},
        "objects": [
            {
                "classTitle": "cell",
                "geometryType": "rectangle",
                "points": {
                    "exterior": [[x1, y1], [x2 - 1, y2 - 1]],
                    "interior": [],
                },
                "tags": [],
            }
            for y1, x1, y2, x2 in boxes
        ],
    }


def _draw(example: Example, results: Sequence[Result]) -> Pixels:
    path = ROOT / "examples" / "nuclei" / example.image
    image = _brightened(decode_image(path.read_bytes(), path.name))
    scale = example.width / image.shape[1]
    size = example.width, round(image.shape[0] * scale)
    image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    regions = [e for e in results[-1].entries if isinstance(e, Region)]
    boxes = [_scaled(region.box, scale) for region in regions]
    seen = boxes or [(0, 0, *image.shape[:2])]
    parts = f"{len(seen)} parts" if len(seen) > 1 else "1 part"
    if not boxes:
        parts = "the whole picture"
    given = [_scaled(box, scale) for box in example.given]
    panels = [(_draw_seen(image, seen, given), f"what the model sees: {parts}")]
    for result in results:
        title = "result"
        if len(results) > 1:
            title = "result" if result is results[-1] else "without nms_after"
        drawn = _draw_found(image, result, scale)
        _draw_given(drawn, given)
        panels.append((drawn, f"{title}: {_counted(result)}"))
    return _beside([_titled(panel, text) for panel, text in panels])


def _brightened(image: Pixels) -> Pixels:
    """Stretches dark images to what one can see."""
    factor = max(1.0, 200 / max(1.0, float(np.percentile(image, 99))))
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def _scaled(box: Box, scale: float) -> Box:
    top, left, bottom, right = (round(corner * scale) for corner in box)
    return top, left, bottom, right


def _draw_seen(image: Pixels, boxes: Sequence[Box], given: Sequence[Box]) -> Pixels:
    """Draws parts with their numbers; what several show is tinted."""
    times = np.zeros(image.shape[:2], np.int32)
    for top, left, bottom, right in boxes:
        times[top:bottom, left:right] += 1
    canvas = np.where(times[..., None] > 0, image, image * DIM)
    tint = np.minimum(times - 1, 3)[..., None] * 0.14
    canvas = np.where(times[..., None] > 1, canvas * (1 - tint) + 255 * tint, canvas)
    canvas = np.ascontiguousarray(np.rint(canvas).astype(np.uint8))
    _draw_given(canvas, given)
    font = make_font(19)
    for number, (top, left, bottom, right) in enumerate(boxes):
        color = REGION_COLORS[number % len(REGION_COLORS)]
        cv2.rectangle(canvas, (left + 1, top + 1), (right - 2, bottom - 2), color, 3)
        if len(boxes) == 1:
            continue
        text = str(number + 1)
        # Beside the region's own corner, which for windows no other one has.
        x = left + 3 if left * 2 < canvas.shape[1] - right + left else right - 27
        y = top + 3 if top + bottom <= canvas.shape[0] else bottom - 27
        cv2.rectangle(canvas, (x, y), (x + 23, y + 23), color, -1)
        font.draw(canvas, text, x + 12 - font.width(text) // 2, y, INK)
    return canvas


def _draw_given(canvas: Pixels, boxes: Sequence[Box]) -> None:
    font = make_font(15)
    for top, left, bottom, right in boxes:
        cv2.rectangle(canvas, (left, top), (right - 1, bottom - 1), GIVEN_COLOR, 2)
        width = font.width("cell") + 8
        cv2.rectangle(
            canvas, (left, bottom), (left + width, bottom + 19), GIVEN_COLOR, -1
        )
        font.draw(canvas, "cell", left + 4, bottom, PAPER)


def _draw_found(image: Pixels, result: Result, scale: float) -> Pixels:
    palette = distinct_colors({i.class_id for i in result.instances}, result.colors)
    overlays = []
    for one in result.instances:
        top, left, bottom, right = _scaled(one.mask_box, scale)
        size = max(1, right - left), max(1, bottom - top)
        mask = cv2.resize(one.mask_crop.astype(np.float32), size) > 0.5
        overlays.append(
            Overlay("", palette[one.class_id], (top, left, bottom, right), mask)
        )
    drawn: Pixels = draw_overlays(image, overlays)
    for number, entry in enumerate(e for e in result.entries if isinstance(e, Region)):
        top, left, bottom, right = _scaled(entry.box, scale)
        color = REGION_COLORS[number % len(REGION_COLORS)]
        cv2.rectangle(drawn, (left, top), (right - 1, bottom - 1), color, 1)
    return drawn


def _counted(result: Result) -> str:
    counts = Counter(instance.class_name for instance in result.instances)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _titled(panel: Pixels, text: str) -> Pixels:
    font = make_font(18)
    strip = np.full((font.line_px + 10, panel.shape[1], 3), 255, np.uint8)
    font.draw(strip, text, 2, 4, INK)
    return np.concatenate([strip, panel])


def _beside(panels: Sequence[Pixels]) -> Pixels:
    gap = np.full((panels[0].shape[0], GAP_PX, 3), 255, np.uint8)
    row = [part for panel in panels for part in (panel, gap)][:-1]
    return np.concatenate(row, axis=1)


def _save(path: Path, image: Pixels) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, encoded = cv2.imencode(".jpg", image[:, :, ::-1], options)
    if not done:
        raise SystemExit(f"{path}: cannot be written")
    path.write_bytes(encoded.tobytes())


if __name__ == "__main__":
    raise SystemExit(main())
