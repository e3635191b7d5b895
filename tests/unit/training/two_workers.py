"""Two steps as one of the processes that TF_CONFIG describes; prints JSON.

Without a TF_CONFIG one device takes them, with the whole batch.
"""

import json
import os
import sys

import tensorflow as tf


def main():
    tf.config.experimental.enable_op_determinism()
    # Before anything else that starts TensorFlow.
    is_worker = "TF_CONFIG" in os.environ
    strategy = (
        tf.distribute.MultiWorkerMirroredStrategy()
        if is_worker
        else tf.distribute.OneDeviceStrategy("CPU:0")
    )
    from tests.unit.training.two_devices import run, unequal_images

    batch, halves = unequal_images()
    losses, weights = run(strategy, halves if is_worker else [batch], train_bn=False)
    json.dump([losses.tolist(), [w.ravel()[:20].tolist() for w in weights]], sys.stdout)


if __name__ == "__main__":
    main()
