"""A whole training: from a dataset and a config to checkpoints."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from formats.archive import MAX_ARCHIVE_BYTES
from formats.errors import ConfigError as FileConfigError
from models.checkpoint import inspect_checkpoint, load_weights, sha256
from models.errors import WeightsError
from models.mask_rcnn import MaskRCNN
from training.checkpoint_config import checkpoint_config, earlier_config
from training.checkpoints import BEST, LAST, WEIGHTS, Checkpoints, weight_file
from training.classes import CONTINUE
from training.config import TrainConfig, read_config
from training.datasets import Splits, open_splits
from training.devices import is_chief, make_strategy
from training.errors import TrainingError
from training.evaluation import evaluate_network
from training.first_weights import set_first_weights
from training.loop import Keeper, Learner, Loop
from training.metrics import CSV_NAME, TENSORBOARD, Metrics
from training.network import TrainingNetwork
from training.optimizers import make_optimizer
from training.plan import Plan, make_plan
from training.progress import Listener, Quiet
from training.recipe import make_recipe
from training.run_state import RunState, from_arrays, make_identity
from training.trainable import set_trainable
from training.validation import Validation
from training.writing import make_output

FilePath = str | PathLike[str]


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
    """

    output: Path
    last: Path | None
    best: Path | None
    best_value: float | None
    step: int
    total_steps: int
    seconds: float
    data_wait: float

    @property
    def is_finished(self) -> bool:
        """Says whether all epochs are done."""
        return self.step == self.total_steps


