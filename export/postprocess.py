"""Finished instances: the network's answer in the frame of the original image."""

from __future__ import annotations

import tensorflow as tf

from models.detections import Detections
from models.masks import round_boxes, to_box
from models.preprocessing import Letterbox, to_image_frame
from serving import contract

PNG_COMPRESSION = 1
"""Masks of two values shrink nearly as far at level 1 as at 6, and sooner."""


def finish(
    found: Detections,
    mask_probs: tf.Tensor,
    box: Letterbox,
    class_names: tf.Tensor,
    *,
    png: bool,
) -> dict[str, tf.Tensor]:
    """Turns the detections of one image into the rows of the contract.

    Rows whose box has no pixel after rounding are dropped, as Matterport drops them.

    Args:
        found: of one image, without the batch dimension.
        mask_probs: float32[D, M, M].
        box: plan of the image.
        class_names: string[C].
        png: give masks as PNG, else as probabilities.

    Returns:
        The contract's outputs without their batch dimension.
    """
    rows_max, mask_size = mask_probs.shape[0], mask_probs.shape[1]
    boxes = to_image_frame(found.boxes_norm[: found.count], box)  # [n, 4]
    corners = round_boxes(boxes)  # int32[n, 4]
    sizes = corners[:, 2:] - corners[:, :2]  # [n, 2]
    kept = tf.where(tf.reduce_all(sizes > 0, axis=1))[:, 0]  # of n
    count = tf.size(kept)

    def pad(rows: tf.Tensor, *shape: int) -> tf.Tensor:
        missing = [[0, rows_max - count]] + [[0, 0]] * len(shape)
        blank = "" if rows.dtype == tf.string else 0
        padded = tf.pad(rows, missing, constant_values=tf.constant(blank, rows.dtype))
        return tf.ensure_shape(padded, (rows_max, *shape))

    class_ids = tf.gather(found.class_ids, kept)  # [kept]
    probs = tf.gather(mask_probs, kept)  # [kept, M, M]
    outputs = {
        contract.NUM_DETECTIONS.name: count,
        contract.DETECTION_BOXES.name: pad(tf.gather(boxes, kept), 4),
        contract.DETECTION_CLASSES.name: pad(class_ids),
        contract.DETECTION_CLASS_NAMES.name: pad(tf.gather(class_names, class_ids)),
        contract.DETECTION_SCORES.name: pad(tf.gather(found.scores, kept)),
        contract.IMAGE_SIZE.name: box.image_size,
    }
    if png:
        masks = encode_masks(probs, tf.gather(sizes, kept))
        outputs[contract.DETECTION_MASKS_PNG.name] = pad(masks)
    else:
        outputs[contract.DETECTION_MASKS.name] = pad(probs, mask_size, mask_size)
    return outputs


def encode_masks(mask_probs: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Draws masks at the size of their boxes and encodes them.

    Args:
        mask_probs: float32[n, M, M].
        sizes: int32[n, 2] (height, width), at least 1.

    Returns:
        string[n], 1-channel PNG of 0 and 255.
    """

    def encode(mask: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        pixels = tf.cast(to_box(*mask), tf.uint8) * 255  # [height, width]
        return tf.io.encode_png(pixels[:, :, None], compression=PNG_COMPRESSION)

    # One at a time: a mask may be as large as the image.
    return tf.map_fn(
        encode,
        (mask_probs, sizes),
        fn_output_signature=tf.TensorSpec((), tf.string),
        parallel_iterations=1,
    )
