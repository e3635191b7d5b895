"""One training step of Mask R-CNN: forward, losses, gradients.

The paper's figure 1 in training mode: trunk -> proposals -> sampled RoIs -> box head
over all of them, mask head over the positives only (the others enter no mask loss).

Gradient variants. Matterport does not stop the gradient of the box targets: they are
encoded relative to the proposals, so the box loss also moves the RPN's deltas (Faster
R-CNN section 3.2 calls leaving that out "approximate joint training"). That is the
default here, as trainings that began there go on with the same gradient, of which it is
a sizeable part: the RPN delta kernel's norm on a reference step is 9.2 with it and 7.4
without. `stop_target_gradient` trains as the paper does.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from models import boxes as box_ops
from models.anchors import anchors_norm
from models.mask_rcnn import MaskRCNN
from models.proposals import proposals
from models.roi_align import POOLED_LEVELS, roi_align
from training.config.groups import Sgd
from training.config.train_config import TrainConfig
from training.learning.detection_targets import (
    DetectionTargets,
    Shuffle,
    Truth,
    detection_targets,
    stateless_shuffle,
)
from training.learning.losses import (
    Losses,
    Means,
    divide,
    head_losses,
    l2_regularisation,
    mrcnn_mask_loss,
    rpn_bbox_loss,
    rpn_class_loss,
    sum_over_replicas,
)
from training.learning.step import Forward, StepResult
from training.pipeline.batch import Batch


class TrainingNetwork:
    """A network with the steps that only training takes.

    Build it inside the scope of the strategy it will run under, and set which layers
    learn (`training.learning.trainable`) before a step is traced. A replica without
    any positive RoI normalises one stand-in row in the mask head; but for that,
    statistics learned over several replicas are those of one device.

    Attributes:
        network: the network that learns.
        config: how it learns.
        train_bn: batch normalisation learns its statistics, over all replicas; else it
            keeps them, which needs weights that come with sound ones.
    """

    def __init__(
        self,
        network: MaskRCNN,
        config: TrainConfig,
        *,
        train_bn: bool = False,
        shuffle: Shuffle = stateless_shuffle,
    ) -> None:
        self.network = network
        self.config = config
        self.train_bn = train_bn
        self._model = dataclasses.replace(
            network.config, post_nms_top_k=config.rois.proposals
        )
        self._shuffle = shuffle
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for layer in network.layers.values():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = config.bn_momentum
                layer.synchronized = train_bn and replicas > 1

    @property
    def trainable_variables(self) -> list[Any]:
        """Keras variables that learn, layer by layer."""
        return [
            variable
            for layer in self.network.layers.values()
            for variable in layer.trainable_variables
        ]

    def forward(self, batch: Batch, *, learning: bool = True) -> Forward:
        """Runs the network on its own proposals and what they should predict.

        Args:
            batch: the images with their objects.
            learning: False normalises by the statistics learned so far.
        """
        train_bn = learning and self.train_bn
        canvas_size = tf.shape(batch.images)[1:3]
        outputs = self.network.trunk(batch.images, training=train_bn)
        logits, deltas = outputs["objectness_logits"], outputs["anchor_deltas"]
        rois = proposals(
            tf.nn.softmax(logits)[..., 1],
            deltas,
            anchors_norm(self._model, canvas_size),
            self._model,
        )
        targets = self._targets(rois, batch, canvas_size)
        pyramid = {level: outputs[level] for level in POOLED_LEVELS}
        class_logits, box_deltas = self._classify(
            pyramid, targets, canvas_size, train_bn=train_bn
        )
        mask_logits, mask_rows = self._segment(
            pyramid, targets, canvas_size, train_bn=train_bn
        )
        return Forward(
            logits,
            deltas,
            rois,
            targets,
            class_logits,
            box_deltas,
            mask_logits,
            mask_rows,
        )

    def losses(self, batch: Batch, forward: Forward) -> Losses:
        """Returns the five losses as this replica's share of the global ones."""
        return divide(self.means(batch, forward), sum_over_replicas)

    def means(self, batch: Batch, forward: Forward) -> Means:
        """Returns sums and counts of the five losses of this replica's images."""
        targets = forward.targets
        class_loss, bbox_loss = head_losses(
            targets,
            forward.class_logits,
            forward.box_deltas,
            count_padding=not self.config.rois.fill_negatives,
        )
        return Means(
            rpn_class_loss(batch.rpn_match, forward.objectness_logits),
            rpn_bbox_loss(batch.rpn_match, batch.rpn_deltas, forward.anchor_deltas),
            class_loss,
            bbox_loss,
            mrcnn_mask_loss(
                tf.gather_nd(targets.masks, forward.mask_rows),
                forward.mask_logits,
                tf.gather_nd(targets.mask_weights, forward.mask_rows),
            ),
        )

    def l2(self) -> tf.Tensor:
        """Returns the L2 term: kernels and biases that learn, not gamma and beta.

        It is SGD's; AdamW decays weights itself.
        """
        how = self.config.optimizer
        if not (isinstance(how, Sgd) and how.weight_decay):
            return tf.constant(0.0)
        decayed = [
            tf.convert_to_tensor(v.value)
            for v in self.trainable_variables
            if v.name not in ("gamma", "beta")
        ]
        return l2_regularisation(decayed, how.weight_decay)

    def total(self, losses: Losses) -> tf.Tensor:
        """Returns the sum of the losses."""
        return tf.add_n(list(losses))

    def step(self, batch: Batch) -> StepResult:
        """Returns losses and gradients of a batch.

        Under a distribution strategy, call it in a replica: losses and gradients are to
        be summed over replicas, the L2 term included.
        """
        variables = [v.value for v in self.trainable_variables]
        with tf.GradientTape() as tape:
            losses = self.losses(batch, self.forward(batch))
            total = self.total(losses)
            l2 = self.l2() / _replicas()
            objective = total + l2
        gradients = tape.gradient(
            objective, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return StepResult(losses, total, l2, gradients)

    def _targets(
        self, rois: tf.Tensor, batch: Batch, canvas_size: tf.Tensor
    ) -> DetectionTargets:
        truth = Truth(
            batch.gt_class_ids,
            box_ops.to_norm(batch.gt_boxes, canvas_size, tf.float32),
            batch.gt_masks,
            batch.neutral,
        )
        targets = detection_targets(
            rois,
            truth,
            batch.seeds,
            sampling=self.config.rois,
            delta_std=self._model.delta_std,
            mask_size=self._model.mask_size,
            shuffle=self._shuffle,
        )
        # Pooling never passes a gradient to the boxes.
        targets = targets._replace(rois=tf.stop_gradient(targets.rois))
        if self.config.stop_target_gradient:
            targets = targets._replace(deltas=tf.stop_gradient(targets.deltas))
        return targets

    def _classify(
        self,
        pyramid: dict[str, tf.Tensor],
        targets: DetectionTargets,
        canvas_size: tf.Tensor,
        *,
        train_bn: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        batch, rows = tf.shape(targets.rois)[0], targets.rois.shape[1]
        architecture = self._model.architecture
        pooled = roi_align(
            pyramid,
            tf.reshape(targets.rois, (-1, 4)),
            tf.repeat(tf.range(batch), rows),
            canvas_size,
            architecture.pool_size,
        )
        logits, deltas = self.network.box_head(pooled, training=train_bn)
        classes = architecture.num_classes
        return (
            tf.reshape(logits, (-1, rows, classes)),
            tf.reshape(deltas, (-1, rows, classes, 4)),
        )

    def _segment(
        self,
        pyramid: dict[str, tf.Tensor],
        targets: DetectionTargets,
        canvas_size: tf.Tensor,
        *,
        train_bn: bool,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # Where there is no positive, the weights of the one that stands in are zero.
        return self.network.own_mask_logits(
            pyramid,
            targets.rois,
            targets.class_ids,
            targets.class_ids > 0,
            canvas_size,
            training=train_bn,
        )


def _replicas() -> int:
    context = tf.distribute.get_replica_context()
    return 1 if context is None else int(context.num_replicas_in_sync)
