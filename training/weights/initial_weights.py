"""Which weights a training starts from, as the user asked for it."""

from __future__ import annotations

from pathlib import Path

from models.checkpoint import Checkpoint, inspect_checkpoint, load_weights
from models.errors import WeightsError
from models.mask_rcnn import MaskRCNN
from training.config.train_config import TrainConfig
from training.datasets.classes import CONTINUE
from training.errors import TrainingError
from training.weights.imagenet import is_resnet
from training.weights.initialisation import initialise, load_imagenet, transfer_learning


def set_initial_weights(
    network: MaskRCNN, config: TrainConfig, weights: Path | None
) -> str:
    """Sets all weights of a network.

    Args:
        network: of the config.
        config: seed, and what is taken over from the file.
        weights: a checkpoint of a Mask R-CNN or an ImageNet ResNet in Keras' layout;
            None starts from nothing.

    Returns:
        What was done, one line.

    Raises:
        TrainingError: the file cannot serve for what the config asks.
        WeightsError: the file is unreadable, or of another network.
    """
    continues = config.weights_init_type == CONTINUE
    if weights is None:
        if config.train_layers != "all":
            raise TrainingError(
                f'train_layers: "{config.train_layers}" keeps the other layers as they '
                'are, and without weights those are random; use "all", or --weights'
            )
        initialise(network, config.seed)
        return f"first weights: random, seed {config.seed}"
    if is_resnet(weights):
        if continues:
            raise TrainingError(
                f"{CONTINUE}: {weights} is a ResNet without the heads of a Mask R-CNN; "
                'use "transfer_learning"'
            )
        initialise(network, config.seed, zero_gamma=False)
        load_imagenet(network, str(weights))
        return f"first weights: ResNet of {weights}, the rest random"
    checkpoint = inspect_checkpoint(weights)
    if continues:
        load_weights(network, checkpoint)
        return f"first weights: all of {weights}"
    _check_backbone(checkpoint, config)
    initialise(network, config.seed, zero_gamma=False)
    transfer_learning(network, checkpoint)
    return f"first weights: {weights}, but for the class-dependent layers"


def _check_backbone(checkpoint: Checkpoint, config: TrainConfig) -> None:
    found = checkpoint.architecture.backbone
    if found != config.backbone:
        raise WeightsError(
            str(checkpoint.path),
            [f'expected backbone "{config.backbone}", got "{found}"'],
            f'Set "backbone": "{found}" in the config, or choose other weights.',
        )
