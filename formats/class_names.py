"""Names of a network's classes as users give them: in a flag or a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from formats.errors import ConfigFileError, FormatError
from formats.json_file import read_json

BACKGROUND = "bg"
"""Title of the background where nobody names it."""
COCO_CLASSES = (
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
)
"""COCO's categories in the order of Matterport's class ids, from 1."""


def read_class_names(text: str) -> tuple[str, ...]:
    """Reads class names from a flag: a file (JSON list or one a line) or "a,b,c".

    Raises:
        ConfigFileError: the file is missing, not readable, or no list of names.
    """
    path = Path(text)
    if not _is_file(path):
        if path.suffix in {".txt", ".json"}:
            raise ConfigFileError([f"{path}: no such file of class names"])
        return tuple(name.strip() for name in text.split(","))
    if path.suffix == ".json":
        names: Any = read_json(path)
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise ConfigFileError([f"{path}: expected a JSON list of class names"])
        return tuple(names)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigFileError([f"{path}: not readable as text: {err}"]) from err
    return tuple(line.strip() for line in lines if line.strip())


def complete_titles(titles: Sequence[str], num_classes: int) -> list[str]:
    """Returns the titles of all classes in id order, the background first.

    Args:
        titles: names from class 1, or from class 0, the background.
        num_classes: of the network, background included.

    Raises:
        FormatError: another number of names, an empty name, or a name given twice.
    """
    titles = list(titles)
    if len(titles) == num_classes - 1:
        titles.insert(0, BACKGROUND)
    if len(titles) != num_classes:
        raise FormatError(
            f"classes: the network has {num_classes} with the background, expected "
            f"{num_classes - 1} or {num_classes} names, got {len(titles)}"
        )
    doubled = sorted({title for title in titles if titles.count(title) > 1})
    if doubled or not all(title.strip() for title in titles):
        what = f"{', '.join(doubled)} twice" if doubled else "an empty name"
        raise FormatError(f"classes: expected every name once, got {what}")
    return titles


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a list of names may be too long for a path
        return False
