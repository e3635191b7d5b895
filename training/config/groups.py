"""The groups of the train config, and the types of its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from formats.quoted import quoted
from models.architecture import PRESETS

Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
PositiveShare = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
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
            "backbone", f"expected one of {', '.join(PRESETS)}, got {quoted(name)}"
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
Backbone = Annotated[str, AfterValidator(_check_backbone)]
Devices = Annotated[
    tuple[Whole, ...], Field(min_length=1), AfterValidator(_check_once), _List
]
Range = Annotated[tuple[Positive, Positive], AfterValidator(_check_range), _List]
Scales = Annotated[tuple[Positive, ...], Field(min_length=5, max_length=5), _List]
Ratios = Annotated[tuple[Positive, ...], Field(min_length=1), _List]


class ConfigGroup(BaseModel):
    """What all groups have in common: no unknown key, no conversion of values."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class BatchSize(ConfigGroup):
    """`batch_size`: images of a step, on each device.

    Attributes:
        train: of a training step.
        val: of a validation step.
    """

    train: Count = 1
    val: Count = 1


class InputSize(ConfigGroup):
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


class DatasetTags(ConfigGroup):
    """`dataset_tags`: image tags that put an image into a set.

    Attributes:
        train: tag of the training set.
        val: tag of the validation set.
    """

    train: Name = "train"
    val: Name = "val"


class SpecialClasses(ConfigGroup):
    """`special_classes`: classes that are no instances.

    Attributes:
        background: class of id 0; its objects are not learnt.
        neutral: class whose pixels no loss looks at; null for none.
    """

    background: Name = "bg"
    neutral: Name | None = None


class DataWorkers(ConfigGroup):
    """`data_workers`: threads that prepare batches; 0 prepares them in the loop.

    Attributes:
        train: for training.
        val: for validation.
    """

    train: Whole = 2
    val: Whole = 1


class Augmentation(ConfigGroup):
    """`augmentation`, drawn anew for every image. The original has none.

    Attributes:
        horizontal_flip: mirror half of the images left to right.
        vertical_flip: mirror half of the images top to bottom.
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


class Sgd(ConfigGroup):
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


class AdamW(ConfigGroup):
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


class Rois(ConfigGroup):
    """`rois`: which proposals the heads learn from; defaults are Matterport's.

    Attributes:
        proposals: of the RPN that are kept per image, POST_NMS_ROIS_TRAINING.
        per_image: taken of them at random, TRAIN_ROIS_PER_IMAGE.
        positive_ratio: largest share of those that lie on an object,
            ROI_POSITIVE_RATIO.
        fill_negatives: false keeps to the ratio, so that an image with few positives
            comes with few negatives and one without objects with none, and rows left
            over count as background; true takes as many negatives as fit, and rows left
            over count nowhere.
        append_truth: the objects' own boxes join the proposals, which lets the heads
            learn before the RPN does (Fast R-CNN code, Detectron).
    """

    proposals: Count = 2000
    per_image: Count = 200
    positive_ratio: PositiveShare = 0.33
    fill_negatives: bool = False
    append_truth: bool = False

    @property
    def max_positives(self) -> int:
        """RoIs that lie on an object, at most."""
        return int(self.per_image * self.positive_ratio)

    @model_validator(mode="after")
    def _leave_a_positive(self) -> Rois:
        if self.max_positives < 1:
            raise PydanticCustomError(
                "rois",
                "expected per_image * positive_ratio to be at least 1, got "
                f"{self.per_image} * {self.positive_ratio}; use more RoIs",
            )
        return self


class Schedule(ConfigGroup):
    """`schedule`: the learning rate over the run.

    Attributes:
        name: "constant", or "cosine" from `lr` down to `lr * final_ratio`.
        warmup_steps: steps of a linear rise from 0 at the start.
        final_ratio: what is left of `lr` at the end of "cosine".
    """

    name: Literal["constant", "cosine"] = "constant"
    warmup_steps: Whole = 0
    final_ratio: Share = 0.0


Optimizer = Annotated[
    Sgd | AdamW, Field(discriminator="name"), BeforeValidator(_add_name)
]
