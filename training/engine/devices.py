"""Where a training runs: the strategy over the devices that the user names."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import tensorflow as tf

from training.errors import TrainingError
from training.pipeline.batches import Shard

AUTO = "auto"
DEVICES = (AUTO, "gpu", "cpu")


def make_strategy(
    device: str, gpu_devices: Sequence[int]
) -> tuple[tf.distribute.Strategy, str]:
    """Makes the strategy; nothing else of TensorFlow may have run before.

    Over several GPUs all learn together (`MirroredStrategy`); where the environment
    has a `TF_CONFIG`, over several machines (`MultiWorkerMirroredStrategy`).

    Args:
        device: "gpu", "cpu", or "auto": the GPUs, unless TensorFlow finds none at all.
        gpu_devices: indices of the GPUs to take.

    Returns:
        The strategy, and what to tell of where the training runs.

    Raises:
        TrainingError: a GPU is not there, or TF_CONFIG cannot be read.
    """
    if device not in DEVICES:
        raise TrainingError(
            f"device: expected {' or '.join(DEVICES)}, got {device!r:.40}"
        )
    found = tf.config.list_physical_devices("GPU")
    gpus: list[tf.config.PhysicalDevice] = []
    where = "the CPU"
    if device == AUTO and not found:
        where += ", as TensorFlow finds no GPU (--device gpu insists on one)"
    elif device != "cpu":
        gpus = _named_gpus(found, gpu_devices)
        where = f"GPU {', '.join(map(str, gpu_devices))}"
    tf.config.set_visible_devices(gpus, "GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, enable=True)
    if "TF_CONFIG" in os.environ:
        return _multi_worker(), f"{where} of this worker"
    if len(gpus) > 1:
        return tf.distribute.MirroredStrategy(), where
    return tf.distribute.get_strategy(), where


def _named_gpus(
    found: Sequence[tf.config.PhysicalDevice], gpu_devices: Sequence[int]
) -> list[tf.config.PhysicalDevice]:
    missing = [i for i in gpu_devices if i >= len(found)]
    if missing:
        names = ", ".join(str(i) for i in range(len(found))) or "none"
        raise TrainingError(
            f"gpu_devices: expected GPUs {list(gpu_devices)}, TensorFlow finds "
            f"{names}; name those that are there, or train on the CPU with "
            "--device cpu"
        )
    return [found[i] for i in gpu_devices]


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Says whether this process writes the files of the training."""
    resolver = strategy.cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    if resolver.task_type == "chief":
        return True
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "worker" and not has_chief and resolver.task_id == 0


def local_shard(
    strategy: tf.distribute.Strategy, context: tf.distribute.InputContext
) -> Shard:
    """Returns which replicas of a step one input pipeline feeds."""
    replicas = strategy.num_replicas_in_sync
    count = replicas // context.num_input_pipelines
    return Shard(replicas, context.input_pipeline_id * count, count)


def _multi_worker() -> tf.distribute.Strategy:
    text = os.environ["TF_CONFIG"]
    try:
        content = json.loads(text)
        workers = content["cluster"]
        task = content["task"]
        place = workers[task["type"]][task["index"]]
    except (ValueError, KeyError, TypeError, IndexError) as err:
        raise TrainingError(
            'TF_CONFIG: expected {"cluster": {"worker": [host:port, ...]}, "task": '
            f'{{"type": "worker", "index": 0}}}}, got {text!r:.120}'
        ) from err
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (ValueError, tf.errors.OpError) as err:
        raise TrainingError(f"TF_CONFIG: cannot serve as {place}: {err}") from err
