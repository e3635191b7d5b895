"""What both sides of the wire agree on: signatures, tensors, model information.

Shape letters: B images of a request, H and W pixels, D `max_detections`, M `mask_size`.
A letter stands for a size that the request or the model decides; -1 on the wire.
Frame of every box and mask: the decoded original image, (0, 0) its top-left corner,
pixel i spanning [i, i + 1). Needs numpy only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

CONTRACT_VERSION = 1
"""Grows when a reader written against the older contract would misread an answer."""

SERVING_DEFAULT = "serving_default"
IMAGE_TENSOR = "image_tensor"
ROI_MASKS = "roi_masks"
MODEL_INFO = "model_info"

MODEL_INFO_ASSET = "model.json"
"""File in `assets.extra/` with the JSON that `model_info` returns."""
WARMUP_ASSET = "tf_serving_warmup_requests"
"""File in `assets.extra/` with the requests that a server runs at load."""


@dataclass(frozen=True)
class Tensor:
    """One input or output of a signature.

    Attributes:
        name: alias on the wire.
        dtype: "string", "uint8", "int32" or "float32".
        shape: one entry an axis, an int or a shape letter.
        meaning: what it holds, for the documentation.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str

    @property
    def wire_shape(self) -> tuple[int | None, ...]:
        """The shape with None in place of the letters."""
        return tuple(n if isinstance(n, int) else None for n in self.shape)


