"""Reloads a saved model as TensorFlow Serving does and compares it with the network.

The comparison is of sets: near-tied scores may swap rows, and a row whose score lies on
the threshold may appear on one side only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export.errors import ExportError
from export.module import ServingModule
from export.precisions.precision import Precision, Tolerances
from export.sample import sample_image
from models.mask_rcnn import MaskRCNN
from models.preprocessing import NONE_MULTIPLE
from serving import contract

Array = np.ndarray[Any, Any]
Rows = dict[str, Array]

IMAGE_SIZES = ((480, 640), (333, 257), (512, 512))


@dataclass(frozen=True)
class Agreement:
    """What a verification compared.

    Attributes:
        images: run through every signature.
        instances: that the network found in them.
        lost: of those, the ones without a partner in the saved model's answers.
    """

    images: int
    instances: int
    lost: int


class SavedModel:
    """A saved model in a session of its own, as TensorFlow Serving holds it."""

    def __init__(self, folder: Path) -> None:
        graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            meta_graph = tf.compat.v1.saved_model.loader.load(
                self._session, [tf.saved_model.SERVING], str(folder)
            )
        self._signatures = meta_graph.signature_def

    def __call__(self, signature: str, value: Any) -> Rows:
        """Runs a signature with its one input."""
        found = self._signatures[signature]
        name = contract.SIGNATURES[signature].inputs[0].name
        outputs = {alias: tensor.name for alias, tensor in found.outputs.items()}
        return self._session.run(outputs, {found.inputs[name].name: value})

    def close(self) -> None:
        """Frees the session."""
        self._session.close()


def verify_features(network: MaskRCNN, served: MaskRCNN, precision: Precision) -> float:
    """Compares features before and after a precision's passes over the weights.

    Returns:
        The largest difference, per unit of the largest feature.

    Raises:
        ExportError: it is above the precision's tolerance.
    """
    image = sample_image(1, 128, 128).astype(np.float32)[None] - 128
    worst = 0.0
    for before, after in zip(network.models, served.models, strict=True):
        if before is network.trunk:
            x = image
        else:
            shape = (2, *before.input_shape[1:])
            x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
        expected = tf.nest.flatten(before(x, training=False))
        got = tf.nest.flatten(after(x, training=False))
        for e, g in zip(expected, got, strict=True):
            if not (np.isfinite(e).all() and np.isfinite(g).all()):
                raise ExportError(
                    f"the network's {before.name} computes NaN or infinite numbers; "
                    "the checkpoint is damaged"
                )
            scale = max(1.0, float(np.abs(e).max()))
            worst = max(worst, float(np.abs(e - g).max()) / scale)
    if worst > precision.tolerances.feature_error:
        passes = " and ".join(one.name for one in precision.passes)
        raise ExportError(
            f"{passes} changed features by {worst:.2g} of their range, expected at "
            f"most {precision.tolerances.feature_error}; the checkpoint's statistics "
            f"are too extreme for {precision.name}"
        )
    return worst


def verify(
    folder: Path,
    network: MaskRCNN,
    info: contract.ModelInfo,
    image: Array | None,
    tolerances: Tolerances,
) -> Agreement:
    """Runs images through every signature of a saved model and compares.

    Args:
        folder: of the saved model.
        network: the Keras model it was made from, before any pass over the weights.
        info: what `model_info` must answer.
        image: uint8[H, W, 3] to run; without it, generated ones, until one has
            instances.
        tolerances: of the precision that is served.

    Raises:
        ExportError: stored weights, signatures or results differ.
    """
    try:
        saved = SavedModel(folder)
    except Exception as err:
        raise ExportError(f"{folder}: the saved model does not load: {err}") from err
    try:
        answer = saved(contract.MODEL_INFO, [b"", b""])[contract.MODEL_INFO_JSON.name]
        if [contract.ModelInfo.from_json(text) for text in answer] != [info] * 2:
            raise ExportError(
                f"model_info: got {answer[0]!r}, expected {info.to_json()}"
            )
        reference = ServingModule(network, info)
        images = (
            [sample_image(i, *size) for i, size in enumerate(IMAGE_SIZES)]
            if image is None
            else [image]
        )
        if network.config.resize_mode == "none":
            images = [_crop_to_multiple(p, NONE_MULTIPLE) for p in images]
        report = Agreement(0, 0, 0)
        for one in images:
            report = _add(report, _verify_image(saved, reference, one, tolerances))
            if report.instances:
                break
    finally:
        saved.close()
    return report


def _verify_image(
    saved: SavedModel, reference: ServingModule, image: Array, tolerances: Tolerances
) -> Agreement:
    encoded = [tf.io.encode_png(image).numpy()]
    # The functions below the signatures, eagerly: no graph, no optimiser, no file.
    with_png = _numpy(reference.serving_default.python_function(tf.constant(encoded)))
    with_probs = _numpy(reference.roi_masks.python_function(tf.constant(encoded)))
    found, lost = int(with_png[contract.NUM_DETECTIONS.name][0]), 0
    runs: list[tuple[str, Any, Rows, Callable[..., bool]]] = [
        (contract.SERVING_DEFAULT, encoded, with_png, _same_png),
        (contract.IMAGE_TENSOR, image[None], with_png, _same_png),
        (contract.ROI_MASKS, encoded, with_probs, _same_probs),
    ]
    for signature, value, expected, same_mask in runs:
        got = saved(signature, value)
        _check_form(signature, got, reference.info)
        size = contract.IMAGE_SIZE.name
        if not np.array_equal(got[size], expected[size]):
            raise ExportError(
                f"{signature}: expected image_size {expected[size].tolist()}, got "
                f"{got[size].tolist()}"
            )
        threshold = reference.info.score_threshold
        missing = _missing(expected, got, threshold, same_mask, tolerances)
        extra = _missing(got, expected, threshold, same_mask, tolerances)
        worst = max(missing, extra)
        if worst > max(1, tolerances.lost_share * found):
            raise ExportError(
                f"{signature}: the saved model does not compute what the network "
                f"computes: of {found} instances {missing} are missing or differ, and "
                f"it has {extra} others; nothing was published"
            )
        lost = max(lost, worst)
    return Agreement(1, found, lost)


def _check_form(signature: str, got: Rows, info: contract.ModelInfo) -> None:
    """Checks outputs against the contract: names, types and shapes."""
    sizes = {"B": 1, "D": info.max_detections, "M": info.mask_size}
    for tensor in contract.SIGNATURES[signature].outputs:
        array = got.get(tensor.name)
        shape = tuple(n if isinstance(n, int) else sizes[n] for n in tensor.shape)
        dtype = "object" if tensor.dtype == "string" else tensor.dtype
        if array is None or array.shape != shape or array.dtype != dtype:
            what = "nothing" if array is None else f"{array.dtype}{list(array.shape)}"
            raise ExportError(
                f"{signature}: {tensor.name}: expected {tensor.dtype}{list(shape)}, "
                f"got {what}"
            )


def _missing(
    expected: Rows,
    got: Rows,
    threshold: float,
    same_mask: Callable[[Rows, int, Rows, int, Tolerances], bool],
    tolerances: Tolerances,
) -> int:
    """Counts rows of `expected` without a partner in `got`."""
    boxes, classes = contract.DETECTION_BOXES.name, contract.DETECTION_CLASSES.name
    scores, count = contract.DETECTION_SCORES.name, contract.NUM_DETECTIONS.name
    free = set(range(int(got[count][0])))
    missing = 0
    for row in range(int(expected[count][0])):
        score = expected[scores][0, row]
        partner = next(
            (
                other
                for other in sorted(free)
                if got[classes][0, other] == expected[classes][0, row]
                and abs(got[scores][0, other] - score) <= tolerances.score_error
                and _iou(got[boxes][0, other], expected[boxes][0, row])
                >= tolerances.box_iou
                and same_mask(expected, row, got, other, tolerances)
            ),
            None,
        )
        if partner is not None:
            free.remove(partner)
        elif score > threshold + tolerances.score_error:
            missing += 1
    return missing


def _iou(a: Array, b: Array) -> float:
    height, width = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    overlap = max(0.0, float(height)) * max(0.0, float(width))
    areas = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])
    return overlap / max(float(areas) - overlap, 1e-9)


def _same_png(a: Rows, row_a: int, b: Rows, row_b: int, tolerances: Tolerances) -> bool:
    first, second = (
        tf.io.decode_png(rows[contract.DETECTION_MASKS_PNG.name][0, row]).numpy() > 0
        for rows, row in ((a, row_a), (b, row_b))
    )
    if first.shape != second.shape:  # one box side rounded the other way
        height, width = np.minimum(first.shape, second.shape)[:2]
        first, second = first[:height, :width], second[:height, :width]
    union = np.count_nonzero(first | second)
    return bool(np.count_nonzero(first & second) >= tolerances.mask_iou * union)


def _same_probs(
    a: Rows, row_a: int, b: Rows, row_b: int, tolerances: Tolerances
) -> bool:
    first, second = (
        rows[contract.DETECTION_MASKS.name][0, row]
        for rows, row in ((a, row_a), (b, row_b))
    )
    # The outermost samples of a box on the canvas border depend on the last bit.
    difference = np.abs(first - second)[2:-2, 2:-2]
    return bool(
        np.quantile(difference, tolerances.mask_iou) <= tolerances.mask_prob_error
    )


def _numpy(outputs: Mapping[str, Any]) -> Rows:
    return {name: tensor.numpy() for name, tensor in outputs.items()}


def _crop_to_multiple(image: Array, step: int) -> Array:
    height, width = (n // step * step for n in image.shape[:2])
    return image[:height, :width]


def _add(a: Agreement, b: Agreement) -> Agreement:
    return Agreement(a.images + b.images, a.instances + b.instances, a.lost + b.lost)
