"""The training loop: steps, validations, checkpoints.

A loop of our own under `tf.distribute`, not `keras.Model.fit`: losses are means over
what was sampled on all devices, which `fit` cannot divide by, and Keras 3 has no
multi-worker `fit`.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from training.config.train_config import TrainConfig
from training.datasets.splits import Splits
from training.engine.curves import CURVES_NAME, draw_curves
from training.engine.devices import local_shard
from training.engine.input_errors import data_error
from training.engine.metrics import CSV_NAME, Metrics
from training.engine.plan import Plan
from training.engine.progress import Listener
from training.engine.run_state import RunState
from training.engine.stoppable import StoppableSamples
from training.engine.validation import InterruptedValidationError
from training.errors import TrainingError
from training.learning.losses import Losses
from training.learning.network import TrainingNetwork
from training.learning.optimizers import apply_gradients
from training.pipeline.batch import Batch
from training.pipeline.batches import batches, epoch_order
from training.weights.checkpoint_config import training_entry
from training.weights.checkpoints import Checkpoints
from training.weights.writing import writing_output

_ADVICE = (
    "use a lower lr, or a longer schedule.warmup_steps; the checkpoints before are "
    "whole"
)
_COLUMNS = (*Losses._fields, "loss", "l2", "gradient_norm", "lr")


@dataclass(frozen=True)
class Learner:
    """A network that learns, with its optimiser, built in the scope of its strategy."""

    training: TrainingNetwork
    optimizer: Any
    strategy: tf.distribute.Strategy


@dataclass(frozen=True)
class Keeper:
    """What the process that writes the files has; the others have none.

    Attributes:
        checkpoints: where weights go.
        metrics: where numbers go.
        checkpoint_config: content of config.json, but for how a checkpoint came about.
        validate: gives the columns of a validation; is told whether to stop.
        output: of the training.
        initial_weights: what it began with, None for random ones.
    """

    checkpoints: Checkpoints
    metrics: Metrics
    checkpoint_config: Mapping[str, Any]
    validate: Callable[[Callable[[], bool]], dict[str, float]]
    output: Path
    initial_weights: Path | None = None


class Loop:
    """Runs a training from where its state stands."""

    def __init__(
        self,
        config: TrainConfig,
        splits: Splits,
        learner: Learner,
        plan: Plan,
        state: RunState,
        keeper: Keeper | None,
        listener: Listener,
    ) -> None:
        self._config = config
        self._splits = splits
        self._learner = learner
        self._plan = plan
        self.state = state
        self._keeper = keeper
        self._listener = listener
        self._saved_step = state.step
        self._step = _make_step(learner)
        self._begun = time.monotonic() - state.seconds
        self._is_stopped: Callable[[], bool] = lambda: False
        self._ended = threading.Event()

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Trains to the end, or until it is asked to stop; then saves.

        A validation that is under way then is given up, and made when the training is
        taken up again.

        Raises:
            TrainingError: a loss is not finite, data cannot be read any more, or files
                cannot be written.
        """
        self._is_stopped = is_stopped
        if self.state.owes_validation:
            is_best = self._validate()
            if is_best is not None:
                self._save(is_best=is_best)
        if self.state.step < self._plan.total:
            made = iter(self._batches())
            try:
                while not is_stopped() and (batch := self._next(made)) is not None:
                    self._train(batch)
            finally:
                self._ended.set()
        if self.state.step != self._saved_step:
            self._save(is_best=False)

    def _batches(self) -> Any:
        strategy = self._learner.strategy
        epoch, first_step = divmod(self.state.step, self._plan.per_epoch)

        def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return batches(
                StoppableSamples(self._splits.train, self._ended.is_set),
                self._learner.training.network.config,
                batch_size=self._config.batch_size.train,
                epoch=epoch,
                epochs=self._config.epochs - epoch,
                seed=self._config.seed,
                max_instances=self._config.max_instances,
                augmentation=self._config.augmentation,
                first_step=first_step,
                workers=self._config.data_workers.train,
                with_neutral=self._splits.classes.neutral is not None,
                shard=local_shard(strategy, context),
            )

        if strategy.num_replicas_in_sync == 1:
            return make(tf.distribute.InputContext())
        return strategy.distribute_datasets_from_function(make)

    def _next(self, made: Iterator[Batch]) -> Batch | None:
        begun = time.monotonic()
        try:
            return next(made, None)
        except tf.errors.OpError as err:
            raise data_error(err) from err
        finally:
            waited = self.state.waited + time.monotonic() - begun
            self.state = dataclasses.replace(self.state, waited=waited)

    def _train(self, batch: Batch) -> None:
        try:
            numbers = self._step(batch).numpy().tolist()
        except tf.errors.OpError as err:
            raise data_error(err) from err
        values = dict(zip(_COLUMNS, numbers, strict=True))
        step = self.state.step + 1
        if not all(map(math.isfinite, values.values())):
            raise TrainingError(self._not_finite(step, values))
        seconds = time.monotonic() - self._begun
        self.state = dataclasses.replace(self.state, step=step, seconds=seconds)
        self._add_row("train", values)
        self._listener.step(step, values)
        plan = self._plan
        is_best = bool(plan.is_due(step, plan.val_every) and self._validate())
        if is_best or plan.is_due(step, plan.save_every):
            self._save(is_best=is_best)

    def _validate(self) -> bool | None:
        """Validates, and says whether nothing before was better; None if given up."""
        if self._keeper is None:
            return False
        try:
            values = self._keeper.validate(self._is_stopped)
        except InterruptedValidationError:
            self.state = dataclasses.replace(self.state, owes_validation=True)
            self._listener.say("validation given up; --resume begins with it")
            return None
        self.state = dataclasses.replace(self.state, owes_validation=False)
        if not math.isfinite(values["loss"]):
            raise TrainingError(
                f"step {self.state.step}: the loss of the validation set is "
                f"{values['loss']}; {_ADVICE}"
            )
        self._add_row("val", values)
        value = values[self._config.best_metric]
        sign = -1 if self._config.best_metric == "loss" else 1
        best = self.state.best
        is_best = best is None or sign * value > sign * best
        if is_best:
            self.state = dataclasses.replace(self.state, best=value)
        epoch = self.state.step / self._plan.per_epoch
        text = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        self._listener.say(f"epoch {epoch:.2f}  validation  {text}")
        return is_best

    def _save(self, *, is_best: bool) -> None:
        keeper = self._keeper
        self._saved_step = self.state.step
        if keeper is None:
            return
        if is_best:
            number = keeper.checkpoints.next_number()
            self.state = dataclasses.replace(self.state, best_number=number)
        keeper.metrics.flush()
        learner = self._learner
        epoch = self.state.step / self._plan.per_epoch
        path = keeper.checkpoints.save(
            learner.training.network,
            {
                **keeper.checkpoint_config,
                **training_entry(epoch, self.state.step, keeper.initial_weights),
            },
            self.state.to_arrays(learner.optimizer.variables),
            is_best=is_best,
        )
        best = ", the best so far" if is_best else ""
        place = f"epoch {epoch:.2f}, step {self.state.step}"
        self._listener.say(f"saved {path} ({place}{best})")
        curves = keeper.output / CURVES_NAME
        with writing_output(curves):
            draw_curves(keeper.output / CSV_NAME, curves)

    def _add_row(self, split: str, values: Mapping[str, float]) -> None:
        if self._keeper is None:
            return
        state = self.state
        self._keeper.metrics.add(
            {
                "step": state.step,
                "epoch": state.step / self._plan.per_epoch,
                "split": split,
                **values,
                "seconds": time.monotonic() - self._begun,
                "data_wait": state.waited / max(state.seconds, 1e-9),
            }
        )

    def _not_finite(self, step: int, values: Mapping[str, float]) -> str:
        epoch, place = divmod(step - 1, self._plan.per_epoch)
        samples = self._splits.train
        order = epoch_order(len(samples), epoch, self._config.seed)
        replicas = self._learner.strategy.num_replicas_in_sync
        size = self._config.batch_size.train * replicas
        names = [samples.name(i) for i in order[place * size : (place + 1) * size]]
        got = [f"{name} {value:.6g}" for name, value in values.items()]
        return (
            f"step {step} (epoch {epoch}): expected finite losses, got "
            f"{', '.join(got)}; pictures of the batch: {', '.join(names)}; look at "
            f"them; {_ADVICE}"
        )


def _make_step(learner: Learner) -> Callable[[Batch], tf.Tensor]:
    training, strategy = learner.training, learner.strategy
    variables = training.trainable_variables
    clip_norm = training.config.optimizer.clip_norm

    def replica(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
        result = training.step(batch)
        rate = tf.convert_to_tensor(learner.optimizer.learning_rate)
        norm = apply_gradients(
            learner.optimizer, result.gradients, variables, clip_norm
        )
        losses = tf.stack([*result.losses, result.total, result.l2])
        return losses, tf.stack([norm, rate])

    @tf.function(reduce_retracing=True)
    def step(batch: Batch) -> tf.Tensor:
        losses, shared = strategy.run(replica, args=(batch,))
        losses = strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None)
        shared = strategy.reduce(tf.distribute.ReduceOp.MEAN, shared, axis=None)
        return tf.concat([losses, shared], axis=0)

    return step
