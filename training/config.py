"""The train config: Supervisely's keys with its defaults, and what is new here.

What a user writes is laid over the defaults, group by group. The new keys' defaults
reproduce the original.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from os import PathLike
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from formats.config import load_config
from formats.errors import ConfigError
from formats.json_file import read_json
from models.config import PRESETS, ModelConfig, preset
from models.errors import ModelConfigError

CANVAS_STEP = 64
"""The deepest level has one cell per 64 canvas pixels."""

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


def _to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_once(devices: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(devices)) < len(devices):
        raise PydanticCustomError(
            "once", f"expected every device once, got {list(devices)}"
        )
    return devices


def _check_backbone(name: str) -> str:
    if name not in PRESETS:
        raise PydanticCustomError(
            "backbone", f'expected one of {", ".join(PRESETS)}, got "{name}"'
        )
    return name


def _check_range(bounds: tuple[float, ...]) -> tuple[float, ...]:
    if bounds[0] > bounds[1]:
        raise PydanticCustomError(
            "range", f"expected [smallest, largest], got {list(bounds)}"
        )
    return bounds


def _add_name(value: Any) -> Any:
    """Lays a group over the default optimiser where it names none."""
    if isinstance(value, Mapping) and "name" not in value:
        return {"name": Sgd().name, **value}
    return value


_List = BeforeValidator(_to_tuple)
Devices = Annotated[
    tuple[Whole, ...], Field(min_length=1), AfterValidator(_check_once), _List
]
Range = Annotated[tuple[Positive, Positive], AfterValidator(_check_range), _List]
Scales = Annotated[tuple[Positive, ...], Field(min_length=5, max_length=5), _List]
Ratios = Annotated[tuple[Positive, ...], Field(min_length=1), _List]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BatchSize(_Group):
    """`batch_size`: pictures of a step, on each device.

    Attributes:
        train: of a training step.
        val: of a validation step.
    """

    train: Count = 1
    val: Count = 1


class InputSize(_Group):
    """`input_size`, canvas pixels. Other keys are accepted and not used.

    Attributes:
        min_dim: the shorter side is enlarged to this, never shrunk to it.
        max_dim: side of the square canvas; wins over `min_dim`.
        width: not used.
        height: not used.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    min_dim: Count = 256
    max_dim: Count = 256
    width: Any = 0
    height: Any = 0


class DatasetTags(_Group):
    """`dataset_tags`: image tags that put a picture into a set.

    Attributes:
        train: tag of the training set.
        val: tag of the validation set.
    """

    train: Name = "train"
    val: Name = "val"


class SpecialClasses(_Group):
    """`special_classes`: classes that are no instances.

    Attributes:
        background: class of id 0; its objects are not learnt.
        neutral: class whose pixels no loss looks at; null for none.
    """

    background: Name = "bg"
    neutral: Name | None = None


class DataWorkers(_Group):
    """`data_workers`: threads that prepare batches; 0 prepares them in the loop.

    Attributes:
        train: for training.
        val: for validation.
    """

    train: Whole = 2
    val: Whole = 1


