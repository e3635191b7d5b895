"""Reads a model's answer and holds it against the serving contract.

Shape letters as in the contract; B is the number of images that were sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from client.errors import ContractError
from client.mask_png import check_mask_png
from serving import contract
from serving.model_info import MAX_MASK_SIZE, MAX_ROWS
from serving.plain_text import acting_character, shortened
from serving.protos.tensors import claimed_shape, dtype_name, from_tensor_proto

Array = np.ndarray[Any, Any]

MOST_NAMES = 10
"""Outputs that a message lists."""
_MOST = {"D": MAX_ROWS, "M": MAX_MASK_SIZE}
"""Bounds of sizes that no model information gives."""


@dataclass(frozen=True, eq=False)
class ServedDetections:
    """What a model found in one image; N rows, scores descending.

    Attributes:
        boxes: float32[N, 4] (y1, x1, y2, x2), pixels of the image, half-open.
        mask_boxes: int32[N, 4], the boxes rounded to whole pixels: frames of the masks.
        class_ids: int32[N].
        class_names: N names, the model's own.
        scores: float32[N], 0..1; NaN from a model that gives none.
        mask_pngs: N one-channel 0/255 PNGs of the size of their mask box; empty bytes
            where that has no pixel; None from a model that gives boxes only.
        image_size: (height, width) of the image, pixels.
        version: the model version that answered, None if the server did not tell.
        image_tags: name and value of tags of the whole image; a Mask R-CNN has none.
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
    outputs: Mapping[str, Any],
    signature: contract.Signature,
    batch: int = 1,
    info: contract.ModelInfo | None = None,
) -> dict[str, Array]:
    """Checks dtypes and shapes of the outputs of one request, then decodes them.

    Args:
        outputs: alias to TensorProto.
        signature: what the contract says of them.
        batch: rows that were sent.
        info: what the model says of its sizes, None where it is not known.

    Returns:
        Alias to array, for the contract's outputs.

    Raises:
        ContractError: an output is missing, not asked for, not readable, or of another
            dtype or shape.
    """
    wanted = {tensor.name for tensor in signature.outputs}
    extra = [alias for alias in outputs if alias not in wanted]
    if extra:
        raise ContractError(
            f"answer of {signature.name}: expected no output but {_listed(wanted)}, "
            f"got {_listed(extra)}"
        )
    arrays: dict[str, Array] = {}
    sizes: dict[str, int] = {"B": batch}
    if info is not None:
        sizes |= {"D": info.max_detections, "M": info.mask_size}
    for tensor in signature.outputs:
        if tensor.name not in outputs:
            raise ContractError(
                f"answer of {signature.name}: expected the output {tensor.name}, got "
                f"{_listed(outputs)}"
            )
        message = outputs[tensor.name]
        if dtype_name(message.dtype) != tensor.dtype:
            raise ContractError(
                f"answer of {signature.name}: {tensor.name}: expected {tensor.dtype}, "
                f"got {dtype_name(message.dtype)}"
            )
        try:
            _check_shape(tensor, claimed_shape(message), sizes, signature.name)
            arrays[tensor.name] = from_tensor_proto(message)
        except ValueError as err:
            raise ContractError(
                f"answer of {signature.name}: {tensor.name}: {err}"
            ) from err
    return arrays


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    told = ", ".join(shortened(name)[1:-1] for name in ordered[:MOST_NAMES])
    more = len(ordered) - MOST_NAMES
    return (told + f" and {more:,} more" if more > 0 else told) or "none"


