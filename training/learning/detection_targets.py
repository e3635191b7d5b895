"""Which proposals the heads learn from, and what (Faster R-CNN section 3.2).

Runs in the graph, image by image, as proposals exist only there. Equal to
Matterport's `detection_targets_graph` with its defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from models import boxes as box_ops
from training.config.groups import Rois
from training.pipeline.neutral import MAX_NEUTRAL_SHARE, neutral_share_norm

POSITIVE_IOU = 0.5
CROWD_IOU = 0.001
"""Proposals that overlap a crowd this much are no negatives."""

Shuffle = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(int64[n] rows, int32[2] seed) -> the rows in random order."""


class DetectionTargets(NamedTuple):
    """Sampled RoIs, positives first, then negatives, rows past `count` zero.

    Nobody tells the padding by its zeros. The box and the mask loss read the rows whose
    class id is above 0, which are the positives; the class loss reads all rows, as
    Matterport's does, or those before `count` (`training.learning.losses.head_losses`).

    Attributes:
        rois: float32[B, R, 4] boxes_norm.
        class_ids: int32[B, R], 0 (background) for negatives and padding.
        deltas: float32[B, R, 4] over `delta_std`, zero for negatives.
        masks: float32[B, P, M, M], 0 or 1, of the first P = max_positives rows.
        mask_weights: float32[B, P, M, M], 1 where a pixel counts: 0 past the positives
            and on neutral pixels.
        count: int32[B], RoIs that are not padding.
    """

    rois: tf.Tensor
    class_ids: tf.Tensor
    deltas: tf.Tensor
    masks: tf.Tensor
    mask_weights: tf.Tensor
    count: tf.Tensor


class Truth(NamedTuple):
    """Objects of a batch (without the leading B: of an image).

    Attributes:
        class_ids: int32[B, G], negative for crowds, 0 for padding: that is the
            background's, which no object has.
        boxes_norm: float32[B, G, 4].
        masks: bool or uint8[B, G, m, m], in the frame of their boxes.
        neutral: uint8[B, H, W] or None.
    """

    class_ids: tf.Tensor
    boxes_norm: tf.Tensor
    masks: tf.Tensor
    neutral: tf.Tensor | None = None


