import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.learning.optimizers import (
    OptimizerOptions,
    WarmupCosine,
    apply_gradients,
    clip_gradients,
    make_optimizer,
)

GRADIENTS = [tf.constant((3.0, 0.0)), tf.constant((0.0, 4.0))]


def variable(value, name="kernel"):
    return keras.Variable(np.array(value, np.float32), name=name)


def test_global_clipping_keeps_the_direction():
    clipped = clip_gradients(GRADIENTS, 1.0, "global")
    np.testing.assert_allclose(clipped, [(0.6, 0), (0, 0.8)], rtol=1e-6)


def test_clipping_of_each_variable():
    clipped = clip_gradients(GRADIENTS, 3.5, "variable")
    np.testing.assert_allclose(clipped, [(3, 0), (0, 3.5)])


def test_no_clipping():
    assert clip_gradients(GRADIENTS, 1.0, "none") == GRADIENTS


def test_two_steps_of_the_default():
    options = OptimizerOptions(lr=0.1)
    weight = variable((1.0,))
    optimizer = make_optimizer(options, [weight], total_steps=10)
    norm = apply_gradients(optimizer, [tf.constant((10.0,))], [weight], options)
    assert float(norm) == 10
    np.testing.assert_allclose(weight.numpy(), [0.5])  # clipped to 5
    apply_gradients(optimizer, [tf.constant((1.0,))], [weight], options)
    # Velocity 0.9 * -0.5 - 0.1 * 1.
    np.testing.assert_allclose(weight.numpy(), [-0.05], atol=1e-6)


def test_adamw_decays_kernels_only():
    options = OptimizerOptions(name="adamw", lr=0.1, weight_decay=0.5)
    kernel, gamma = variable((1.0,)), variable((1.0,), "gamma")
    optimizer = make_optimizer(options, [kernel, gamma], total_steps=10)
    zeros = [tf.zeros((1,))] * 2
    apply_gradients(optimizer, zeros, [kernel, gamma], options)
    np.testing.assert_allclose(kernel.numpy(), [0.95])
    np.testing.assert_allclose(gamma.numpy(), [1.0])


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


def test_every_wrong_option_is_named():
    with pytest.raises(
        ValueError, match="name: expected one of sgd, adamw, got 'adam'"
    ) as e:
        OptimizerOptions(name="adam", lr=0, schedule="step", warmup_steps=-1)
    for field in ("lr", "schedule", "warmup_steps"):
        assert f"{field}: expected" in str(e.value)
    assert dataclasses.asdict(OptimizerOptions())["clip_norm"] == 5
