"""Errors of the input pipeline, which TensorFlow wraps, as the users' own."""

from __future__ import annotations

import re

import tensorflow as tf

from training.errors import DatasetError, TrainingError

_WRAPPED = re.compile(r"DatasetError: (?P<text>.*?)(?:\nTraceback|\n\n|\Z)", re.DOTALL)


def data_error(err: tf.errors.OpError) -> TrainingError:
    """Returns what a data set said in a worker thread.

    Args:
        err: as the iterator of the batches raised it.
    """
    found = _WRAPPED.search(err.message)
    if found is None:
        return TrainingError(f"the input pipeline failed: {err.message}")
    return DatasetError([found["text"].strip()])


__all__ = ["data_error"]
