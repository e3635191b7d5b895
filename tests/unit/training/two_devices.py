"""Two steps over two logical devices, and over one; prints the differences as JSON."""

import dataclasses
import json
import sys

import numpy as np
import tensorflow as tf

from models.mask_rcnn import MaskRCNN
from tests.unit.training.conftest import TINY, generated_batch
from training.config.train_config import read_config
from training.learning.network import TrainingNetwork
from training.learning.optimizers import apply_gradients, make_optimizer
from training.pipeline.batch import Batch
from training.weights.initialisation import initialise

HOW = read_config(
    {
        "lr": 0.02,
        "optimizer": {"clip_norm": 0.5, "weight_decay": 0.1},
        "rois": {"proposals": 100, "per_image": 32, "append_truth": True},
    }
)


def run(strategy, batches, *, train_bn):
    """Returns losses, L2 term and norm of two steps, and the weights after them."""
    with strategy.scope():
        # Few candidates with scores far apart: noise must not change the proposals'
        # order, from which RoIs are drawn.
        network = MaskRCNN(dataclasses.replace(TINY, pre_nms_top_k=60))
        initialise(network, 0, zero_gamma=False)
        kernel = network.layers["rpn_class_raw"].kernel
        kernel.assign(kernel.numpy() * 20)
        training = TrainingNetwork(network, HOW, train_bn=train_bn)
        variables = training.trainable_variables
        optimizer = make_optimizer(HOW, variables, total_steps=2)

    @tf.function
    def step(batch):
        def replica(batch):
            result = training.step(batch)
            norm = apply_gradients(
                optimizer, result.gradients, variables, HOW.optimizer.clip_norm
            )
            return tf.stack([*result.losses, result.total, result.l2]), norm

        losses, norm = strategy.run(replica, args=(batch,))
        return (
            strategy.reduce("sum", losses, axis=None),
            strategy.reduce("mean", norm, axis=None),
        )

    values = []
    for _ in range(2):
        share = strategy.experimental_distribute_values_from_function(
            lambda context: batches[context.replica_id_in_sync_group]
        )
        losses, norm = step(share)
        values.append([*losses.numpy(), norm.numpy()])
    return np.array(values), [v.numpy() for v in network.variables]


def unequal_images():
    """Returns a batch of two images, and one batch of each.

    They have unequal numbers of objects and anchors: a mean of means would differ.
    """
    batch = generated_batch(2)
    class_ids = batch.gt_class_ids.numpy()
    class_ids[1, 0] = 0
    match = batch.rpn_match.numpy()
    match[1, match[1] < 0] *= np.arange(np.sum(match[1] < 0)) % 3 == 0
    batch = batch._replace(
        gt_class_ids=tf.constant(class_ids), rpn_match=tf.constant(match)
    )
    halves = [Batch(*[x if x is None else x[i : i + 1] for x in batch]) for i in (0, 1)]
    return batch, halves


def main():
    tf.config.experimental.enable_op_determinism()
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    batch, halves = unequal_images()
    # A second strategy in one process would number its collectives like the first.
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    report = {}
    for train_bn in (False, True):
        one = run(tf.distribute.OneDeviceStrategy("CPU:0"), [batch], train_bn=train_bn)
        two = run(mirrored, halves, train_bn=train_bn)
        report[str(train_bn)] = {
            "losses": one[0][:, :5].tolist(),
            "loss_difference": float(
                (np.abs(one[0] - two[0]) / (np.abs(one[0]) + 0.01)).max()
            ),
            "weight_difference": max(
                float(np.abs(a - b).max()) for a, b in zip(one[1], two[1], strict=True)
            ),
        }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
