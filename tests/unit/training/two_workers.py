"""Two steps as one of two processes, which TF_CONFIG describes; prints JSON."""

import json
import sys

import tensorflow as tf


def main():
    tf.config.experimental.enable_op_determinism()
    # Before anything else that starts TensorFlow.
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    from tests.unit.training.two_devices import run, unequal_pictures

    _, halves = unequal_pictures()
    losses, weights = run(strategy, halves, train_bn=False)
    json.dump([losses.tolist(), [w.ravel()[:20].tolist() for w in weights]], sys.stdout)


if __name__ == "__main__":
    main()