@dataclass(frozen=True)
class Signature:
    """One way to call a model."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    purpose: str


IMAGE_BYTES = Tensor(
    "image_bytes", "string", ("B",), "encoded JPEG, PNG, BMP or GIF (first frame)"
)
IMAGES = Tensor("images", "uint8", ("B", "H", "W", 3), "RGB pixels")
REQUEST = Tensor("request", "string", ("B",), "ignored")

NUM_DETECTIONS = Tensor("num_detections", "int32", ("B",), "how many rows count")
DETECTION_BOXES = Tensor(
    "detection_boxes",
    "float32",
    ("B", "D", 4),
    "(y1, x1, y2, x2), pixels of the original image, half-open, not rounded",
)
DETECTION_CLASSES = Tensor(
    "detection_classes",
    "int32",
    ("B", "D"),
    "class id, 1..C-1 (0 is background and never a detection)",
)
DETECTION_CLASS_NAMES = Tensor(
    "detection_class_names", "string", ("B", "D"), "its name, UTF-8"
)
DETECTION_SCORES = Tensor("detection_scores", "float32", ("B", "D"), "0..1, descending")
DETECTION_MASKS_PNG = Tensor(
    "detection_masks_png_bytes",
    "string",
    ("B", "D"),
    "1-channel 0/255 PNG of the instance mask, cropped to the box rounded "
    "half-to-even to whole pixels (that is its origin and size)",
)
DETECTION_MASKS = Tensor(
    "detection_masks",
    "float32",
    ("B", "D", "M", "M"),
    "mask probabilities in the frame of the box",
)
IMAGE_SIZE = Tensor(
    "image_size", "int32", ("B", 2), "(height, width) of the decoded original"
)
MODEL_INFO_JSON = Tensor(
    "model_info_json", "string", ("B",), "what the model is, JSON, UTF-8"
)

_ROWS = (
    NUM_DETECTIONS,
    DETECTION_BOXES,
    DETECTION_CLASSES,
    DETECTION_CLASS_NAMES,
    DETECTION_SCORES,
)

SIGNATURES: dict[str, Signature] = {
    signature.name: signature
    for signature in (
        Signature(
            SERVING_DEFAULT,
            (IMAGE_BYTES,),
            (*_ROWS, DETECTION_MASKS_PNG, IMAGE_SIZE),
            "any client; sizes may differ inside a batch, so requests batch on the "
            "server",
        ),
        Signature(
            IMAGE_TENSOR,
            (IMAGES,),
            (*_ROWS, DETECTION_MASKS_PNG, IMAGE_SIZE),
            "crops and camera frames already in memory",
        ),
        Signature(
            ROI_MASKS,
            (IMAGE_BYTES,),
            (*_ROWS, DETECTION_MASKS, IMAGE_SIZE),
            "callers that paste or threshold masks themselves",
        ),
        Signature(MODEL_INFO, (REQUEST,), (MODEL_INFO_JSON,), "what the model is"),
    )
}


class ContractError(ValueError):
    """A model or an answer that does not keep the contract."""


@dataclass(frozen=True)
class ModelClass:
    """One class of a model.

    Attributes:
        id: 0 for the background, then 1..C-1.
        title: its name.
        color: "#RRGGBB".
    """

    id: int
    title: str
    color: str


@dataclass(frozen=True)
class ModelInput:
    """How a model sizes its pictures (Matterport's IMAGE_* constants)."""

    min_dim: int
    max_dim: int
    resize_mode: str
    max_image_pixels: int


@dataclass(frozen=True)
class ModelInfo:
    """What `model_info` and `assets.extra/model.json` say of a model."""

    name: str
    classes: tuple[ModelClass, ...]
    backbone: str
    input: ModelInput
    mask_size: int
    score_threshold: float
    iou_threshold: float
    max_detections: int
    precision: str
    checkpoint: Mapping[str, str]
    created: str
    versions: Mapping[str, str]
    classes_assumed: bool = False
    contract_version: int = field(default=CONTRACT_VERSION)

    def to_json(self) -> str:
        """Returns the JSON text, classes in id order."""
        content = asdict(self)
        if not self.classes_assumed:
            del content["classes_assumed"]
        first = {"contract_version": content.pop("contract_version")}
        return json.dumps(first | content, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelInfo:
        """Reads what `to_json` wrote; unknown keys are ignored.

        Raises:
            ContractError: not JSON, a key missing or of the wrong type, class ids that
                are not 0..C-1 in order, or a contract version this code does not know.
        """
        try:
            content = json.loads(text)
            version = content["contract_version"]
            info = cls._from_content(content) if version == CONTRACT_VERSION else None
        except KeyError as err:
            raise ContractError(f"model information: key {err} is missing") from err
        except (TypeError, ValueError, AttributeError) as err:
            raise ContractError(f"model information is not readable: {err}") from err
        if info is None:
            raise ContractError(
                f"model information: expected contract version {CONTRACT_VERSION}, got "
                f"{version}; use a client of the model's own release"
            )
        if [c.id for c in info.classes] != list(range(len(info.classes))):
            raise ContractError(
                "model information: expected class ids 0, 1, 2, ... in order, got "
                f"{[c.id for c in info.classes]}"
            )
        return info

    @classmethod
    def _from_content(cls, content: Any) -> ModelInfo:
        return cls(
            name=str(content["name"]),
            classes=tuple(
                ModelClass(int(c["id"]), str(c["title"]), str(c["color"]))
                for c in content["classes"]
            ),
            backbone=str(content["backbone"]),
            input=ModelInput(
                min_dim=int(content["input"]["min_dim"]),
                max_dim=int(content["input"]["max_dim"]),
                resize_mode=str(content["input"]["resize_mode"]),
                max_image_pixels=int(content["input"]["max_image_pixels"]),
            ),
            mask_size=int(content["mask_size"]),
            score_threshold=float(content["score_threshold"]),
            iou_threshold=float(content["iou_threshold"]),
            max_detections=int(content["max_detections"]),
            precision=str(content["precision"]),
            checkpoint=_text_map(content["checkpoint"]),
            created=str(content["created"]),
            versions=_text_map(content["versions"]),
            classes_assumed=bool(content.get("classes_assumed", False)),
        )


def _text_map(value: Any) -> dict[str, str]:
    return {str(k): str(v) for k, v in dict(value).items()}


def round_boxes(boxes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Rounds boxes half-to-even to whole pixels: the frame of their PNG masks.

    Args:
        boxes: float32[..., 4] (y1, x1, y2, x2), pixels of the original image.

    Returns:
        int32[..., 4], half-open; equal to Matterport's integer boxes.
    """
    return np.rint(boxes).astype(np.int32)


__all__ = [
    "CONTRACT_VERSION",
    "DETECTION_BOXES",
    "DETECTION_CLASSES",
    "DETECTION_CLASS_NAMES",
    "DETECTION_MASKS",
    "DETECTION_MASKS_PNG",
    "DETECTION_SCORES",
    "IMAGES",
    "IMAGE_BYTES",
    "IMAGE_SIZE",
    "IMAGE_TENSOR",
    "MODEL_INFO",
    "MODEL_INFO_ASSET",
    "MODEL_INFO_JSON",
    "NUM_DETECTIONS",
    "REQUEST",
    "ROI_MASKS",
    "SERVING_DEFAULT",
    "SIGNATURES",
    "WARMUP_ASSET",
    "ContractError",
    "ModelClass",
    "ModelInfo",
    "ModelInput",
    "Signature",
    "Tensor",
    "round_boxes",
]
