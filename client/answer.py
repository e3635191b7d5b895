"""Reads a model's answer and holds it against the serving contract.

Shape letters as in the contract; B is the number of pictures that were sent.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from client.errors import ContractError
from serving import contract
from serving.protos.tensors import dtype_name, from_tensor_proto

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Detections:
    """What a model found in one picture; N rows, scores descending.

    Attributes:
        boxes: float32[N, 4] (y1, x1, y2, x2), pixels of the picture, half-open.
        mask_boxes: int32[N, 4], the boxes rounded to whole pixels: frames of the masks.
        class_ids: int32[N].
        class_names: N names, the model's own.
        scores: float32[N], 0..1; NaN from a model that gives none.
        mask_pngs: N one-channel 0/255 PNGs of the size of their mask box; empty bytes
            where that has no pixel; None from a model that gives boxes only.
        image_size: (height, width) of the picture, pixels.
        version: the model version that answered, None if the server did not tell.
        image_tags: name and value of tags of the whole picture; a Mask R-CNN has none.
    """

    boxes: Array
    mask_boxes: Array
    class_ids: Array
    class_names: tuple[str, ...]
    scores: Array
    mask_pngs: tuple[bytes | None, ...]
    image_size: tuple[int, int]
    version: int | None = None
    image_tags: tuple[tuple[str, float | str], ...] = ()


def read_outputs(
    outputs: Mapping[str, Any], signature: contract.Signature, batch: int = 1
) -> dict[str, Array]:
    """Decodes the outputs of one request and checks dtypes and shapes.

    Args:
        outputs: alias to TensorProto.
        signature: what the contract says of them.
        batch: rows that were sent.

    Returns:
        Alias to array, for the contract's outputs; others are ignored.

    Raises:
        ContractError: an output is missing, not readable, or of another dtype or shape.
    """
    arrays: dict[str, Array] = {}
    sizes: dict[str, int] = {"B": batch}
    for tensor in signature.outputs:
        if tensor.name not in outputs:
            raise ContractError(
                f"answer of {signature.name}: expected the output {tensor.name}, got "
                f"{', '.join(sorted(outputs)) or 'none'}"
            )
        message = outputs[tensor.name]
        if dtype_name(message.dtype) != tensor.dtype:
            raise ContractError(
                f"answer of {signature.name}: {tensor.name}: expected {tensor.dtype}, "
                f"got {dtype_name(message.dtype)}"
            )
        try:
            array = from_tensor_proto(message)
        except ValueError as err:
            raise ContractError(
                f"answer of {signature.name}: {tensor.name}: {err}"
            ) from err
        _check_shape(tensor, array.shape, sizes, signature.name)
        arrays[tensor.name] = array
    return arrays


def _check_shape(
    tensor: contract.Tensor,
    shape: tuple[int, ...],
    sizes: dict[str, int],
    signature: str,
) -> None:
    """Checks a shape; `sizes` are the letters known so far, and grows."""
    expected = [sizes.get(n, n) if isinstance(n, str) else n for n in tensor.shape]
    fits = len(shape) == len(expected) and all(
        isinstance(want, str) or want == got
        for want, got in zip(expected, shape, strict=True)
    )
    if not fits:
        raise ContractError(
            f"answer of {signature}: {tensor.name}: expected shape "
            f"[{', '.join(map(str, expected))}], got {list(shape)}"
        )
    for letter, size in zip(tensor.shape, shape, strict=True):
        if isinstance(letter, str):
            sizes[letter] = size


def read_detections(
    outputs: Mapping[str, Any],
    signature: contract.Signature,
    sizes: Sequence[tuple[int, int]],
    version: int | None = None,
) -> list[Detections]:
    """Reads the answer to one request.

    Args:
        outputs: alias to TensorProto.
        signature: `serving_default` or `image_tensor` of the contract.
        sizes: (height, width) of the pictures that were sent, pixels.
        version: the model version that answered.

    Returns:
        One entry a picture, in their order.

    Raises:
        ContractError: the answer does not keep the contract.
    """
    arrays = read_outputs(outputs, signature, len(sizes))
    return [_read_row(arrays, row, size, version) for row, size in enumerate(sizes)]


def _read_row(
    arrays: Mapping[str, Array], row: int, size: tuple[int, int], version: int | None
) -> Detections:
    slots = arrays[contract.DETECTION_SCORES.name].shape[1]
    count = int(arrays[contract.NUM_DETECTIONS.name][row])
    if not 0 <= count <= slots:
        raise ContractError(f"answer: num_detections: expected 0..{slots}, got {count}")
    image_size = tuple(int(n) for n in arrays[contract.IMAGE_SIZE.name][row])
    if image_size != size:
        raise ContractError(
            f"answer: image_size: expected {list(size)} (height, width) as sent, got "
            f"{list(image_size)}"
        )
    boxes = arrays[contract.DETECTION_BOXES.name][row, :count]
    scores = arrays[contract.DETECTION_SCORES.name][row, :count]
    class_ids = arrays[contract.DETECTION_CLASSES.name][row, :count]
    mask_boxes = _mask_boxes(boxes, size)
    if not np.all((scores >= 0) & (scores <= 1)):
        raise ContractError(f"answer: scores: expected 0..1, got {scores.tolist()}")
    if not np.all(class_ids > 0):
        raise ContractError(f"answer: class ids: expected >= 1, got {class_ids}")
    pngs = tuple(arrays[contract.DETECTION_MASKS_PNG.name][row, :count])
    for png, box in zip(pngs, mask_boxes, strict=True):
        _check_png(png, int(box[2] - box[0]), int(box[3] - box[1]))
    names = arrays[contract.DETECTION_CLASS_NAMES.name][row, :count]
    return Detections(
        boxes=boxes,
        mask_boxes=mask_boxes,
        class_ids=class_ids,
        class_names=tuple(_text(name) for name in names),
        scores=scores,
        mask_pngs=pngs,
        image_size=size,
        version=version,
    )


def _mask_boxes(boxes: Array, size: tuple[int, int]) -> Array:
    """Rounds boxes and checks that they lie in the picture."""
    if not np.all(np.isfinite(boxes)):
        raise ContractError("answer: boxes: expected numbers, got NaN or infinity")
    limit = max(size) + 1.0  # rounding to int32 is undefined far beyond
    rounded = contract.round_boxes(np.clip(boxes, -1.0, limit))
    top, left, bottom, right = rounded.T
    inside = (top >= 0) & (top <= bottom) & (bottom <= size[0])
    inside &= (left >= 0) & (left <= right) & (right <= size[1])
    if not inside.all():
        raise ContractError(
            f"answer: boxes: expected (y1, x1, y2, x2) within {list(size)}, got "
            f"{boxes[~inside][0].tolist()}"
        )
    return rounded


def _check_png(png: bytes, height: int, width: int) -> None:
    """Checks a mask's size from its header; the pixels are decoded when asked for."""
    if height == 0 or width == 0:
        return
    if not png.startswith(b"\x89PNG\r\n\x1a\n") or len(png) < 24:
        raise ContractError(f"answer: mask: expected a PNG, got {png[:8]!r}")
    png_width, png_height = struct.unpack_from(">II", png, 16)
    if (png_height, png_width) != (height, width):
        raise ContractError(
            f"answer: mask: expected {width} x {height} pixels, the size of the "
            f"rounded box, got {png_width} x {png_height}"
        )


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as err:
        raise ContractError(
            f"answer: class name: expected UTF-8, got {name!r}"
        ) from err


__all__ = ["Detections", "read_detections", "read_outputs"]
