"""Which devices a training takes, and what is told of them."""

from __future__ import annotations

import pytest
import tensorflow as tf

from training.engine.devices import make_strategy
from training.errors import TrainingError


@pytest.fixture(autouse=True)
def devices(monkeypatch):
    """Pretends GPUs; keeps what is made visible."""
    made = {"found": 0, "visible": None}
    config = tf.config
    monkeypatch.setattr(
        config,
        "list_physical_devices",
        lambda _kind: [f"GPU{i}" for i in range(made["found"])],
    )
    monkeypatch.setattr(
        config, "set_visible_devices", lambda gpus, _kind: made.update(visible=gpus)
    )
    monkeypatch.setattr(
        config.experimental, "set_memory_growth", lambda _gpu, enable: None
    )
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    return made


def test_auto_takes_the_cpu_where_there_is_no_gpu_and_says_so(devices):
    _, where = make_strategy("auto", (0,))
    assert where == "the CPU, as TensorFlow finds no GPU (--device gpu insists on one)"
    assert devices["visible"] == []


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_gpus_that_are_named(devices, device):
    devices["found"] = 3
    strategy, where = make_strategy(device, (0, 2))
    assert (strategy, where) == ("mirrored", "GPU 0, 2")
    assert devices["visible"] == ["GPU0", "GPU2"]


def test_cpu_hides_the_gpus(devices):
    devices["found"] = 1
    assert make_strategy("cpu", (0,))[1] == "the CPU"
    assert devices["visible"] == []


def test_gpus_that_are_not_there(devices):
    with pytest.raises(TrainingError, match=r"GPUs \[0\], .* finds none.*--device cpu"):
        make_strategy("gpu", (0,))
    devices["found"] = 1
    for device in ("gpu", "auto"):  # some are there, so the config is wrong
        with pytest.raises(TrainingError, match=r"GPUs \[0, 1\], TensorFlow finds 0"):
            make_strategy(device, (0, 1))
    with pytest.raises(TrainingError, match="expected auto or gpu or cpu, got 'tpu'"):
        make_strategy("tpu", (0,))
