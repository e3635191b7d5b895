"""What a Mask R-CNN is: its architecture and the constants around it.

`Architecture` is what the arrays of a checkpoint decide; `ModelConfig` adds what no
array tells: picture sizing, anchors, thresholds. Defaults are Matterport's.
`from_matterport` reads a flat mapping of constants under Matterport's own names.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.errors import ModelConfigError

RESIZE_MODES = ("square", "pad64", "none")
EXPANSION = 4
"""Output channels of a residual block per channel of its bottleneck."""
LEVELS = ("P2", "P3", "P4", "P5", "P6")
STRIDES = (4, 8, 16, 32, 64)
"""Canvas pixels per cell of each level."""


def block_letters(blocks: int) -> str:
    """Returns the letters that name the blocks of a stage: "abc..."."""
    return "".join(chr(ord("a") + i) for i in range(blocks))


@dataclass(frozen=True)
class Architecture:
    """Sizes of the layers, all of which a checkpoint's array shapes tell.

    Attributes:
        stem_filters: channels of the first convolution.
        stage_blocks: residual blocks of stages 2 to 5.
        stage_filters: bottleneck channels of stages 2 to 5; a block puts out four times
            as many.
        fpn_channels: TOP_DOWN_PYRAMID_SIZE.
        rpn_channels: channels of the shared RPN convolution.
        anchors_per_cell: number of RPN_ANCHOR_RATIOS.
        box_head_channels: FPN_CLASSIF_FC_LAYERS_SIZE.
        pool_size: side of the pooled features of the box head, POOL_SIZE.
        mask_head_channels: channels of the mask head's convolutions.
        num_classes: background included, NUM_CLASSES.
    """

    stem_filters: int = 64
    stage_blocks: tuple[int, ...] = (3, 4, 23, 3)
    stage_filters: tuple[int, ...] = (64, 128, 256, 512)
    fpn_channels: int = 256
    rpn_channels: int = 512
    anchors_per_cell: int = 3
    box_head_channels: int = 1024
    pool_size: int = 7
    mask_head_channels: int = 256
    num_classes: int = 81

    @property
    def backbone(self) -> str:
        """Name of the backbone: a preset's, or "resnet_custom"."""
        for name, preset in PRESETS.items():
            trunk = ("stem_filters", "stage_blocks", "stage_filters")
            if all(getattr(self, field) == getattr(preset, field) for field in trunk):
                return name
        return "resnet_custom"


PRESETS: dict[str, Architecture] = {
    "resnet101": Architecture(),
    "resnet50": Architecture(stage_blocks=(3, 4, 6, 3)),
    "small": Architecture(
        stem_filters=32,
        stage_blocks=(2, 2, 2, 2),
        stage_filters=(24, 48, 80, 112),
        fpn_channels=64,
        rpn_channels=128,
        box_head_channels=128,
        mask_head_channels=64,
    ),
}
"""Backbone name -> architecture. "small" has at most 1.9 million parameters."""


def preset(name: str, *, num_classes: int) -> Architecture:
    """Returns the named architecture with a class count.

    Raises:
        ModelConfigError: no such preset.
    """
    if name not in PRESETS:
        raise ModelConfigError(
            f"backbone: expected one of {', '.join(PRESETS)}, got {name!r}"
        )
    return dataclasses.replace(PRESETS[name], num_classes=num_classes)


@dataclass(frozen=True)
class ModelConfig:
    """One Mask R-CNN with everything that changes what it computes.

    Attributes:
        architecture: sizes of the layers.
        resize_mode: "square" (resize, pad to max_dim x max_dim), "pad64" (resize, pad
            to multiples of 64) or "none" (as it is; sides must be multiples of 32).
        min_dim: shorter side in canvas pixels that a picture is enlarged to; 0 never
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
                    f"{name}: expected a multiple of 64 in {mode} mode, got {side}"
                )
        if problems:
            raise ModelConfigError("model config: " + "; ".join(problems))

    def _rules(self) -> list[tuple[str, Callable[[Any], bool], str]]:
        def text(name: str, expected: str) -> str:
            return f"expected {expected}, got {getattr(self, name)!r}"

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


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(map(_is_number, value))


_FIELDS = {
    "IMAGE_RESIZE_MODE": "resize_mode",
    "IMAGE_MIN_DIM": "min_dim",
    "IMAGE_MAX_DIM": "max_dim",
    "IMAGE_MIN_SCALE": "min_scale",
    "MEAN_PIXEL": "mean_pixel",
    "RPN_ANCHOR_SCALES": "anchor_scales",
    "RPN_ANCHOR_RATIOS": "anchor_aspect_ratios",
    "RPN_ANCHOR_STRIDE": "anchor_stride",
    "RPN_BBOX_STD_DEV": "rpn_delta_std",
    "BBOX_STD_DEV": "delta_std",
    "PRE_NMS_LIMIT": "pre_nms_top_k",
    "POST_NMS_ROIS_INFERENCE": "post_nms_top_k",
    "RPN_NMS_THRESHOLD": "rpn_iou_threshold",
    "MASK_POOL_SIZE": "mask_pool_size",
    "DETECTION_MAX_INSTANCES": "max_detections",
    "DETECTION_MIN_CONFIDENCE": "score_threshold",
    "DETECTION_NMS_THRESHOLD": "iou_threshold",
}
_ARCHITECTURE_FIELDS = {
    "NUM_CLASSES": "num_classes",
    "TOP_DOWN_PYRAMID_SIZE": "fpn_channels",
    "FPN_CLASSIF_FC_LAYERS_SIZE": "box_head_channels",
    "POOL_SIZE": "pool_size",
}
_FIXED: dict[str, tuple[Any, ...]] = {
    "BACKBONE_STRIDES": (list(STRIDES),),
    "IMAGE_CHANNEL_COUNT": (3,),
    "COMPUTE_BACKBONE_SHAPE": (None,),
}
"""Constants of which this network has one value; another would be another network."""
_TRAINING_ONLY = frozenset(
    [
        "BATCH_SIZE",
        "GPU_COUNT",
        "GRADIENT_CLIP_NORM",
        "IMAGES_PER_GPU",
        "IMAGE_META_SIZE",
        "IMAGE_SHAPE",
        "LEARNING_MOMENTUM",
        "LEARNING_RATE",
        "LOSS_WEIGHTS",
        "MAX_GT_INSTANCES",
        "MINI_MASK_SHAPE",
        "NAME",
        "POST_NMS_ROIS_TRAINING",
        "ROI_POSITIVE_RATIO",
        "RPN_TRAIN_ANCHORS_PER_IMAGE",
        "STEPS_PER_EPOCH",
        "TRAIN_BN",
        "TRAIN_ROIS_PER_IMAGE",
        "USE_MINI_MASK",
        "USE_RPN_ROIS",
        "VALIDATION_STEPS",
        "WEIGHT_DECAY",
    ]
)
"""Constants that change no prediction, or that follow from others."""

MATTERPORT_NAMES = frozenset(
    {
        *_FIELDS,
        *_ARCHITECTURE_FIELDS,
        *_FIXED,
        *_TRAINING_ONLY,
        "BACKBONE",
        "MASK_SHAPE",
    }
)
"""Every constant of Matterport's `Config`."""


