"""The parts of a training, put together: network and optimiser, validation, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from models.checkpoint import inspect_checkpoint, load_weights
from models.mask_rcnn import MaskRCNN
from training.config.train_config import TrainConfig
from training.datasets.splits import Splits
from training.engine.loop import Keeper, Learner
from training.engine.metrics import Metrics
from training.engine.network_evaluation import evaluate_network
from training.engine.plan import Plan
from training.engine.run_state import RunState
from training.engine.validation import InterruptedValidationError, Validation
from training.errors import TrainingError
from training.learning.network import TrainingNetwork
from training.learning.optimizers import make_optimizer
from training.learning.trainable import set_trainable
from training.weights.checkpoint_config import checkpoint_config
from training.weights.checkpoints import Checkpoints


def build_learner(
    config: TrainConfig,
    splits: Splits,
    strategy: tf.distribute.Strategy,
    plan: Plan,
    *,
    from_scratch: bool,
) -> Learner:
    """Builds network and optimiser, in the scope of their strategy.

    Args:
        config: of the training.
        splits: its data.
        strategy: whose scope it is.
        plan: its steps.
        from_scratch: it starts without weights.

    Raises:
        TrainConfigError: no such network can be built.
    """
    model = config.network(splits.classes.num_classes)
    before = keras.config.dtype_policy()
    if config.precision != "float32":
        keras.config.set_dtype_policy(f"mixed_{config.precision}")
    try:
        network = MaskRCNN(model)
    finally:
        keras.config.set_dtype_policy(before)
    set_trainable(network, config.train_layers)
    train_bn = from_scratch if config.train_bn is None else config.train_bn
    training = TrainingNetwork(network, config, train_bn=train_bn)
    optimizer = make_optimizer(config, training.trainable_variables, plan.total)
    return Learner(training, optimizer, strategy)


def restore_learner(learner: Learner, weights: Path, slots: list[Any]) -> None:
    """Puts a learner where an interrupted training stood.

    Args:
        learner: as it was built.
        weights: of the checkpoint.
        slots: arrays of its optimiser.

    Raises:
        TrainingError: they are another optimiser's.
        WeightsError: they are another network's.
    """
    load_weights(learner.training.network, inspect_checkpoint(weights))
    variables = learner.optimizer.variables
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in slots]:
        raise TrainingError(
            f"{weights.parents[1]}: its training state is of another optimiser"
        )
    for variable, array in zip(variables, slots, strict=True):
        variable.assign(array)


def make_keeper(
    config: TrainConfig,
    splits: Splits,
    learner: Learner,
    checkpoints: Checkpoints,
    folder: Path,
    state: RunState,
    initial_weights: Path | None,
) -> Keeper:
    """Makes what writes the files, and what validates.

    Args:
        config: of the training.
        splits: its data.
        learner: what is validated.
        checkpoints: where weights go.
        folder: of the training.
        state: where it stands.
        initial_weights: what it began with, None for random ones.

    Raises:
        TrainingError: nothing can be written.
    """
    has_neutral = splits.classes.neutral is not None
    validation = Validation(learner.training, splits.val, with_neutral=has_neutral)

    def validate(is_stopped: Callable[[], bool]) -> dict[str, float]:
        def go_on(_done: int = 0, _total: int = 0) -> None:
            if is_stopped():
                raise InterruptedValidationError

        values = validation.losses(go_on)
        if config.best_metric == "mask_ap":
            network = learner.training.network
            found = evaluate_network(network, splits.val, go_on)
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
        initial_weights,
    )
