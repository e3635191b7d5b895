"""Inference modes: which parts of a picture a model sees, and what becomes of them.

A mode is pure: it sees a picture, its annotation, and something that detects; no server
and no file.
"""

from client.modes.base import Given, Mode, Outcome, Predictor
from client.modes.bboxes import Bboxes
from client.modes.full_image import FullImage
from client.modes.roi import Roi
from client.modes.sliding_window import SlidingWindow
from client.modes.suppress import Suppression

__all__ = [
    "Bboxes",
    "FullImage",
    "Given",
    "Mode",
    "Outcome",
    "Predictor",
    "Roi",
    "SlidingWindow",
    "Suppression",
]
