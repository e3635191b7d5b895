"""Samples to batches, in worker threads, in an order that a seed decides.

What a step sees depends on the seed, the epoch and the position alone, never on which
thread was faster or where a run was taken up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from models.anchors import anchors_px
from models.config import ModelConfig
from models.preprocessing import letterbox, subtract_mean
from training.config.groups import Augmentation
from training.pipeline.batch import Batch
from training.pipeline.examples import Example, Samples, make_example
from training.pipeline.mini_masks import MINI_MASK_SIZE
from training.pipeline.rpn_targets import ANCHORS_PER_IMAGE

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shard:
    """Which share of every step is wanted.

    Attributes:
        replicas: of the whole training.
        first: number of the first one whose batches are wanted.
        count: of replicas from there.
    """

    replicas: int = 1
    first: int = 0
    count: int = 1


ONE_REPLICA = Shard()
UNCHANGED = Augmentation()


def epoch_order(count: int, epoch: int, seed: int, *, shuffle: bool = True) -> Array:
    """Returns int64[count]: the order of an epoch's samples."""
    if not shuffle:
        return np.arange(count)
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(
    samples: Samples,
    config: ModelConfig,
    *,
    batch_size: int,
    epoch: int,
    seed: int,
    max_instances: int,
    augmentation: Augmentation = UNCHANGED,
    epochs: int = 1,
    shuffle: bool = True,
    first_step: int = 0,
    workers: int = 2,
    drop_remainder: bool = True,
    with_neutral: bool = True,
    shard: Shard = ONE_REPLICA,
) -> tf.data.Dataset:
    """Makes the batches of some epochs.

    Args:
        samples: read when they are needed, one per access, from several threads.
        config: what the network expects; all canvases have one size, as in square mode.
        batch_size: images per batch of one replica.
        epoch: the first one, counted from 0.
        seed: decides order, augmentation and the choice of anchors and RoIs.
        max_instances: of an image; a random choice of them where there are more.
        augmentation: random changes.
        epochs: how many of them, one after the other without a pause.
        shuffle: False keeps the order of the samples.
        first_step: steps to leave out, where the first epoch is taken up again.
        workers: threads that make examples; 0 makes them when they are asked for.
        drop_remainder: leaves out what does not fill a step; False is for one replica.
        with_neutral: False leaves the neutral pixels out, where no sample has any.
        shard: the replicas whose batches are wanted; they come in turn, step by step.

    Returns:
        Elements are `Batch`, float32 images with the mean taken off.

    Raises:
        ValueError: fewer samples than a step needs, or a mode without one canvas size.
    """
    _check(samples, config, batch_size * shard.replicas, drop_remainder=drop_remainder)
    canvas_size = letterbox(np.array((1, 1), np.int32), config).canvas_size
    anchors = anchors_px(config, canvas_size).numpy()

    def order(number: Array) -> Array:
        """Returns int64[n, 2]: (epoch, sample) of an epoch's examples."""
        rows = epoch_order(len(samples), int(number), seed, shuffle=shuffle)
        if int(number) == epoch:
            rows = rows[first_step * batch_size * shard.replicas :]
        if drop_remainder:
            rows = _shared(rows, batch_size, shard)
        return np.stack([np.full_like(rows, number), rows], axis=1)

    def order_of(number: tf.Tensor) -> tf.data.Dataset:
        rows = tf.numpy_function(order, [number], tf.int64)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(rows, (None, 2)))

    def load(place: Array) -> tuple[Array, ...]:
        rng = np.random.default_rng([seed, *place.tolist()])
        sample = samples[int(place[1])]
        return make_example(sample, config, anchors, rng, augmentation, max_instances)

    specs = _specs(canvas_size.numpy(), len(anchors), max_instances)

    def mapped(place: tf.Tensor) -> Example:
        arrays = tf.numpy_function(load, [place], [spec.dtype for spec in specs])
        pairs = zip(arrays, specs, strict=True)
        return Example(*(tf.ensure_shape(array, spec.shape) for array, spec in pairs))

    def finish(example: Example) -> Batch:
        images = subtract_mean(example.canvas, config)
        batch = Batch(images, *example[1:])
        return batch if with_neutral else batch._replace(neutral=None)

    examples = tf.data.Dataset.range(epoch, epoch + epochs).flat_map(order_of)
    if workers:
        examples = examples.map(mapped, num_parallel_calls=workers, deterministic=True)
    else:
        examples = examples.map(mapped)
    made = examples.batch(batch_size, drop_remainder=drop_remainder).map(finish)
    return made.prefetch(2) if workers else made


def _check(
    samples: Samples, config: ModelConfig, step_size: int, *, drop_remainder: bool
) -> None:
    if not 1 <= step_size <= len(samples) and drop_remainder:
        raise ValueError(
            f"batch_size: expected 1 to {len(samples)}, the number of samples, got "
            f"{step_size} for a step"
        )
    if config.resize_mode != "square":
        raise ValueError(
            "resize_mode: batches need canvases of one size, as mode square gives; got "
            f"{config.resize_mode}"
        )


def _shared(rows: Array, batch_size: int, shard: Shard) -> Array:
    """Returns the rows of a shard's replicas, without what does not fill a step."""
    whole = len(rows) // (batch_size * shard.replicas) * batch_size * shard.replicas
    steps = rows[:whole].reshape(-1, shard.replicas, batch_size)
    return steps[:, shard.first : shard.first + shard.count].reshape(-1)


def _specs(canvas_size: Array, anchors: int, count: int) -> Example:
    height, width = (int(side) for side in canvas_size)
    return Example(
        tf.TensorSpec((height, width, 3), tf.uint8),
        tf.TensorSpec((4,), tf.int32),
        tf.TensorSpec((count,), tf.int32),
        tf.TensorSpec((count, 4), tf.float32),
        tf.TensorSpec((count, MINI_MASK_SIZE, MINI_MASK_SIZE), tf.bool),
        tf.TensorSpec((anchors,), tf.int8),
        tf.TensorSpec((ANCHORS_PER_IMAGE, 4), tf.float32),
        tf.TensorSpec((2,), tf.int32),
        tf.TensorSpec((height, width), tf.uint8),
    )