def stateless_shuffle(rows: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Shuffles rows, the same way for the same seed on every device."""
    return tf.random.experimental.stateless_shuffle(rows, seed)


def detection_targets(
    proposals: tf.Tensor,
    truth: Truth,
    seeds: tf.Tensor,
    *,
    sampling: Rois,
    delta_std: tuple[float, ...],
    mask_size: int,
    shuffle: Shuffle = stateless_shuffle,
) -> DetectionTargets:
    """Samples RoIs of every image and encodes what they should predict.

    Gradients flow from `deltas` into `proposals` unless the caller stops them.

    Args:
        proposals: float32[B, K, 4] boxes_norm; rows of zeros are left out.
        truth: the objects.
        seeds: int32[B, 2], one per image.
        sampling: how many RoIs, and which.
        delta_std: the box head's four divisors.
        mask_size: M, side of the mask targets.
        shuffle: for tests; puts candidates into random order.
    """

    def one(image: tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]) -> Any:
        boxes, seed, objects = image
        rule = _Rule(sampling, delta_std, mask_size, shuffle)
        return _image_targets(boxes, Truth(**objects), seed, rule)

    boxes_shape = (None, None, 4)
    proposals = tf.ensure_shape(proposals, boxes_shape)
    truth = truth._replace(boxes_norm=tf.ensure_shape(truth.boxes_norm, boxes_shape))
    # map_fn takes no None.
    present = {name: x for name, x in truth._asdict().items() if x is not None}

    rows, positives = sampling.per_image, sampling.max_positives
    masks = tf.TensorSpec((positives, mask_size, mask_size), tf.float32)
    spec = DetectionTargets(
        tf.TensorSpec((rows, 4), tf.float32),
        tf.TensorSpec((rows,), tf.int32),
        tf.TensorSpec((rows, 4), tf.float32),
        masks,
        masks,
        tf.TensorSpec((), tf.int32),
    )
    return tf.map_fn(one, (proposals, seeds, present), fn_output_signature=spec)


class _Rule(NamedTuple):
    """The arguments of `detection_targets` that are no tensors."""

    sampling: Rois
    delta_std: tuple[float, ...]
    mask_size: int
    shuffle: Shuffle


def _image_targets(
    proposals: tf.Tensor, truth: Truth, seed: tf.Tensor, rule: _Rule
) -> DetectionTargets:
    sampling = rule.sampling
    objects = tf.where(truth.class_ids > 0)[:, 0]  # [g] of G
    boxes = tf.gather(truth.boxes_norm, objects)  # [g, 4]
    if sampling.append_truth:
        proposals = tf.concat([boxes, proposals], axis=0)  # [g + K, 4]
    # A row of zeros is padding, or a proposal that was clipped to nothing at the
    # canvas' corner: without area it is no positive, and as a negative teaches nothing.
    real = tf.reduce_any(tf.not_equal(proposals, 0), axis=-1)  # bool[K or g + K]
    proposals = tf.boolean_mask(proposals, real)  # [k, 4]
    # [k, g + 1]: one column more, so that there is a best one where there is no object.
    overlaps = box_ops.iou(tf.stop_gradient(proposals), boxes)
    overlaps = tf.pad(overlaps, [[0, 0], [0, 1]], constant_values=-1.0)
    positive, negative = _sample(proposals, overlaps, truth, seed, rule)
    rois = tf.gather(proposals, positive)  # [p, 4]
    own = tf.argmax(tf.gather(overlaps, positive), axis=1)  # [p] of g
    own_boxes = tf.gather(boxes, own)  # [p, 4]
    own_rows = tf.gather(objects, own)  # [p] of G
    deltas = box_ops.encode_deltas(rois, own_boxes)  # [p, 4]
    deltas /= tf.constant(rule.delta_std, tf.float32)
    numbers = tf.range(tf.size(positive))
    masks = _crop(  # [p, M, M]
        tf.gather(truth.masks, own_rows),
        _inside(rois, own_boxes),
        numbers,
        rule.mask_size,
    )
    weights = tf.ones_like(masks)
    if truth.neutral is not None:
        ignored = tf.cast(truth.neutral[None], tf.bool)  # [1, H, W]
        weights -= _crop(ignored, rois, tf.zeros_like(numbers), rule.mask_size)

    def pad(x: tf.Tensor, count: int) -> tf.Tensor:
        missing = [[0, count - tf.shape(x)[0]]] + [[0, 0]] * (len(x.shape) - 1)
        return tf.ensure_shape(tf.pad(x, missing), (count, *x.shape[1:]))

    all_rows = sampling.per_image
    return DetectionTargets(
        pad(tf.concat([rois, tf.gather(proposals, negative)], axis=0), all_rows),
        pad(tf.gather(truth.class_ids, own_rows), all_rows),
        pad(deltas, all_rows),
        pad(masks, sampling.max_positives),
        pad(weights, sampling.max_positives),
        tf.size(positive, tf.int32) + tf.size(negative, tf.int32),
    )


def _sample(
    proposals: tf.Tensor,
    overlaps: tf.Tensor,
    truth: Truth,
    seed: tf.Tensor,
    rule: _Rule,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns int64 rows of the proposals that are positives and negatives."""
    sampling, shuffle = rule.sampling, rule.shuffle
    best = tf.reduce_max(overlaps, axis=1)  # [k]
    candidate = best < POSITIVE_IOU
    crowds = tf.boolean_mask(truth.boxes_norm, truth.class_ids < 0)  # [crowds, 4]
    overlaps = box_ops.iou(tf.stop_gradient(proposals), crowds)  # [k, crowds]
    candidate &= tf.reduce_max(overlaps, axis=1) < CROWD_IOU
    if truth.neutral is not None:
        share = neutral_share_norm(proposals, truth.neutral)
        candidate &= share <= MAX_NEUTRAL_SHARE
    positive = shuffle(tf.where(best >= POSITIVE_IOU)[:, 0], seed)
    positive = positive[: sampling.max_positives]
    count = tf.size(positive)
    if sampling.fill_negatives:
        wanted = sampling.per_image - count
    else:
        ratio = tf.cast(1.0 / sampling.positive_ratio, tf.float32)
        wanted = tf.cast(ratio * tf.cast(count, tf.float32), tf.int32) - count
    negative = shuffle(tf.where(candidate)[:, 0], seed + 1)
    return positive, negative[:wanted]


def _inside(rois: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """Returns float32[n, 4]: `rois` in the frame of `boxes`, where those are 0..1."""
    origin, size = boxes[:, :2], boxes[:, 2:] - boxes[:, :2]
    return tf.concat(
        [(rois[:, :2] - origin) / size, (rois[:, 2:] - origin) / size], axis=1
    )


def _crop(
    maps: tf.Tensor, boxes_norm: tf.Tensor, indices: tf.Tensor, size: int
) -> tf.Tensor:
    """Returns float32[n, size, size]: 0/1 maps sampled inside boxes, rounded."""
    crops = tf.image.crop_and_resize(  # [n, size, size, 1]
        tf.cast(maps, tf.float32)[..., None],
        tf.stop_gradient(boxes_norm),
        indices,
        (size, size),
    )
    return tf.round(crops[..., 0])  # [n, size, size]