def _check_shape(
    tensor: contract.Tensor,
    shape: tuple[int, ...],
    sizes: dict[str, int],
    signature: str,
) -> None:
    """Checks a shape; `sizes` are the letters known so far, and grows."""
    expected = [sizes.get(n, n) if isinstance(n, str) else n for n in tensor.shape]
    fits = len(shape) == len(expected) and all(
        got <= _MOST.get(want, got) if isinstance(want, str) else want == got
        for want, got in zip(expected, shape, strict=True)
    )
    if not fits:
        got = list(shape) if len(shape) <= MOST_NAMES else f"one of rank {len(shape)}"
        raise ContractError(
            f"answer of {signature}: {tensor.name}: expected shape "
            f"[{', '.join(map(str, expected))}], got {got}"
        )
    for letter, size in zip(tensor.shape, shape, strict=True):
        if isinstance(letter, str):
            sizes[letter] = size


def read_detections(
    outputs: Mapping[str, Any],
    signature: contract.Signature,
    sizes: Sequence[tuple[int, int]],
    version: int | None = None,
    info: contract.ModelInfo | None = None,
) -> list[ServedDetections]:
    """Reads the answer to one request.

    Args:
        outputs: alias to TensorProto.
        signature: `serving_default` or `image_tensor` of the contract.
        sizes: (height, width) of the images that were sent, pixels.
        version: the model version that answered.
        info: what that version says of itself, None where it is not known.

    Returns:
        One entry an image, in their order.

    Raises:
        ContractError: the answer does not keep the contract.
    """
    arrays = read_outputs(outputs, signature, len(sizes), info)
    classes = MAX_ROWS if info is None else len(info.classes)
    return [
        _read_row(arrays, row, size, version, classes) for row, size in enumerate(sizes)
    ]


def _read_row(
    arrays: Mapping[str, Array],
    row: int,
    size: tuple[int, int],
    version: int | None,
    classes: int,
) -> ServedDetections:
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
    wrong = ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        raise ContractError(f"answer: scores: expected 0..1, got {scores[wrong][0]}")
    wrong = (class_ids <= 0) | (class_ids >= classes)
    if wrong.any():
        raise ContractError(
            f"answer: class ids: expected >= 1 and < {classes}, the number of classes, "
            f"got {class_ids[wrong][0]}"
        )
    pngs = tuple(arrays[contract.DETECTION_MASKS_PNG.name][row, :count])
    for png, box in zip(pngs, mask_boxes, strict=True):
        check_mask_png(png, int(box[2] - box[0]), int(box[3] - box[1]))
    names = arrays[contract.DETECTION_CLASS_NAMES.name][row, :count]
    return ServedDetections(
        boxes=boxes,
        mask_boxes=mask_boxes,
        class_ids=class_ids,
        class_names=tuple(_name(name) for name in names),
        scores=scores,
        mask_pngs=pngs,
        image_size=size,
        version=version,
    )


def _mask_boxes(boxes: Array, size: tuple[int, int]) -> Array:
    """Rounds boxes and checks that they lie in the image."""
    if not np.all(np.isfinite(boxes)):
        raise ContractError("answer: boxes: expected numbers, got NaN or infinity")
    limit = max(size) + 1.0  # rounding to int32 is undefined far beyond
    rounded = contract.pixel_boxes(np.clip(boxes, -1.0, limit))
    top, left, bottom, right = rounded.T
    inside = (top >= 0) & (top <= bottom) & (bottom <= size[0])
    inside &= (left >= 0) & (left <= right) & (right <= size[1])
    if not inside.all():
        raise ContractError(
            f"answer: boxes: expected (y1, x1, y2, x2) within {list(size)}, got "
            f"{boxes[~inside][0].tolist()}"
        )
    return rounded


def _name(name: bytes) -> str:
    """Returns the name of a class."""
    if len(name) > contract.MAX_NAME_BYTES:
        raise ContractError(
            f"answer: class name: expected at most {contract.MAX_NAME_BYTES} bytes, "
            f"got {len(name):,}"
        )
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError as err:
        raise ContractError(
            f"answer: class name: expected UTF-8, got {shortened(name)}"
        ) from err
    if acting_character(text):
        raise ContractError(
            "answer: class name: expected a name without control characters, got "
            f"{shortened(text)}"
        )
    return text
