"""Optimisers, their schedules and gradient clipping.

Clipping. Matterport asks Keras for SGD with `clipnorm=5`. In the Keras of that time
(2.0.8, `Optimizer.get_gradients`) this scales all gradients together so that their
joint norm is at most 5, which keeps their direction, and so it does here; TensorFlow
2's Keras took the same argument to mean each array on its own, and ports of Matterport
inherited that.

Gradients are summed over replicas before they are clipped: clipping each replica's
share would make the step depend on how many devices there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from training.config.groups import Sgd
from training.config.train_config import TrainConfig


@keras.saving.register_keras_serializable("maskrcnn")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then half a cosine (Loshchilov and Hutter 2017, eq. 5) or a line.

    Attributes:
        lr: rate after warm-up.
        warmup_steps: steps of the rise; step 0 takes 1 / warmup_steps of `lr`.
        total_steps: where the cosine ends; 0 keeps the rate.
        final_factor: share of `lr` that is left then.
    """

    def __init__(
        self,
        *,
        lr: float,
        warmup_steps: int = 0,
        total_steps: int = 0,
        final_factor: float = 0.01,
    ) -> None:
        super().__init__()
        self.lr = lr
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.final_factor = final_factor

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the float32 rate of a step, counted from 0."""
        step = tf.cast(step, tf.float32)
        warm = tf.minimum((step + 1) / max(self.warmup_steps, 1), 1.0)
        if not self.total_steps:
            return self.lr * warm
        length = max(self.total_steps - self.warmup_steps, 1)
        done = tf.clip_by_value((step - self.warmup_steps) / length, 0.0, 1.0)
        cosine = 0.5 * (1 + tf.cos(math.pi * done))
        return self.lr * warm * (self.final_factor + (1 - self.final_factor) * cosine)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            "lr": self.lr,
            "warmup_steps": self.warmup_steps,
            "total_steps": self.total_steps,
            "final_factor": self.final_factor,
        }


class _SummedGradients:
    """Keras optimiser that is handed gradients already summed over replicas."""

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class SummedSGD(_SummedGradients, keras.optimizers.SGD):
    """SGD for summed gradients."""


class SummedAdamW(_SummedGradients, keras.optimizers.AdamW):
    """AdamW for summed gradients."""


def make_optimizer(
    config: TrainConfig, variables: Sequence[Any], total_steps: int
) -> keras.optimizers.Optimizer:
    """Builds an optimiser and its slots.

    Args:
        config: which, how fast, and its schedule.
        variables: Keras variables that learn, in the order of their gradients.
        total_steps: where the schedule ends.
    """
    how, schedule = config.optimizer, config.schedule
    rate: Any = config.lr
    if schedule.name == "cosine" or schedule.warmup_steps:
        rate = WarmupCosine(
            lr=config.lr,
            warmup_steps=schedule.warmup_steps,
            total_steps=total_steps if schedule.name == "cosine" else 0,
            final_factor=schedule.final_ratio,
        )
    if isinstance(how, Sgd):
        optimizer: Any = SummedSGD(rate, momentum=how.momentum)
    else:
        optimizer = SummedAdamW(
            rate,
            beta_1=how.beta_1,
            beta_2=how.beta_2,
            weight_decay=how.weight_decay,
        )
        optimizer.exclude_from_weight_decay(
            var_list=[v for v in variables if v.name != "kernel"]
        )
    optimizer.build(list(variables))
    return optimizer


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[Any],
    clip_norm: float | None,
) -> tf.Tensor:
    """Sums gradients over replicas, clips them and moves the weights.

    Args:
        optimizer: of `make_optimizer`.
        gradients: this replica's, one per variable.
        variables: Keras variables.
        clip_norm: largest norm of all gradients together, None for no bound.

    Returns:
        float32 scalar, the global norm before clipping.
    """
    gradients = list(gradients)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    norm = tf.linalg.global_norm(gradients)
    if clip_norm is not None:
        gradients, _ = tf.clip_by_global_norm(gradients, clip_norm)
    optimizer.apply(gradients, list(variables))
    return norm
