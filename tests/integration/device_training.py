"""Trains over two logical CPU devices, as one worker of TF_CONFIG, or on one device.

`python -m tests.integration.device_training one|two|worker PROJECT OUTPUT`
"""

import sys

import tensorflow as tf

from tests.shapes_project import train_config
from training.engine.run import train


def main():
    kind, project, output = sys.argv[1:]
    strategy = None
    if kind == "two":
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * 2,
        )
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    batch = {"train": 4 if kind == "one" else 2, "val": 2}
    # Float noise, as of statistics over replicas, must not grow into another choice of
    # RoIs; learned statistics are tested step by step.
    config = train_config(batch_size=batch, lr=1e-5, epochs=2, train_bn=False)
    train(config, project=project, output=output, device="cpu", strategy=strategy)


if __name__ == "__main__":
    main()
