"""The losses of the whole validation set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from training.engine.input_errors import data_error
from training.learning.losses import Losses
from training.learning.network import TrainingNetwork
from training.pipeline.batch import Batch
from training.pipeline.batches import batches
from training.pipeline.examples import Samples


class InterruptedValidationError(Exception):
    """A validation was given up, as somebody asked the training to stop."""


class Validation:
    """Runs the validation set through a network that is learning.

    Nothing of it is random from one call to the next: the RoIs that are sampled of a
    image are decided by the seed, and by where the proposals lie.
    """

    def __init__(
        self,
        training: TrainingNetwork,
        samples: Samples,
        *,
        with_neutral: bool,
    ) -> None:
        self._training = training
        self._samples = samples
        self._with_neutral = with_neutral
        self._sums = tf.function(self._batch_sums, reduce_retracing=True)

    def losses(self, go_on: Callable[[], None]) -> dict[str, float]:
        """Returns the sum of the losses as "loss", and the five by name.

        Each is the mean over all that was sampled in the set, whatever the batch size.

        Args:
            go_on: called before each batch; what it raises ends the validation.

        Raises:
            TrainingError: an image cannot be read any more.
        """
        config = self._training.config
        made = batches(
            self._samples,
            self._training.network.config,
            batch_size=config.batch_size.val,
            epoch=0,
            seed=config.seed,
            max_instances=config.max_instances,
            shuffle=False,
            workers=config.data_workers.val,
            drop_remainder=False,
            with_neutral=self._with_neutral,
        )
        try:
            parts = []
            for batch in made:
                go_on()
                parts.append(self._sums(batch).numpy())
            sums = np.sum(parts, axis=0)
        except tf.errors.OpError as err:
            raise data_error(err) from err
        # [2, 5]: totals, counts
        means = np.divide(sums[0], sums[1], out=np.zeros(5), where=sums[1] > 0)
        named = zip(Losses._fields, means.tolist(), strict=True)
        return {"loss": float(means.sum()), **dict(named)}

    def _batch_sums(self, batch: Batch) -> tf.Tensor:
        forward = self._training.forward(batch, learning=False)
        means = self._training.means(batch, forward)
        return tf.stack([[m.total for m in means], [m.count for m in means]])