class Augmentation(_Group):
    """`augmentation`, drawn anew for every picture. The original has none.

    Attributes:
        horizontal_flip: mirror half of the pictures left to right.
        vertical_flip: mirror half of the pictures top to bottom.
        rotate_90: turn by a random number of quarter turns.
        scale: smallest and largest random zoom.
        brightness: largest random shift, share of the full range.
        contrast: largest random change of contrast, share.
        saturation: largest random change of saturation, share.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotate_90: bool = False
    scale: Range = (1.0, 1.0)
    brightness: Share = 0.0
    contrast: Share = 0.0
    saturation: Share = 0.0


class Sgd(_Group):
    """`optimizer` "sgd", the original's.

    Attributes:
        name: "sgd".
        momentum: of the velocity.
        weight_decay: factor of the L2 loss; not on gamma, beta.
        clip_norm: gradients of a longer norm are shortened; null for no bound.
    """

    name: Literal["sgd"] = "sgd"
    momentum: Share = 0.9
    weight_decay: NotNegative = 1e-4
    clip_norm: Positive | None = 5.0


class AdamW(_Group):
    """`optimizer` "adamw".

    Attributes:
        name: "adamw".
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        weight_decay: decoupled; not on gamma, beta and biases.
        clip_norm: gradients of a longer norm are shortened; null for no bound.
    """

    name: Literal["adamw"]
    beta_1: Share = 0.9
    beta_2: Share = 0.999
    weight_decay: NotNegative = 0.05
    clip_norm: Positive | None = 5.0


class Schedule(_Group):
    """`schedule`: the learning rate over the run.

    Attributes:
        name: "constant", or "cosine" from `lr` down to `lr * final_ratio`.
        warmup_steps: steps of a linear rise from 0 at the start.
        final_ratio: what is left of `lr` at the end of "cosine".
    """

    name: Literal["constant", "cosine"] = "constant"
    warmup_steps: Whole = 0
    final_ratio: Share = 0.0


class TrainConfig(_Group):
    """The whole train config.

    Attributes:
        lr: learning rate.
        epochs: passes over the training set.
        batch_size: pictures of a step.
        input_size: canvas of the network.
        gpu_devices: indices of the GPUs to train on.
        train_layers: what is trained; "4+" is ResNet stages 4, 5 and the heads.
        dataset_tags: image tags of the two sets.
        special_classes: background and neutral.
        weights_init_type: which weights are taken over.
        val_every: epochs between validations; may be a fraction.
        save_every: epochs between saved checkpoints.
        keep_last: checkpoints kept beside best and last; null for all.
        data_workers: threads that prepare batches.
        check_images: "decode" reads every picture at the start, "header" its header.
        use_empty_images: pictures without objects serve as negatives.
        max_instances: of a picture; more are thinned out at random.
        augmentation: random changes of training pictures.
        backbone: "resnet101", "resnet50" or "small".
        anchor_scales: anchor sides of P2..P6, canvas pixels.
        anchor_aspect_ratios: width / height of the anchors.
        optimizer: "sgd" or "adamw" with its constants.
        schedule: the learning rate over the run.
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
    keep_last: Count | None = None
    data_workers: DataWorkers = DataWorkers()
    check_images: Literal["decode", "header"] = "decode"
    use_empty_images: bool = False
    max_instances: Count = 100
    augmentation: Augmentation = Augmentation()
    backbone: Annotated[str, AfterValidator(_check_backbone)] = "resnet101"
    anchor_scales: Scales = (32.0, 64.0, 128.0, 256.0, 512.0)
    anchor_aspect_ratios: Ratios = (0.5, 1.0, 2.0)
    optimizer: Annotated[
        Sgd | AdamW, Field(discriminator="name"), BeforeValidator(_add_name)
    ] = Sgd()
    schedule: Schedule = Schedule()
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
            ConfigError: no such network can be built.
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
            raise ConfigError([str(err)]) from err


def read_config(source: str | PathLike[str] | Mapping[str, Any]) -> TrainConfig:
    """Reads a train config.

    Args:
        source: a JSON file, or its content.

    Raises:
        ConfigError: lists every unknown key, wrong value and contradiction.
    """
    name = "config" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else read_json(source)
    if not isinstance(content, Mapping):
        raise ConfigError([f"{name}: expected an object, got {content!r:.60}"])
    contradictions = [f"{name}: {text}" for text in _contradictions(content)]
    try:
        config = load_config(content, TrainConfig, name=name)
    except ConfigError as err:
        raise ConfigError([*err.problems, *contradictions]) from err
    if contradictions:
        raise ConfigError(contradictions)
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
            f'special_classes: background and neutral are both "{neutral}"; give one '
            "of them another name"
        )
    return problems


def _value(content: Mapping[str, Any], group: str, key: str, default: Any) -> Any:
    values = content.get(group, {})
    return values.get(key, default) if isinstance(values, Mapping) else default


__all__ = [
    "AdamW",
    "Augmentation",
    "BatchSize",
    "DataWorkers",
    "DatasetTags",
    "InputSize",
    "Schedule",
    "Sgd",
    "SpecialClasses",
    "TrainConfig",
    "read_config",
]
