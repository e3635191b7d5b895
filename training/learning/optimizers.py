"""Optimisers, their schedules and gradient clipping.

Clipping. Matterport asks Keras for SGD with `clipnorm=5`. In the Keras of that time
(2.0.8, `Optimizer.get_gradients`) this scales all gradients together so that their
joint norm is at most 5; TensorFlow 2's Keras took the same argument to mean each array
on its own, and ports of Matterport inherited that. "global" is the original's and the
default, and keeps the gradient's direction; "variable" is the ports'.

Gradients are summed over replicas before they are clipped: clipping each replica's
share would make the step depend on how many devices there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from formats.quoted import quoted_name

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "cosine")
CLIPPING = ("global", "variable", "none")


@dataclass(frozen=True)
class OptimizerOptions:
    """How weights move; defaults are Matterport's.

    Attributes:
        name: "sgd" or "adamw".
        lr: learning rate, after warm-up.
        schedule: "constant", or "cosine" to `final_lr_factor` of `lr` at the last step.
        warmup_steps: the rate rises linearly over so many steps first.
        final_lr_factor: of "cosine".
        momentum: of "sgd".
        betas: decays of the first and the second moment of "adamw".
        weight_decay: of "adamw", decoupled, kernels only; `StepOptions.weight_decay` is
            to be 0 then.
        clip_norm: largest norm of the gradient.
        clipping: what that norm is taken of: "global" all arrays together, "variable"
            each on its own, "none".
    """

    name: str = "sgd"
    lr: float = 0.001
    schedule: str = "constant"
    warmup_steps: int = 0
    final_lr_factor: float = 0.01
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.05
    clip_norm: float = 5.0
    clipping: str = "global"

    def __post_init__(self) -> None:
        """Refuses unknown names and rates without sense.

        Raises:
            ValueError: lists everything wrong.
        """
        choices = {"name": OPTIMIZERS, "schedule": SCHEDULES, "clipping": CLIPPING}
        problems = [
            f"{field}: expected one of {', '.join(known)}, got "
            f"{quoted_name(getattr(self, field))}"
            for field, known in choices.items()
            if getattr(self, field) not in known
        ]
        problems += [
            f"{field}: expected a positive number, got {getattr(self, field)}"
            for field in ("lr", "clip_norm")
            if not getattr(self, field) > 0
        ]
        if self.warmup_steps < 0:
            problems.append(
                f"warmup_steps: expected at least 0, got {self.warmup_steps}"
            )
        if problems:
            raise ValueError("optimizer: " + "; ".join(problems))


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
    options: OptimizerOptions, variables: Sequence[Any], total_steps: int
) -> keras.optimizers.Optimizer:
    """Builds an optimiser and its slots.

    Args:
        options: which.
        variables: Keras variables that learn, in the order of their gradients.
        total_steps: where the schedule ends.
    """
    rate: Any = options.lr
    if options.schedule == "cosine" or options.warmup_steps:
        rate = WarmupCosine(
            lr=options.lr,
            warmup_steps=options.warmup_steps,
            total_steps=total_steps if options.schedule == "cosine" else 0,
            final_factor=options.final_lr_factor,
        )
    if options.name == "sgd":
        optimizer: Any = SummedSGD(rate, momentum=options.momentum)
    else:
        beta_1, beta_2 = options.betas
        optimizer = SummedAdamW(
            rate, beta_1=beta_1, beta_2=beta_2, weight_decay=options.weight_decay
        )
        optimizer.exclude_from_weight_decay(
            var_list=[v for v in variables if v.name != "kernel"]
        )
    optimizer.build(list(variables))
    return optimizer


def clip_gradients(
    gradients: Sequence[tf.Tensor], clip_norm: float, clipping: str
) -> list[tf.Tensor]:
    """Scales gradients down to a norm; see the module for the kinds."""
    if clipping == "variable":
        return [tf.clip_by_norm(gradient, clip_norm) for gradient in gradients]
    if clipping == "global":
        clipped, _ = tf.clip_by_global_norm(list(gradients), clip_norm)
        return list(clipped)
    return list(gradients)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[Any],
    options: OptimizerOptions,
) -> tf.Tensor:
    """Sums gradients over replicas, clips them and moves the weights.

    Args:
        optimizer: of `make_optimizer`.
        gradients: this replica's, one per variable.
        variables: Keras variables.
        options: clipping.

    Returns:
        float32 scalar, the global norm before clipping.
    """
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
    norm = tf.linalg.global_norm(list(gradients))
    clipped = clip_gradients(gradients, options.clip_norm, options.clipping)
    optimizer.apply(clipped, list(variables))
    return norm


__all__ = [
    "OptimizerOptions",
    "WarmupCosine",
    "apply_gradients",
    "clip_gradients",
    "make_optimizer",
]
