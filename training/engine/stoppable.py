"""Samples that are not read any more once a training is to stop."""

from __future__ import annotations

from collections.abc import Callable

from training.errors import TrainingError
from training.pipeline.examples import LabelledPixels, Samples


class StoppableSamples:
    """Passes samples on until it is asked to stop.

    A pipeline that is let go waits for the batches that it has begun; this way it does
    not begin others.
    """

    def __init__(self, samples: Samples, is_stopped: Callable[[], bool]) -> None:
        """Takes samples.

        Args:
            samples: to pass on.
            is_stopped: asked from many threads, before each sample.
        """
        self._samples = samples
        self._is_stopped = is_stopped

    def __len__(self) -> int:
        """Returns how many there are."""
        return len(self._samples)

    def __getitem__(self, index: int) -> LabelledPixels:
        """Returns one.

        Raises:
            TrainingError: the training is to stop.
        """
        if self._is_stopped():
            raise TrainingError("the training was stopped")
        return self._samples[index]
