"""Which layers learn."""

from __future__ import annotations

import re

from models.mask_rcnn import MaskRCNN

_HEADS = r"mrcnn_.*|rpn_.*|fpn_.*"
TRAIN_LAYERS = {
    "all": ".*",
    "3+": rf"(res|bn)[345].*|{_HEADS}",
    "4+": rf"(res|bn)[45].*|{_HEADS}",
    "5+": rf"(res|bn)5.*|{_HEADS}",
    "heads": _HEADS,
}
"""Matterport's choices: stages from a number on with the heads, or the heads alone."""


def set_trainable(network: MaskRCNN, train_layers: str) -> None:
    """Makes the chosen layers learn, and no others.

    Layers that do not learn keep the statistics of their batch normalisation too.

    Args:
        network: all layers are set.
        train_layers: a key of `TRAIN_LAYERS`.

    Raises:
        ValueError: no such choice.
    """
    if train_layers not in TRAIN_LAYERS:
        raise ValueError(
            f"train_layers: expected one of {', '.join(TRAIN_LAYERS)}, got "
            f"{train_layers!r}"
        )
    pattern = re.compile(TRAIN_LAYERS[train_layers])
    for name, layer in network.layers.items():
        layer.trainable = pattern.fullmatch(name) is not None
