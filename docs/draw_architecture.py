"""Draws `docs/images/architecture.svg`: how an image, a label and a weight travel.

python docs/draw_architecture.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).parent / "images" / "architecture.svg"

IMAGE, LABEL, WEIGHT = "#2E7D32", "#B26A00", "#1565C0"
INK, PAPER, EDGE, FRAME = "#1F2328", "#FFFFFF", "#8C959F", "#F3F4F6"
WIDTH, HEIGHT = 1180, 690
BOX_WIDTH, BOX_HEIGHT = 148, 46


class Box(NamedTuple):
    """A thing or a room.

    Attributes:
        x: left, px.
        y: top, px.
        title: first line.
        note: second line.
        is_file: it is data, drawn with round ends; otherwise code.
    """

    x: int
    y: int
    title: str
    note: str
    is_file: bool = False


class Frame(NamedTuple):
    """A package around its rooms: left, top, right, bottom in px."""

    title: str
    x: int
    y: int
    right: int
    bottom: int


FRAMES = (
    Frame("formats/", 196, 40, 364, 246),
    Frame("training/", 384, 40, 1164, 246),
    Frame("models/", 576, 286, 744, 400),
    Frame("export/", 384, 440, 744, 524),
    Frame("serving/", 764, 440, 932, 660),
    Frame("client/", 196, 564, 744, 660),
)
BOXES = {
    "project": Box(20, 70, "labelled images", "Supervisely, COCO", is_file=True),
    "formats": Box(206, 70, "supervisely/, coco/", "figures become masks"),
    "pixels": Box(206, 180, "images/", "decode, straighten"),
    "datasets": Box(394, 70, "datasets/", "one labelled image"),
    "pipeline": Box(586, 70, "pipeline/", "augment, letterbox"),
    "learning": Box(778, 70, "learning/", "targets, losses"),
    "engine": Box(1006, 70, "engine/", "the loop"),
    "evaluation": Box(586, 180, "evaluation/", "COCO's AP, page"),
    "weights": Box(1006, 180, "weights/", "initial, checkpoints"),
    "old": Box(20, 322, "Matterport's .h5", "or a checkpoint here", is_file=True),
    "models": Box(586, 322, "mask_rcnn", "ResNet, FPN, RPN, heads"),
    "checkpoint": Box(1006, 322, "checkpoint", "Matterport's layout", is_file=True),
    "passes": Box(394, 468, "arrays, passes", "read, check, fold"),
    "wrap": Box(586, 468, "wrap, verify", "publish by a rename"),
    "model": Box(774, 468, "SavedModel", "model.json inside", is_file=True),
    "server": Box(774, 600, "server", "embedded or TF Serving"),
    "photo": Box(20, 600, "image", "JPEG, PNG, ...", is_file=True),
    "modes": Box(206, 600, "modes/", "which parts to send"),
    "transport": Box(394, 600, "transport/", "gRPC, repeats"),
    "result": Box(586, 600, "result", "boxes, masks, names"),
    "output": Box(1006, 600, "annotations, COCO", "overlays, report", is_file=True),
}
ARROWS = (
    ("project", "formats", LABEL),
    ("formats", "datasets", LABEL),
    ("datasets", "pipeline", LABEL),
    ("pipeline", "learning", LABEL),
    ("learning", "engine", LABEL),
    ("engine", "weights", WEIGHT),
    ("weights", "checkpoint", WEIGHT),
    ("weights", "evaluation", WEIGHT),
    ("old", "models", WEIGHT),
    ("old", "passes", WEIGHT),
    ("passes", "wrap", WEIGHT),
    ("models", "wrap", WEIGHT),
    ("wrap", "model", WEIGHT),
    ("model", "server", WEIGHT),
    ("photo", "modes", IMAGE),
    ("modes", "transport", IMAGE),
)
PATHS = (
    (((354, 203), (468, 203), (468, 116)), IMAGE),
    (((734, 345), (852, 345), (852, 116)), WEIGHT),
    # A checkpoint is exported; it leaves the drawing's right and comes in above export.
    (((1080, 368), (1080, 420), (468, 420), (468, 468)), WEIGHT),
    # The client's request passes under the result to the server, and back.
    (((468, 646), (468, 672), (848, 672), (848, 646)), IMAGE),
    (((774, 623), (734, 623)), IMAGE),
    (((660, 600), (660, 582), (1080, 582), (1080, 600)), IMAGE),
)
LEGEND = (("an image", IMAGE), ("a label", LABEL), ("a weight", WEIGHT))


def _text(x: float, y: float, text: str, size: int, style: str = "") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="middle"{style}>'
        f"{escape(text)}</text>"
    )


def _box(box: Box) -> str:
    radius = BOX_HEIGHT // 2 if box.is_file else 5
    middle = box.x + BOX_WIDTH / 2
    return "\n".join(
        (
            f'<rect x="{box.x}" y="{box.y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
            f'rx="{radius}" fill="{PAPER}" stroke="{EDGE}"/>',
            _text(middle, box.y + 20, box.title, 13, ' font-weight="600"'),
            _text(middle, box.y + 36, box.note, 11),
        )
    )


def _frame(frame: Frame) -> str:
    return (
        f'<rect x="{frame.x}" y="{frame.y}" width="{frame.right - frame.x}" '
        f'height="{frame.bottom - frame.y}" rx="8" fill="{FRAME}"/>\n'
        f'<text x="{frame.x + 10}" y="{frame.y + 19}" font-size="13" '
        f'font-weight="700">{escape(frame.title)}</text>'
    )


def _route(start: Box, end: Box) -> tuple[tuple[float, float], ...]:
    """Returns corners between the sides of two boxes that face each other."""
    start_y, end_y = start.y + BOX_HEIGHT / 2, end.y + BOX_HEIGHT / 2
    if start.y == end.y:
        if start.x < end.x:
            return ((start.x + BOX_WIDTH, start_y), (end.x, end_y))
        return ((start.x, start_y), (end.x + BOX_WIDTH, end_y))
    if start.x == end.x:
        x = start.x + BOX_WIDTH / 2
        if start.y < end.y:
            return ((x, start.y + BOX_HEIGHT), (x, end.y))
        return ((x, start.y), (x, end.y + BOX_HEIGHT))
    between = (start.x + BOX_WIDTH + end.x) / 2
    return (
        (start.x + BOX_WIDTH, start_y),
        (between, start_y),
        (between, end_y),
        (end.x, end_y),
    )


def _line(corners: tuple[tuple[float, float], ...], color: str) -> str:
    points = " ".join(f"{x:g},{y:g}" for x, y in corners)
    return (
        f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2" '
        f'marker-end="url(#{color[1:]})"/>'
    )


def draw() -> str:
    """Returns the drawing as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" fill="{INK}">',
        "<title>How an image, a label and a weight travel</title>",
        "<defs>",
    ]
    parts += [
        f'<marker id="{color[1:]}" viewBox="0 0 8 8" refX="8" refY="4" '
        f'markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" '
        f'fill="{color}"/></marker>'
        for _, color in LEGEND
    ]
    parts += ["</defs>", f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>']
    parts += map(_frame, FRAMES)
    routes = [(_route(BOXES[a], BOXES[b]), color) for a, b, color in ARROWS]
    parts += [_line(corners, color) for corners, color in (*routes, *PATHS)]
    parts += map(_box, BOXES.values())
    for index, (name, color) in enumerate(LEGEND):
        x = 20 + 110 * index
        parts.append(_line(((x, 20), (x + 30, 20)), color))
        parts.append(f'<text x="{x + 38}" y="24" font-size="13">{name}</text>')
    return "\n".join((*parts, "</svg>\n"))


def main(argv: list[str] | None = None) -> int:
    """Writes the drawing, or tells whether the one there is up to date."""
    parser = argparse.ArgumentParser(description="Draws docs/images/architecture.svg.")
    parser.add_argument("--check", action="store_true", help="write nothing")
    args = parser.parse_args(argv)
    if args.check:
        return 0 if PATH.read_text("utf-8") == draw() else 1
    PATH.write_text(draw(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