def from_matterport(
    constants: Mapping[str, Any], architecture: Architecture | None = None
) -> ModelConfig:
    """Builds a config from a flat mapping of Matterport's constants.

    Args:
        constants: Matterport names (IMAGE_MIN_DIM, ...) to JSON values; what is left
            out keeps Matterport's default.
        architecture: what a checkpoint holds; the constants must agree with it. Without
            it, BACKBONE names a preset (Matterport's default is resnet101).

    Raises:
        ModelConfigError: lists every unknown name, wrong value and contradiction.
    """
    problems = [
        f"{name}: not a constant of Matterport's Config"
        for name in sorted(set(constants) - MATTERPORT_NAMES)
    ]
    for name, allowed in _FIXED.items():
        if name in constants and constants[name] not in allowed:
            problems.append(f"{name}: expected {allowed[0]}, got {constants[name]!r}")
    base = architecture or _architecture_of(constants, problems)
    for name, field in _ARCHITECTURE_FIELDS.items():
        if name in constants and constants[name] != getattr(base, field):
            problems.append(
                f"{name}: the checkpoint has {getattr(base, field)}, got "
                f"{constants[name]!r}"
            )
    backbone = constants.get("BACKBONE", base.backbone)
    if backbone != base.backbone:
        problems.append(
            f"BACKBONE: the checkpoint has {base.backbone}, got {backbone!r}"
        )
    values = {
        field: _plain(constants[name])
        for name, field in _FIELDS.items()
        if name in constants
    }
    try:
        config = ModelConfig(architecture=base, **values)
    except ModelConfigError as err:
        problems.append(str(err).removeprefix("model config: "))
        config = None
    if config is not None and "MASK_SHAPE" in constants:
        expected = (config.mask_size, config.mask_size)
        if _plain(constants["MASK_SHAPE"]) != expected:
            problems.append(
                f"MASK_SHAPE: expected {list(expected)} (twice MASK_POOL_SIZE), got "
                f"{constants['MASK_SHAPE']!r}"
            )
    if problems or config is None:
        raise ModelConfigError("model config: " + "; ".join(problems))
    return config


def to_matterport(config: ModelConfig) -> dict[str, Any]:
    """Returns Matterport's constants of a config, as JSON has them.

    `from_matterport` with the same architecture gives the config back.
    """
    architecture = config.architecture
    fields = {name: getattr(config, field) for name, field in _FIELDS.items()}
    sizes = {
        name: getattr(architecture, field)
        for name, field in _ARCHITECTURE_FIELDS.items()
    }
    return {
        "BACKBONE": architecture.backbone,
        **sizes,
        **{n: list(v) if isinstance(v, tuple) else v for n, v in fields.items()},
    }


def _architecture_of(constants: Mapping[str, Any], problems: list[str]) -> Architecture:
    name = constants.get("BACKBONE", "resnet101")
    if name not in tuple(PRESETS):
        problems.append(f"BACKBONE: expected one of {', '.join(PRESETS)}, got {name!r}")
        name = "resnet101"
    sizes = {
        field: constants[key]
        for key, field in _ARCHITECTURE_FIELDS.items()
        if key in constants
    }
    for key, field in _ARCHITECTURE_FIELDS.items():
        if field in sizes and not (_is_int(sizes[field]) and sizes[field] >= 1):
            problems.append(
                f"{key}: expected a whole number >= 1, got {sizes.pop(field)!r}"
            )
    ratios = constants.get("RPN_ANCHOR_RATIOS", (0.5, 1, 2))
    if isinstance(ratios, Sequence) and not isinstance(ratios, str):
        sizes["anchors_per_cell"] = len(ratios)
    return dataclasses.replace(PRESETS[name], **sizes)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
