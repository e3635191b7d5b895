"""A whole training: from a dataset and a config to checkpoints."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from formats.errors import ConfigFileError
from models.checkpoint import sha256
from models.errors import WeightsError
from models.weight_path import find_weights
from training.config.train_config import TrainConfig, read_config
from training.datasets.classes import CONTINUE
from training.datasets.data_formats import labelled_data
from training.datasets.labelled_data import FilePath
from training.datasets.splits import Splits, open_splits
from training.engine.assembly import build_learner, make_keeper, restore_learner
from training.engine.devices import AUTO, is_chief, make_strategy
from training.engine.disk_need import check_disk, disk_need
from training.engine.loop import Keeper, Learner, Loop
from training.engine.metrics import CSV_NAME, TENSORBOARD
from training.engine.plan import Plan, make_plan
from training.engine.progress import Listener, Quiet
from training.engine.run_state import Identity, RunState, from_arrays, make_identity
from training.errors import TrainingError
from training.evaluation.hints import start_hints
from training.weights.checkpoint_config import earlier_config
from training.weights.checkpoints import BEST, LAST, WEIGHTS, Checkpoints
from training.weights.initial_weights import set_initial_weights
from training.weights.writing import make_output


@dataclass(frozen=True)
class TrainingResult:
    """What a training left.

    Attributes:
        output: its folder.
        last: folder of the newest checkpoint, None where it was stopped before a step.
        best: folder of the best one, None before the first validation.
        best_value: of the config's `best_metric`.
        step: steps done.
        total_steps: of the whole training; more than `step` where it was interrupted.
        seconds: of all its processes.
        data_wait: share of them that the loop waited for batches.
        owes_validation: it was interrupted before a validation that was due.
    """

    output: Path
    last: Path | None
    best: Path | None
    best_value: float | None
    step: int
    total_steps: int
    seconds: float
    data_wait: float
    owes_validation: bool = False

    @property
    def is_finished(self) -> bool:
        """Says whether all epochs are done."""
        return self.step == self.total_steps and not self.owes_validation


def train(
    config: FilePath | Mapping[str, Any] | TrainConfig,
    *,
    output: FilePath,
    weights: FilePath | None = None,
    device: str = AUTO,
    resume: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    listener: Listener | None = None,
    **where: Any,
) -> TrainingResult:
    """Trains a Mask R-CNN.

    With `deterministic` in the config, TensorFlow's operations are made deterministic
    for the whole process.

    Args:
        config: the train config, as file, content or object.
        output: folder for checkpoints, metrics and curves; made if need be.
        weights: a Mask R-CNN checkpoint (its file, or its folder as a training writes
            it), or an ImageNet ResNet in Keras' layout.
        device: "gpu" for the config's `gpu_devices`, "cpu", or "auto": the GPUs, unless
            TensorFlow finds none at all.
        resume: goes on from the last checkpoint in `output`, if there is one.
        strategy: in place of the one that `device` means.
        is_stopped: asked after every step, and within a validation before every
            image; True saves and returns.
        listener: is told how it goes.
        where: the labelled images are: `project`, a Supervisely project; or `coco`, the
            files of the training and the validation set, with `images`, the folder of
            their images. See `labelled_data` for the rest.

    Raises:
        TrainingError: config, data, devices, weights or files do not allow it.
    """
    listener = listener or Quiet()
    config = config if isinstance(config, TrainConfig) else read_config(config)
    data = labelled_data(**where)
    run = _Run(config, Path(output), None if weights is None else Path(weights))
    run.check(resume=resume)
    if strategy is None:
        strategy, devices = make_strategy(device, config.gpu_devices)
        listener.say(f"device: {devices}")
    if config.deterministic:
        keras.utils.set_random_seed(config.seed)
        tf.config.experimental.enable_op_determinism()
    try:
        splits = open_splits(data, config, run.earlier())
        for text in splits.warnings:
            listener.say(f"warning: {text}")
        loop, plan, keeper = run.prepare(splits, strategy, listener)
    except (WeightsError, ConfigFileError, OSError) as err:
        if isinstance(err, TrainingError):
            raise
        raise TrainingError(str(err)) from err
    listener.begin(loop.state.step, plan)
    try:
        loop.run(is_stopped)
    finally:
        listener.end()
        if keeper is not None:
            keeper.metrics.close()
    return run.result(plan, loop.state)


class _Run:
    """One call of `train`: its folder, and where it stands."""

    def __init__(self, config: TrainConfig, output: Path, weights: Path | None) -> None:
        self.config = config
        self.output = output
        self.weights = None if weights is None else _found(weights)
        self.checkpoints = Checkpoints(output, config.keep_last)
        self._numbers = self.checkpoints.numbers()

    def check(self, *, resume: bool) -> None:
        """Refuses what cannot work, before anything is read.

        Raises:
            TrainingError: two trainings would be mixed in one folder, nothing can be
                written there.
        """
        if self._numbers and not resume:
            raise TrainingError(
                f"{self.output}: holds checkpoints up to {self._numbers[-1]:08} of "
                "another training; go on with it (--resume), or choose another output"
            )
        make_output(self.output)

    def earlier(self) -> dict[str, Any] | None:
        """Returns the config.json of the training that is continued."""
        if self.config.weights_init_type != CONTINUE:
            return None
        if self.weights is None:
            raise TrainingError(
                f"{CONTINUE}: expected the weights of the earlier training; name them "
                "with --weights"
            )
        return earlier_config(self.weights)

    def prepare(
        self, splits: Splits, strategy: tf.distribute.Strategy, listener: Listener
    ) -> tuple[Loop, Plan, Keeper | None]:
        """Builds everything that a loop needs."""
        config, replicas = self.config, strategy.num_replicas_in_sync
        plan = make_plan(config, len(splits.train), replicas)
        weights_hash = "" if self.weights is None else _hash(self.weights)
        identity = make_identity(config, splits, weights_hash, replicas)
        state, slots = RunState(identity), None
        if self._numbers:
            state, slots = _read_state(self.checkpoints, self._numbers[-1], state)
            config = self._keep_as_before(state.identity)
            settings = config.settings()
            identity = dataclasses.replace(identity, settings=settings)
            state = dataclasses.replace(state, identity=identity)
        with strategy.scope():
            learner = build_learner(
                config, splits, strategy, plan, from_scratch=self.weights is None
            )
        if slots is None:
            network = learner.training.network
            listener.say(set_initial_weights(network, config, self.weights))
        else:
            newest = self.checkpoints.path(self._numbers[-1])
            restore_learner(learner, newest / WEIGHTS, slots)
            listener.say(f"resumed {newest} at step {state.step} of {plan.total}")
        self._advise(splits, plan, learner, listener)
        keeper = None
        if is_chief(strategy):
            self._clean(state)
            keeper = make_keeper(
                config,
                splits,
                learner,
                self.checkpoints,
                self.output,
                state,
                self.weights,
            )
        loop = Loop(config, splits, learner, plan, state, keeper, listener)
        return loop, plan, keeper

    def result(self, plan: Plan, state: RunState) -> TrainingResult:
        """Returns what the training left."""
        folder = self.checkpoints.folder
        return TrainingResult(
            self.output,
            folder / LAST if self.checkpoints.numbers() else None,
            None if state.best_number is None else folder / BEST,
            state.best,
            state.step,
            plan.total,
            state.seconds,
            state.waited / max(state.seconds, 1e-9),
            state.owes_validation,
        )

    def _advise(
        self, splits: Splits, plan: Plan, learner: Learner, listener: Listener
    ) -> None:
        """Tells what the training needs, and what it is unlikely to reach.

        Raises:
            TrainingError: there is no room for a checkpoint.
        """
        config, images = self.config, len(splits.train)
        is_learnt = self.weights is not None or bool(self._numbers)
        for text in start_hints(config, plan.total, images, has_weights=is_learnt):
            listener.say(f"hint: {text}")
        weights = learner.training.network.variables
        slots = learner.optimizer.variables
        need = disk_need(weights, slots, plan, config.keep_last)
        for text in check_disk(self.output, need):
            listener.say(text)

    def _keep_as_before(self, before: Identity) -> TrainConfig:
        """Keeps as many checkpoints as before, unless the config names a number.

        What an earlier part of the training was to keep is not removed unasked.
        """
        if "keep_last" not in self.config.model_fields_set:
            kept = before.settings.get("keep_last", self.config.keep_last)
            self.config = self.config.model_copy(update={"keep_last": kept})
            self.checkpoints = Checkpoints(self.output, kept)
        return self.config

    def _clean(self, state: RunState) -> None:
        """Makes the folder, without what a killed process left half-done in it."""
        self.checkpoints.remove_partial()
        if self._numbers:
            self.checkpoints.restore_links(state.best_number)
        else:
            # Of a process that ended before its first checkpoint.
            (self.output / CSV_NAME).unlink(missing_ok=True)
            shutil.rmtree(self.output / TENSORBOARD, ignore_errors=True)


def _found(weights: Path) -> Path:
    try:
        return find_weights(weights)
    except WeightsError as err:
        raise TrainingError(str(err)) from err


def _hash(weights: Path) -> str:
    try:
        return sha256(weights)
    except OSError as err:
        raise TrainingError(f"{weights}: {err.strerror or err}") from err


def _read_state(
    checkpoints: Checkpoints, number: int, asked: RunState
) -> tuple[RunState, list[Any]]:
    """Returns where the training stands, if it is the one that is asked for."""
    state, slots = from_arrays(checkpoints.read_state(number))
    differences = state.identity.differences(asked.identity)
    if differences:
        raise TrainingError(
            f"{checkpoints.path(number)}: --resume goes on with the same training, and "
            "this one differs:\n  "
            + "\n  ".join(differences)
            + "\nuse the config, data and weights of then; or start another training "
            f'from these weights ("{CONTINUE}", another output)'
        )
    return state, slots
