"""The train config as the parts of a training take it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from models.config import ModelConfig
from training.config.groups import AdamW, Sgd
from training.config.train_config import TrainConfig
from training.learning.detection_targets import RoiSampling
from training.learning.optimizers import OptimizerOptions
from training.learning.step import StepOptions
from training.pipeline.augmentation import augmentation_of
from training.pipeline.examples import ExampleOptions


@dataclass(frozen=True)
class Recipe:
    """What decides a training, but for its data and its first weights.

    Attributes:
        model: the network.
        step: how a step learns.
        optimizer: how weights move.
        examples: how pictures of the training set are prepared.
        val_examples: the same for the validation set: nothing random.
    """

    model: ModelConfig
    step: StepOptions
    optimizer: OptimizerOptions
    examples: ExampleOptions
    val_examples: ExampleOptions


def make_recipe(config: TrainConfig, num_classes: int, *, from_scratch: bool) -> Recipe:
    """Translates a train config.

    Args:
        config: what the user wrote over the defaults.
        num_classes: background included.
        from_scratch: the training starts without weights.

    Raises:
        ConfigError: no such network can be built.
    """
    rois = config.rois
    learns_l2 = isinstance(config.optimizer, Sgd)
    step = StepOptions(
        proposals=rois.proposals,
        sampling=RoiSampling(
            rois.per_image,
            rois.positive_ratio,
            fill_negatives=rois.fill_negatives,
            append_truth=rois.append_truth,
        ),
        stop_target_gradients=config.stop_target_gradient,
        train_bn=from_scratch if config.train_bn is None else config.train_bn,
        bn_momentum=config.bn_momentum,
        weight_decay=config.optimizer.weight_decay if learns_l2 else 0.0,
    )
    plain = ExampleOptions(max_instances=config.max_instances)
    augmented = dataclasses.replace(
        plain, augmentation=augmentation_of(config.augmentation)
    )
    return Recipe(
        config.network(num_classes), step, _optimizer(config), augmented, plain
    )


def _optimizer(config: TrainConfig) -> OptimizerOptions:
    how = config.optimizer
    options = OptimizerOptions(
        name=how.name,
        lr=config.lr,
        schedule=config.schedule.name,
        warmup_steps=config.schedule.warmup_steps,
        final_lr_factor=config.schedule.final_ratio,
    )
    if how.clip_norm is None:
        options = dataclasses.replace(options, clipping="none")
    else:
        options = dataclasses.replace(options, clip_norm=how.clip_norm)
    if isinstance(how, AdamW):
        betas = (how.beta_1, how.beta_2)
        return dataclasses.replace(options, betas=betas, weight_decay=how.weight_decay)
    return dataclasses.replace(options, momentum=how.momentum)


__all__ = ["Recipe", "make_recipe"]
