"""ResNet trunk in Matterport's form (He et al. 2015, Mask R-CNN section 3).

Differences from other ResNets that a checkpoint depends on: convolutions have biases,
stride 2 sits on a block's first 1x1 convolution and on its shortcut, the stem pads by 3
and pools with SAME padding, and batch normalisation uses epsilon 1e-3.
"""

from __future__ import annotations

from typing import Any

from keras import layers

from models.architecture import (
    BATCH_NORM_EPSILON,
    EXPANSION,
    Architecture,
    block_letters,
)


def conv_norm(
    x: Any,
    filters: int,
    kernel_size: int,
    *,
    conv_name: str,
    norm_name: str | None,
    strides: int = 1,
    padding: str = "valid",
) -> Any:
    """Applies a convolution and, where `norm_name` is given, its normalisation."""
    conv = layers.Conv2D(
        filters, kernel_size, strides=strides, padding=padding, name=conv_name
    )
    x = conv(x)
    if norm_name is None:
        return x
    return layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=norm_name)(x)


def resnet(
    images: Any, architecture: Architecture, *, batch_norm: bool
) -> dict[str, Any]:
    """Builds the trunk.

    Args:
        images: float32[B, H, W, 3] RGB minus the mean pixel, canvas frame.
        architecture: sizes of the layers.
        batch_norm: False leaves the normalisation out, for weights that hold it folded.

    Returns:
        {"C2": float32[B, H/4, W/4, 4 f2], ..., "C5": float32[B, H/32, W/32, 4 f5]}.
    """
    x = layers.ZeroPadding2D(3, name="stem_padding")(images)
    x = conv_norm(
        x,
        architecture.stem_filters,
        7,
        conv_name="conv1",
        norm_name="bn_conv1" if batch_norm else None,
        strides=2,
    )
    x = layers.ReLU(name="stem_relu")(x)  # [B, H/2, W/2, F]
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    features = {}
    stages = zip(architecture.stage_blocks, architecture.stage_filters, strict=True)
    for stage, (blocks, filters) in enumerate(stages, start=2):
        for letter in block_letters(blocks):
            x = _block(
                x,
                filters,
                f"{stage}{letter}",
                strides=2 if letter == "a" and stage > 2 else 1,
                project=letter == "a",
                batch_norm=batch_norm,
            )
        features[f"C{stage}"] = x
    return features


def _block(
    x: Any, filters: int, name: str, *, strides: int, project: bool, batch_norm: bool
) -> Any:
    def conv(x: Any, filters: int, size: int, branch: str, **options: Any) -> Any:
        norm_name = f"bn{name}_branch{branch}" if batch_norm else None
        conv_name = f"res{name}_branch{branch}"
        return conv_norm(
            x, filters, size, conv_name=conv_name, norm_name=norm_name, **options
        )

    y = conv(x, filters, 1, "2a", strides=strides)
    y = layers.ReLU(name=f"res{name}_relu_2a")(y)
    y = conv(y, filters, 3, "2b", padding="same")
    y = layers.ReLU(name=f"res{name}_relu_2b")(y)
    y = conv(y, EXPANSION * filters, 1, "2c")
    if project:
        x = conv(x, EXPANSION * filters, 1, "1", strides=strides)
    y = layers.Add(name=f"res{name}_add")([y, x])
    return layers.ReLU(name=f"res{name}_out")(y)
