"""What both sides of the wire agree on: signatures, tensors, model information.

Shape letters: B images of a request, H and W pixels, D `max_detections`, M `mask_size`.
A letter stands for a size that the request or the model decides; -1 on the wire.
Frame of every box and mask: the decoded original image, (0, 0) its top-left corner,
pixel i spanning [i, i + 1). Needs numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.model_info import (
    CONTRACT_VERSION,
    MAX_INFO_BYTES,
    MAX_NAME_BYTES,
    ModelClass,
    ModelInfo,
    ModelInfoError,
    ModelInput,
)

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


def pixel_boxes(boxes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
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
    "MAX_INFO_BYTES",
    "MAX_NAME_BYTES",
    "MODEL_INFO",
    "MODEL_INFO_ASSET",
    "MODEL_INFO_JSON",
    "NUM_DETECTIONS",
    "REQUEST",
    "ROI_MASKS",
    "SERVING_DEFAULT",
    "SIGNATURES",
    "WARMUP_ASSET",
    "ModelClass",
    "ModelInfo",
    "ModelInfoError",
    "ModelInput",
    "Signature",
    "Tensor",
    "pixel_boxes",
]
