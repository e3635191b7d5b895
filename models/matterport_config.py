"""Matterport's flat mapping of constants, read into a `ModelConfig` and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from models.architecture import PRESETS, Architecture
from models.config import STRIDES, ModelConfig
from models.errors import ModelConfigError
from models.shown import quote, shown_name

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
        f"{shown_name(name)}: not a constant of Matterport's Config"
        for name in sorted(set(constants) - MATTERPORT_NAMES)
    ]
    for name, allowed in _FIXED.items():
        if name in constants and constants[name] not in allowed:
            problems.append(
                f"{name}: expected {allowed[0]}, got {quote(constants[name])}"
            )
    base, wrong = (architecture, []) if architecture else _architecture_of(constants)
    problems += wrong
    for name, field in _ARCHITECTURE_FIELDS.items():
        if name in constants and constants[name] != getattr(base, field):
            problems.append(
                f"{name}: the checkpoint has {getattr(base, field)}, got "
                f"{quote(constants[name])}"
            )
    backbone = constants.get("BACKBONE", base.backbone)
    if backbone != base.backbone:
        problems.append(
            f"BACKBONE: the checkpoint has {base.backbone}, got {quote(backbone)}"
        )
    values = {
        field: _plain(constants[name])
        for name, field in _FIELDS.items()
        if name in constants
    }
    try:
        config = ModelConfig(architecture=base, **values)
    except ModelConfigError as err:
        problems += [_in_matterports_words(problem) for problem in err.problems]
        config = None
    if config is not None and "MASK_SHAPE" in constants:
        expected = (config.mask_size, config.mask_size)
        if _plain(constants["MASK_SHAPE"]) != expected:
            problems.append(
                f"MASK_SHAPE: expected {list(expected)} (twice MASK_POOL_SIZE), got "
                f"{quote(constants['MASK_SHAPE'])}"
            )
    if problems or config is None:
        raise ModelConfigError(problems)
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


def _in_matterports_words(problem: str) -> str:
    """Names the constant in place of the field a problem is about."""
    field, _, text = problem.partition(": ")
    names = {field: name for name, field in _FIELDS.items()}
    return f"{names.get(field, field)}: {text}"


def _architecture_of(constants: Mapping[str, Any]) -> tuple[Architecture, list[str]]:
    """Returns the network that constants describe, and what is wrong with them."""
    problems = []
    name = constants.get("BACKBONE", "resnet101")
    if name not in tuple(PRESETS):
        problems.append(
            f"BACKBONE: expected one of {', '.join(PRESETS)}, got {quote(name)}"
        )
        name = "resnet101"
    sizes = {
        field: constants[key]
        for key, field in _ARCHITECTURE_FIELDS.items()
        if key in constants
    }
    for key, field in _ARCHITECTURE_FIELDS.items():
        if field in sizes and not _is_count(sizes[field]):
            problems.append(
                f"{key}: expected a whole number >= 1, got {quote(sizes.pop(field))}"
            )
    ratios = constants.get("RPN_ANCHOR_RATIOS", (0.5, 1, 2))
    if isinstance(ratios, Sequence) and not isinstance(ratios, str):
        sizes["anchors_per_cell"] = len(ratios)
    return dataclasses.replace(PRESETS[name], **sizes), problems


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
