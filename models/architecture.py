"""Sizes of the layers of a Mask R-CNN, all of which a checkpoint's arrays tell."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from models.errors import ModelConfigError
from models.shown import quote

BATCH_NORM_EPSILON = 1e-3
EXPANSION = 4
"""Output channels of a residual block per channel of its bottleneck."""


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
            [f"backbone: expected one of {', '.join(PRESETS)}, got {quote(name)}"]
        )
    return dataclasses.replace(PRESETS[name], num_classes=num_classes)
