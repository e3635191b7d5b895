"""What no array of a checkpoint tells: image sizing, anchors, thresholds.

Defaults are Matterport's.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.architecture import Architecture
from models.errors import ModelConfigError
from models.shown import quote

RESIZE_MODES = ("square", "pad64", "none")
LEVELS = ("P2", "P3", "P4", "P5", "P6")
STRIDES = (4, 8, 16, 32, 64)
"""Canvas pixels per cell of each level."""


@dataclass(frozen=True)
class ModelConfig:
    """One Mask R-CNN with everything that changes what it computes.

    Attributes:
        architecture: sizes of the layers.
        resize_mode: "square" (resize, pad to max_dim x max_dim), "pad64" (resize, pad
            to multiples of 64) or "none" (as it is; sides must be multiples of 32).
        min_dim: shorter side in canvas pixels that an image is enlarged to; 0 never
            enlarges.
        max_dim: canvas side in "square"; not used in the other modes.
        min_scale: smallest resize factor; 0 sets no bound.
        mean_pixel: RGB mean taken off, grey levels.
        anchor_scales: anchor side of P2..P6, canvas pixels.
        anchor_aspect_ratios: width / height of the anchors of a cell, as in Matterport.
        anchor_stride: cells between anchors, 1 or 2.
        rpn_delta_std: factors of the RPN's (dy, dx, log_h, log_w).
        delta_std: factors of the box head's (dy, dx, log_h, log_w).
        pre_nms_top_k: anchors that enter the proposals' NMS.
        post_nms_top_k: proposals kept per image.
        rpn_iou_threshold: of the proposals' NMS.
        mask_pool_size: side of the mask head's pooled features; masks are twice it.
        max_detections: rows per image.
        score_threshold: detections below it are dropped.
        iou_threshold: of the detections' NMS, per class.
    """

    architecture: Architecture = dataclasses.field(default_factory=Architecture)
    resize_mode: str = "square"
    min_dim: int = 800
    max_dim: int = 1024
    min_scale: float = 0.0
    mean_pixel: tuple[float, ...] = (123.7, 116.8, 103.9)
    anchor_scales: tuple[float, ...] = (32, 64, 128, 256, 512)
    anchor_aspect_ratios: tuple[float, ...] = (0.5, 1, 2)
    anchor_stride: int = 1
    rpn_delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)
    delta_std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)
    pre_nms_top_k: int = 6000
    post_nms_top_k: int = 1000
    rpn_iou_threshold: float = 0.7
    mask_pool_size: int = 14
    max_detections: int = 100
    score_threshold: float = 0.7
    iou_threshold: float = 0.3

    @property
    def mask_size(self) -> int:
        """Side of a mask in the frame of its box: the mask head doubles its input."""
        return 2 * self.mask_pool_size

    def __post_init__(self) -> None:
        """Refuses contradictions.

        Raises:
            ModelConfigError: lists all of them.
        """
        problems = [
            f"{name}: {text}"
            for name, holds, text in self._rules()
            if not holds(getattr(self, name))
        ]
        problems += [
            f"{name}: expected at most {most:,}, got {quote(getattr(self, name))}"
            for name, most in _MOST.items()
            if _is_int(getattr(self, name)) and getattr(self, name) > most
        ]
        ratios, per_cell = self.anchor_aspect_ratios, self.architecture.anchors_per_cell
        if _are_numbers(ratios) and len(ratios) != per_cell:
            problems.append(
                f"anchor_aspect_ratios: the network has {per_cell} anchors per cell, "
                f"got {len(ratios)} ratios"
            )
        for mode, name in (("square", "max_dim"), ("pad64", "min_dim")):
            side = getattr(self, name)
            if self.resize_mode == mode and _is_int(side) and side % 64:
                problems.append(
                    f"{name}: expected a multiple of 64 in {mode} mode, "
                    f"got {quote(side)}"
                )
        if problems:
            raise ModelConfigError(problems)

    def _rules(self) -> list[tuple[str, Callable[[Any], bool], str]]:
        def text(name: str, expected: str) -> str:
            return f"expected {expected}, got {quote(getattr(self, name))}"

        def rule(
            name: str, holds: Callable[[Any], bool], expected: str
        ) -> tuple[str, Callable[[Any], bool], str]:
            return name, holds, text(name, expected)

        def positive(count: int) -> Callable[[Any], bool]:
            return lambda v: _are_numbers(v) and len(v) == count and min(v) > 0

        at_least_1 = [
            rule(name, lambda v: _is_int(v) and v >= 1, "a whole number of at least 1")
            for name in (
                "max_dim",
                "pre_nms_top_k",
                "post_nms_top_k",
                "mask_pool_size",
                "max_detections",
            )
        ]
        fractions = [
            rule(name, lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1")
            for name in ("rpn_iou_threshold", "score_threshold", "iou_threshold")
        ]
        return [
            *at_least_1,
            *fractions,
            rule("resize_mode", lambda v: v in RESIZE_MODES, " or ".join(RESIZE_MODES)),
            rule("min_dim", lambda v: _is_int(v) and v >= 0, "a whole number >= 0"),
            rule("min_scale", lambda v: _is_number(v) and v >= 0, "a number >= 0"),
            rule(
                "mean_pixel",
                lambda v: _are_numbers(v) and len(v) == 3,
                "three numbers (the network takes three channels only)",
            ),
            rule("anchor_scales", positive(len(LEVELS)), "five positive numbers"),
            rule(
                "anchor_aspect_ratios",
                lambda v: _are_numbers(v) and all(x > 0 for x in v),
                "positive numbers",
            ),
            rule("anchor_stride", lambda v: _is_int(v) and v in (1, 2), "1 or 2"),
            rule("rpn_delta_std", positive(4), "four positive numbers"),
            rule("delta_std", positive(4), "four positive numbers"),
        ]


_MOST = {
    "min_dim": 1 << 16,
    "max_dim": 1 << 16,
    "pre_nms_top_k": 10_000_000,
    "post_nms_top_k": 100_000,
    "mask_pool_size": 256,
    "max_detections": 10_000,
}
"""Above these no machine runs the network; a graph would be built in vain."""


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # Whole numbers of any size compare exactly; NaN compares with nothing.
    return abs(value) <= sys.float_info.max


def _are_numbers(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(map(_is_number, value))
