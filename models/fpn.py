"""Feature pyramid (Lin et al. 2017, section 3; Mask R-CNN section 3)."""

from __future__ import annotations

from typing import Any

from keras import layers


def fpn(features: dict[str, Any], channels: int) -> dict[str, Any]:
    """Builds the top-down pathway over the trunk.

    Args:
        features: "C2".."C5" of the trunk.
        channels: channels of every level.

    Returns:
        {"P2": float32[B, H/4, W/4, channels], ..., "P6"}; P6 is P5 subsampled, and only
        the RPN uses it.
    """
    merged = {"P5": layers.Conv2D(channels, 1, name="fpn_c5p5")(features["C5"])}
    for level in (4, 3, 2):
        lateral = layers.Conv2D(channels, 1, name=f"fpn_c{level}p{level}")
        upsampled = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")
        merged[f"P{level}"] = layers.Add(name=f"fpn_p{level}add")(
            [upsampled(merged[f"P{level + 1}"]), lateral(features[f"C{level}"])]
        )
    pyramid = {
        name: layers.Conv2D(channels, 3, padding="same", name=f"fpn_{name.lower()}")(x)
        for name, x in sorted(merged.items())
    }
    pyramid["P6"] = layers.MaxPooling2D(1, strides=2, name="fpn_p6")(pyramid["P5"])
    return pyramid
