"""Region proposal head, shared by all levels (Faster R-CNN section 3.1)."""

from __future__ import annotations

from typing import Any

from keras import layers

from models.config import LEVELS


def rpn(
    pyramid: dict[str, Any], channels: int, anchors_per_cell: int, anchor_stride: int
) -> tuple[Any, Any]:
    """Builds the head over every level of the pyramid.

    Returns:
        objectness_logits float32[B, N, 2] (background, foreground) and anchor_deltas
        float32[B, N, 4] (dy, dx, log_h, log_w, before their standard deviations),
        anchors in the order of `models.anchors`.
    """
    shared = layers.Conv2D(
        channels,
        3,
        strides=anchor_stride,
        padding="same",
        activation="relu",
        name="rpn_conv_shared",
    )
    objectness = layers.Conv2D(2 * anchors_per_cell, 1, name="rpn_class_raw")
    deltas = layers.Conv2D(4 * anchors_per_cell, 1, name="rpn_bbox_pred")
    logits_by_level, deltas_by_level = [], []
    for level in LEVELS:
        x = shared(pyramid[level])  # [B, h, w, channels]
        # [B, h, w, 2 A] -> [B, h w A, 2], and the deltas' 4 A -> [B, h w A, 4].
        logits_by_level.append(
            layers.Reshape((-1, 2), name=f"rpn_logits_{level.lower()}")(objectness(x))
        )
        deltas_by_level.append(
            layers.Reshape((-1, 4), name=f"rpn_deltas_{level.lower()}")(deltas(x))
        )
    # float32 whatever the layers compute in, as the outputs of the other heads.
    join_logits = layers.Concatenate(axis=1, name="rpn_class_logits", dtype="float32")
    join_deltas = layers.Concatenate(axis=1, name="rpn_bbox", dtype="float32")
    return join_logits(logits_by_level), join_deltas(deltas_by_level)
