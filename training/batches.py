"""Samples to batches, in worker threads, in an order that a seed decides.

What a step sees depends on the seed, the epoch and the position alone, never on which
thread was faster or where a run was taken up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from models.anchors import anchors_px
from models.config import ModelConfig
from models.preprocessing import letterbox, subtract_mean
from training.batch import Batch
from training.examples import Example, ExampleOptions, Sample, make_example

Array = np.ndarray[Any, Any]


def epoch_order(count: int, epoch: int, seed: int, *, shuffle: bool = True) -> Array:
    """Returns int64[count]: the order of an epoch's samples."""
    if not shuffle:
        return np.arange(count)
    return np.random.default_rng([seed, epoch]).permutation(count)


def batches(
    samples: Sequence[Sample],
    config: ModelConfig,
    *,
    batch_size: int,
    epoch: int,
    seed: int,
    options: ExampleOptions | None = None,
    shuffle: bool = True,
    first_step: int = 0,
    workers: int = 2,
) -> tf.data.Dataset:
    """Makes the batches of one epoch; what does not fill a batch is left out.

    Args:
        samples: read when they are needed, one per access, from several threads.
        config: what the network expects; all canvases have one size, as in square mode.
        batch_size: pictures per batch, at most the number of samples.
        epoch: counted from 0.
        seed: decides order, augmentation and the choice of anchors and RoIs.
        options: how examples are made.
        shuffle: False keeps the order of the samples.
        first_step: batches to leave out, where an epoch is taken up again.
        workers: threads that make examples.

    Returns:
        Elements are `Batch`, float32 images with the mean taken off.

    Raises:
        ValueError: fewer samples than a batch, or a mode without one canvas size.
    """
    if not 1 <= batch_size <= len(samples):
        raise ValueError(
            f"batch_size: expected 1 to {len(samples)}, the number of samples, got "
            f"{batch_size}"
        )
    if config.resize_mode != "square":
        raise ValueError(
            "resize_mode: batches need canvases of one size, as mode square gives; got "
            f"{config.resize_mode}"
        )
    options = options or ExampleOptions()
    canvas_size = letterbox(np.array((1, 1), np.int32), config).canvas_size
    anchors = anchors_px(config, canvas_size).numpy()

    def load(index: Array) -> tuple[Array, ...]:
        rng = np.random.default_rng([seed, epoch, int(index)])
        return make_example(samples[int(index)], config, anchors, rng, options)

    specs = _specs(canvas_size.numpy(), len(anchors), options)

    def mapped(index: tf.Tensor) -> Example:
        arrays = tf.numpy_function(load, [index], [spec.dtype for spec in specs])
        pairs = zip(arrays, specs, strict=True)
        return Example(*(tf.ensure_shape(array, spec.shape) for array, spec in pairs))

    def finish(example: Example) -> Batch:
        images = subtract_mean(example.canvas, config)
        return Batch(images, *example[1:])

    order = epoch_order(len(samples), epoch, seed, shuffle=shuffle)
    steps = len(samples) // batch_size
    order = order[first_step * batch_size : steps * batch_size]
    return (
        tf.data.Dataset.from_tensor_slices(order)
        .map(mapped, num_parallel_calls=workers, deterministic=True)
        .batch(batch_size, drop_remainder=True)
        .map(finish)
        .prefetch(2)
    )


def _specs(canvas_size: Array, anchors: int, options: ExampleOptions) -> Example:
    height, width = (int(side) for side in canvas_size)
    count, side = options.max_instances, options.mini_mask_size
    return Example(
        tf.TensorSpec((height, width, 3), tf.uint8),
        tf.TensorSpec((4,), tf.int32),
        tf.TensorSpec((count,), tf.int32),
        tf.TensorSpec((count, 4), tf.float32),
        tf.TensorSpec((count, side, side), tf.bool),
        tf.TensorSpec((anchors,), tf.int8),
        tf.TensorSpec((options.anchors_per_image, 4), tf.float32),
        tf.TensorSpec((2,), tf.int32),
        tf.TensorSpec((height, width), tf.uint8),
    )


__all__ = ["batches", "epoch_order"]