def train(
    config: FilePath | Mapping[str, Any] | TrainConfig,
    *,
    output: FilePath,
    project: FilePath | None = None,
    coco: tuple[FilePath, FilePath] | None = None,
    images: FilePath | None = None,
    max_archive_bytes: int = MAX_ARCHIVE_BYTES,
    is_lenient: bool = False,
    weights: FilePath | None = None,
    device: str = "gpu",
    resume: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
    listener: Listener | None = None,
) -> TrainingResult:
    """Trains a Mask R-CNN.

    With `deterministic` in the config, TensorFlow's operations are made deterministic
    for the whole process.

    Args:
        config: the train config, as file, content or object.
        output: folder for checkpoints, metrics and curves; made if need be.
        project: Supervisely project, a folder or an archive; or else
        coco: COCO files of the training and the validation set, with
        images: the folder of their pictures.
        max_archive_bytes: what a compressed archive may unpack to.
        is_lenient: go past what of COCO files a training can do without, and count it.
        weights: a Mask R-CNN checkpoint (its file, or its folder as a training writes
            it), or an ImageNet ResNet in Keras' layout.
        device: "gpu" for the config's `gpu_devices`, or "cpu".
        resume: goes on from the last checkpoint in `output`, if there is one.
        strategy: in place of the one that `device` means.
        is_stopped: asked after every step; True saves and returns.
        listener: is told how it goes.

    Raises:
        TrainingError: config, data, devices, weights or files do not allow it.
    """
    listener = listener or Quiet()
    config = config if isinstance(config, TrainConfig) else read_config(config)
    run = _Run(config, Path(output), None if weights is None else Path(weights))
    run.check(resume=resume)
    if strategy is None:
        strategy = make_strategy(device, config.gpu_devices)
    if config.deterministic:
        keras.utils.set_random_seed(config.seed)
        tf.config.experimental.enable_op_determinism()
    try:
        splits = open_splits(
            config,
            project=project,
            coco=coco,
            images=images,
            earlier=run.earlier(),
            max_archive_bytes=max_archive_bytes,
            is_lenient=is_lenient,
        )
        for text in splits.warnings:
            listener.say(f"warning: {text}")
        loop, plan, keeper = run.prepare(splits, strategy, listener)
    except (WeightsError, FileConfigError, OSError) as err:
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
        self.weights = None if weights is None else weight_file(weights)
        self.checkpoints = Checkpoints(output, config.keep_last)
        self._numbers = self.checkpoints.numbers()

    def check(self, *, resume: bool) -> None:
        """Refuses what cannot work, before anything is read.

        Raises:
            TrainingError: two trainings would be mixed in one folder, nothing can be
                written there, or there are no such weights.
        """
        if self._numbers and not resume:
            raise TrainingError(
                f"{self.output}: holds checkpoints up to {self._numbers[-1]:08} of "
                "another training; go on with it (--resume), or choose another output"
            )
        if self.weights is not None and not self.weights.is_file():
            raise TrainingError(
                f"{self.weights}: expected a weight file, or the folder of a "
                "checkpoint, got nothing there; check --weights"
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
        with strategy.scope():
            learner = _build(
                config, splits, strategy, plan, from_scratch=self.weights is None
            )
        if slots is None:
            network = learner.training.network
            listener.say(set_first_weights(network, config, self.weights))
        else:
            newest = self.checkpoints.path(self._numbers[-1])
            _restore(learner, newest / WEIGHTS, slots)
            listener.say(f"resumed {newest} at step {state.step} of {plan.total}")
        keeper = None
        if is_chief(strategy):
            self._clean(state)
            keeper = _keeper(
                config, splits, learner, self.checkpoints, self.output, state
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
        )

    def _clean(self, state: RunState) -> None:
        """Makes the folder, without what a killed process left half-done in it."""
        self.checkpoints.remove_partial()
        if self._numbers:
            self.checkpoints.restore_links(state.best_number)
        else:
            # Of a process that ended before its first checkpoint.
            (self.output / CSV_NAME).unlink(missing_ok=True)
            shutil.rmtree(self.output / TENSORBOARD, ignore_errors=True)


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
    return dataclasses.replace(state, identity=asked.identity), slots


def _build(
    config: TrainConfig,
    splits: Splits,
    strategy: tf.distribute.Strategy,
    plan: Plan,
    *,
    from_scratch: bool,
) -> Learner:
    """Builds network and optimiser."""
    recipe = make_recipe(config, splits.classes.num_classes, from_scratch=from_scratch)
    before = keras.config.dtype_policy()
    if config.precision != "float32":
        keras.config.set_dtype_policy(f"mixed_{config.precision}")
    try:
        network = MaskRCNN(recipe.model)
    finally:
        keras.config.set_dtype_policy(before)
    set_trainable(network, config.train_layers)
    training = TrainingNetwork(network, recipe.step)
    variables = training.trainable_variables
    optimizer = make_optimizer(recipe.optimizer, variables, plan.total)
    return Learner(training, optimizer, recipe, strategy)


def _restore(learner: Learner, weights: Path, slots: list[Any]) -> None:
    load_weights(learner.training.network, inspect_checkpoint(weights))
    variables = learner.optimizer.variables
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in slots]:
        raise TrainingError(
            f"{weights.parents[1]}: its training state is of another optimiser"
        )
    for variable, array in zip(variables, slots, strict=True):
        variable.assign(array)


def _keeper(
    config: TrainConfig,
    splits: Splits,
    learner: Learner,
    checkpoints: Checkpoints,
    folder: Path,
    state: RunState,
) -> Keeper:
    validation = Validation(
        learner.training,
        splits.val,
        learner.recipe.val_examples,
        batch_size=config.batch_size.val,
        workers=config.data_workers.val,
        seed=config.seed,
        with_neutral=splits.classes.neutral is not None,
    )

    def validate() -> dict[str, float]:
        values = validation.losses()
        if config.best_metric == "mask_ap":
            found = evaluate_network(learner.training.network, splits.val)
            named = {
                "mask_ap": found.mask.ap,
                "mask_ap50": found.mask.ap50,
                "box_ap": found.box.ap,
            }
            values |= {name: value or 0.0 for name, value in named.items()}
        return values

    return Keeper(
        checkpoints,
        Metrics(folder, state.step),
        checkpoint_config(config, splits.classes),
        validate,
        folder,
    )


__all__ = ["TrainingResult", "train"]
