import keras
import numpy as np
import pytest
import tensorflow as tf

from training.config.train_config import read_config
from training.learning.optimizers import WarmupCosine, apply_gradients, make_optimizer


def variable(value, name="kernel"):
    return keras.Variable(np.array(value, np.float32), name=name)


@pytest.mark.parametrize(
    ("clip_norm", "moved"),
    [(1.0, [(0.6, 0), (0, 0.8)]), (6.0, [(3, 0), (0, 4)]), (None, [(3, 0), (0, 4)])],
)
def test_clipping_keeps_the_direction_of_all_gradients_together(clip_norm, moved):
    config = read_config({"lr": 1.0})
    weights = [variable((0.0, 0.0)) for _ in range(2)]
    optimizer = make_optimizer(config, weights, total_steps=10)
    gradients = [tf.constant((3.0, 0.0)), tf.constant((0.0, 4.0))]
    norm = apply_gradients(optimizer, gradients, weights, clip_norm)
    assert float(norm) == 5
    for weight, expected in zip(weights, moved, strict=True):
        np.testing.assert_allclose(weight.numpy(), -np.array(expected), rtol=1e-6)


def test_two_steps_of_the_default():
    config = read_config({"lr": 0.1})
    clip_norm = config.optimizer.clip_norm
    weight = variable((1.0,))
    optimizer = make_optimizer(config, [weight], total_steps=10)
    norm = apply_gradients(optimizer, [tf.constant((10.0,))], [weight], clip_norm)
    assert float(norm) == 10
    np.testing.assert_allclose(weight.numpy(), [0.5])  # clipped to 5
    apply_gradients(optimizer, [tf.constant((1.0,))], [weight], clip_norm)
    # Velocity 0.9 * -0.5 - 0.1 * 1.
    np.testing.assert_allclose(weight.numpy(), [-0.05], atol=1e-6)


def test_adamw_decays_kernels_only():
    how = {"name": "adamw", "weight_decay": 0.5}
    config = read_config({"lr": 0.1, "optimizer": how})
    kernel, gamma = variable((1.0,)), variable((1.0,), "gamma")
    optimizer = make_optimizer(config, [kernel, gamma], total_steps=10)
    zeros = [tf.zeros((1,))] * 2
    apply_gradients(optimizer, zeros, [kernel, gamma], config.optimizer.clip_norm)
    np.testing.assert_allclose(kernel.numpy(), [0.95])
    np.testing.assert_allclose(gamma.numpy(), [1.0])


def test_the_config_s_constants_reach_the_optimiser():
    how = {"name": "adamw", "beta_1": 0.8, "beta_2": 0.9, "weight_decay": 0.5}
    schedule = {"name": "cosine", "warmup_steps": 4, "final_ratio": 0.1}
    config = read_config({"lr": 2.0, "optimizer": how, "schedule": schedule})
    made = make_optimizer(config, [variable((1.0,))], total_steps=14)
    assert (made.beta_1, made.beta_2, made.weight_decay) == (0.8, 0.9, 0.5)
    assert made.get_config()["learning_rate"]["config"] == {
        "lr": 2.0,
        "warmup_steps": 4,
        "total_steps": 14,
        "final_factor": 0.1,
    }
    config = read_config({"lr": 2.0, "schedule": {"warmup_steps": 4}})
    made = make_optimizer(config, [variable((1.0,))], total_steps=14)
    assert made.get_config()["learning_rate"]["config"]["total_steps"] == 0


def test_schedule():
    rate = WarmupCosine(lr=2.0, warmup_steps=4, total_steps=14, final_factor=0.1)
    steps = [float(rate(step)) for step in (0, 1, 3, 4, 9, 14, 99)]
    expected = [0.5, 1.0, 2.0, 2.0, 2 * (0.1 + 0.9 * 0.5), 0.2, 0.2]
    np.testing.assert_allclose(steps, expected, rtol=1e-5)
    again = WarmupCosine.from_config(rate.get_config())
    assert float(again(9)) == float(rate(9))


def test_warm_up_alone_stays_at_the_rate():
    rate = WarmupCosine(lr=2.0, warmup_steps=4)
    assert [float(rate(step)) for step in (0, 3, 999)] == [0.5, 2, 2]
