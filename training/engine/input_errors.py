"""Errors that TensorFlow raises or wraps, as the users' own."""

from __future__ import annotations

import re

import tensorflow as tf

from training.errors import DatasetError, TrainingError

_WRAPPED = re.compile(r"DatasetError: (?P<text>.*?)(?:\nTraceback|\n\n|\Z)", re.DOTALL)


def data_error(err: tf.errors.OpError) -> TrainingError:
    """Returns what a data set said in a worker thread, or that memory is used up.

    Args:
        err: as the iterator of the batches, or a step, raised it.
    """
    found = _WRAPPED.search(err.message)
    if found is not None:
        return DatasetError([found["text"].strip()])
    reason = err.message.strip().partition("\n")[0]
    if isinstance(err, tf.errors.ResourceExhaustedError):
        return TrainingError(
            f"out of memory: {reason}; use a smaller batch_size or input_size.max_dim, "
            'or "precision": "bfloat16"; checkpoints that are there are whole'
        )
    return TrainingError(f"TensorFlow failed: {reason}; --debug shows all of it")
