"""Box and mask heads over pooled RoI features (Mask R-CNN figure 4, right).

Their outputs are float32 whatever the layers compute in: softmax, box arithmetic and
losses need its digits.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from models.architecture import Architecture
from models.resnet import conv_norm


def box_head(architecture: Architecture, *, batch_norm: bool) -> keras.Model:
    """Builds the classifier and box regressor.

    Input: float32[R, pool_size, pool_size, fpn_channels].
    Outputs: class_logits float32[R, C] and box_deltas float32[R, C, 4] (dy, dx, log_h,
    log_w, before their standard deviations).
    """
    side, classes = architecture.pool_size, architecture.num_classes
    pooled = keras.Input((side, side, architecture.fpn_channels), name="rois_box")
    x = pooled
    for index, size in ((1, side), (2, 1)):
        x = conv_norm(
            x,
            architecture.box_head_channels,
            size,
            conv_name=f"mrcnn_class_conv{index}",
            norm_name=f"mrcnn_class_bn{index}" if batch_norm else None,
        )
        x = layers.ReLU(name=f"mrcnn_class_relu{index}")(x)
    shared = layers.Flatten(name="pool_squeeze")(x)  # [R, channels]
    logits = layers.Dense(classes, name="mrcnn_class_logits")(shared)  # [R, C]
    logits = layers.Identity(name="class_logits", dtype="float32")(logits)
    deltas = layers.Dense(4 * classes, name="mrcnn_bbox_fc")(shared)  # [R, 4 C]
    deltas = layers.Reshape((classes, 4), name="mrcnn_bbox", dtype="float32")(deltas)
    return keras.Model(pooled, (logits, deltas), name="box_head")


def mask_head(
    architecture: Architecture, mask_pool_size: int, *, batch_norm: bool
) -> keras.Model:
    """Builds the mask predictor.

    Input: float32[R, mask_pool_size, mask_pool_size, fpn_channels].
    Output: mask_logits float32[R, M, M, C], M = 2 * mask_pool_size.
    """
    side, channels = mask_pool_size, architecture.mask_head_channels
    pooled = keras.Input((side, side, architecture.fpn_channels), name="rois_mask")
    x: Any = pooled
    for index in range(1, 5):
        x = conv_norm(
            x,
            channels,
            3,
            conv_name=f"mrcnn_mask_conv{index}",
            norm_name=f"mrcnn_mask_bn{index}" if batch_norm else None,
            padding="same",
        )
        x = layers.ReLU(name=f"mrcnn_mask_relu{index}")(x)
    x = layers.Conv2DTranspose(  # [R, M, M, channels]
        channels, 2, strides=2, activation="relu", name="mrcnn_mask_deconv"
    )(x)
    logits = layers.Conv2D(architecture.num_classes, 1, name="mrcnn_mask")(x)
    logits = layers.Identity(name="mask_logits", dtype="float32")(logits)
    return keras.Model(pooled, logits, name="mask_head")
