"""The train config: Supervisely's keys with its defaults, and what is new here.

What a user writes is laid over the defaults, group by group. The new keys' defaults
reproduce the original.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from os import PathLike
from typing import Any, Literal

from formats.config import load_config
from formats.errors import ConfigFileError
from formats.json_file import read_json
from formats.quoted import quoted
from models.architecture import preset
from models.config import ModelConfig
from models.errors import ModelConfigError
from training.config.groups import (
    Augmentation,
    Backbone,
    BatchSize,
    ConfigGroup,
    Count,
    DatasetTags,
    DataWorkers,
    Devices,
    InputSize,
    Optimizer,
    Positive,
    Ratios,
    Rois,
    Scales,
    Schedule,
    Sgd,
    Share,
    SpecialClasses,
    Whole,
)
from training.errors import TrainConfigError

CANVAS_STEP = 64
"""The deepest level has one cell per 64 canvas pixels."""


class TrainConfig(ConfigGroup):
    """The whole train config.

    Attributes:
        lr: learning rate.
        epochs: passes over the training set.
        batch_size: images of a step.
        input_size: canvas of the network.
        gpu_devices: indices of the GPUs to train on.
        train_layers: what is trained; "4+" is ResNet stages 4, 5 and the heads.
        dataset_tags: image tags of the two sets.
        special_classes: background and neutral.
        weights_init_type: which weights are taken over.
        val_every: epochs between validations; may be a fraction.
        save_every: epochs between saved checkpoints.
        keep_last: newest checkpoints that are kept, beside the best; null for all.
        data_workers: threads that prepare batches.
        check_images: "decode" reads every image at the start, "header" its header.
        use_empty_images: images without objects serve as negatives.
        max_instances: of an image; more are thinned out at random.
        augmentation: random changes of training images.
        backbone: "resnet101", "resnet50" or "small".
        anchor_scales: anchor sides of P2..P6, canvas pixels.
        anchor_aspect_ratios: width / height of the anchors.
        optimizer: "sgd" or "adamw" with its constants.
        schedule: the learning rate over the run.
        rois: which proposals the heads learn from.
        train_bn: whether batch normalisation learns its statistics; null does so where
            a run starts without weights, and keeps those of the weights otherwise.
        bn_momentum: share of the old statistics that a step of learning keeps.
        best_metric: what makes a checkpoint the best: the lowest loss of the validation
            set, or its highest mask AP.
        stop_target_gradient: false lets the box loss push on the proposals through its
            targets, as the original does.
        precision: of the layers' arithmetic; weights stay float32.
        seed: of everything random.
        deterministic: the same run gives the same bits; slower.
    """

    lr: Positive = 0.001
    epochs: Count = 2
    batch_size: BatchSize = BatchSize()
    input_size: InputSize = InputSize()
    gpu_devices: Devices = (0,)
    train_layers: Literal["all", "3+", "4+", "5+", "heads"] = "all"
    dataset_tags: DatasetTags = DatasetTags()
    special_classes: SpecialClasses = SpecialClasses()
    weights_init_type: Literal["transfer_learning", "continue_training"] = (
        "transfer_learning"
    )
    val_every: Positive = 1.0
    save_every: Positive = 1.0
    keep_last: Count | None = 3
    data_workers: DataWorkers = DataWorkers()
    check_images: Literal["decode", "header"] = "decode"
    use_empty_images: bool = False
    max_instances: Count = 100
    augmentation: Augmentation = Augmentation()
    backbone: Backbone = "resnet101"
    anchor_scales: Scales = (32.0, 64.0, 128.0, 256.0, 512.0)
    anchor_aspect_ratios: Ratios = (0.5, 1.0, 2.0)
    optimizer: Optimizer = Sgd()
    schedule: Schedule = Schedule()
    rois: Rois = Rois()
    train_bn: bool | None = None
    bn_momentum: Share = 0.99
    best_metric: Literal["loss", "mask_ap"] = "loss"
    stop_target_gradient: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: Whole = 0
    deterministic: bool = False

    def settings(self) -> dict[str, Any]:
        """Returns the config as JSON has it, every key filled in."""
        return self.model_dump(mode="json")

    def network(self, num_classes: int) -> ModelConfig:
        """Returns the network to train.

        Args:
            num_classes: background included.

        Raises:
            TrainConfigError: no such network can be built.
        """
        try:
            return ModelConfig(
                architecture=dataclasses.replace(
                    preset(self.backbone, num_classes=num_classes),
                    anchors_per_cell=len(self.anchor_aspect_ratios),
                ),
                min_dim=self.input_size.min_dim,
                max_dim=self.input_size.max_dim,
                anchor_scales=self.anchor_scales,
                anchor_aspect_ratios=self.anchor_aspect_ratios,
            )
        except ModelConfigError as err:
            raise TrainConfigError([str(err)]) from err


def read_config(source: str | PathLike[str] | Mapping[str, Any]) -> TrainConfig:
    """Reads a train config.

    Args:
        source: a JSON file, or its content.

    Raises:
        TrainConfigError: lists every unknown key, wrong value and contradiction.
    """
    name = "config" if isinstance(source, Mapping) else str(source)
    try:
        content = source if isinstance(source, Mapping) else read_json(source)
    except ConfigFileError as err:
        raise TrainConfigError(err.problems) from err
    if not isinstance(content, Mapping):
        raise TrainConfigError([f"{name}: expected an object, got {quoted(content)}"])
    if {"settings", "class_title_to_idx"} <= content.keys():
        raise TrainConfigError(
            [
                f"{name}: is the config.json of a checkpoint; the train config is what "
                'it has under "settings": put that into a file of its own'
            ]
        )
    contradictions = [f"{name}: {text}" for text in _contradictions(content)]
    try:
        config = load_config(content, TrainConfig, name=name)
    except ConfigFileError as err:
        raise TrainConfigError([*err.problems, *contradictions]) from err
    if contradictions:
        raise TrainConfigError(contradictions)
    return config


def _contradictions(content: Mapping[str, Any]) -> list[str]:
    """Returns what no network can be built of, though each value is allowed."""
    problems = []
    max_dim = _value(content, "input_size", "max_dim", 256)
    if type(max_dim) is int and max_dim >= 1 and max_dim % CANVAS_STEP:
        problems.append(
            f"input_size.max_dim: expected a multiple of {CANVAS_STEP}, got {max_dim}; "
            f"the next one is {-(-max_dim // CANVAS_STEP) * CANVAS_STEP}"
        )
    neutral = _value(content, "special_classes", "neutral", None)
    if neutral is not None and neutral == _value(
        content, "special_classes", "background", "bg"
    ):
        problems.append(
            f"special_classes: background and neutral are both {quoted(neutral)}; "
            "give one of them another name"
        )
    return problems


def _value(content: Mapping[str, Any], group: str, key: str, default: Any) -> Any:
    values = content.get(group, {})
    return values.get(key, default) if isinstance(values, Mapping) else default
