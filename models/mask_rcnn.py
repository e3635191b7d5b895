"""Mask R-CNN (He et al. 2017): trunk, proposals, box head, detections, masks."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from models import boxes as box_ops
from models.anchors import anchors_norm
from models.config import ModelConfig
from models.detections import Detections, detections
from models.fpn import fpn
from models.heads import box_head, mask_head
from models.layout import Arrays, Key
from models.proposals import proposals
from models.resnet import resnet
from models.roi_align import roi_align
from models.rpn import rpn


class Prediction(NamedTuple):
    """What the network says of a batch.

    Attributes:
        detections: boxes, classes and scores.
        mask_probs: float32[B, D, M, M], probability inside the box that a pixel belongs
            to the instance, of the detection's own class; zero past `count`.
    """

    detections: Detections
    mask_probs: tf.Tensor


class MaskRCNN:
    """The network as three Keras models and the steps between them.

    Attributes:
        config: what it is.
        trunk: canvas -> {"P2".."P6", "objectness_logits", "anchor_deltas"} ("C2".."C5"
            too).
        box_head: pooled features -> class_logits, box_deltas.
        mask_head: pooled features -> mask_logits.
        batch_norm: False when the weights hold the normalisation folded.
    """

    def __init__(self, config: ModelConfig, *, batch_norm: bool = True) -> None:
        self.config = config
        self.batch_norm = batch_norm
        self.trunk = _trunk(config, batch_norm=batch_norm)
        self.box_head = box_head(config.architecture, batch_norm=batch_norm)
        self.mask_head = mask_head(
            config.architecture, config.mask_pool_size, batch_norm=batch_norm
        )

    @property
    def models(self) -> tuple[keras.Model, ...]:
        """The three Keras models."""
        return self.trunk, self.box_head, self.mask_head

    @property
    def layers(self) -> dict[str, keras.Layer]:
        """Layers that hold weights, by their Matterport name."""
        return {
            layer.name: layer
            for model in self.models
            for layer in model.layers
            if layer.weights
        }

    @property
    def variables(self) -> list[keras.Variable]:
        """All weights."""
        return list(self._by_key().values())

    @classmethod
    def from_arrays(cls, config: ModelConfig, arrays: Arrays) -> MaskRCNN:
        """Builds the network that arrays are of: with its normalisation, or folded."""
        normalised = any(array == "gamma" for _, array in arrays)
        network = cls(config, batch_norm=normalised)
        network.set_arrays(arrays)
        return network

    def arrays(self) -> Arrays:
        """Returns a copy of all weights."""
        return {key: variable.numpy() for key, variable in self._by_key().items()}

    def set_arrays(self, arrays: Arrays) -> None:
        """Takes over all weights.

        Raises:
            ValueError: an array has no variable, or a variable no array.
        """
        variables = self._by_key()
        if differing := variables.keys() ^ arrays.keys():
            names = sorted("/".join(key) for key in differing)
            raise ValueError(
                f"weights: expected an array for each of {len(variables)} variables, "
                f"got {len(arrays)} arrays; only one side has {', '.join(names[:5])}"
            )
        for key, variable in variables.items():
            variable.assign(arrays[key])

    def _by_key(self) -> dict[Key, keras.Variable]:
        return {
            (name, variable.name): variable
            for name, layer in self.layers.items()
            for variable in layer.weights
        }

    def __call__(self, canvas: tf.Tensor, windows: tf.Tensor) -> Prediction:
        """Detects and segments, in inference mode.

        Args:
            canvas: float32[B, H, W, 3] RGB minus the mean pixel; H and W multiples of
                32.
            windows: int32[B, 4] yxyx canvas pixels, the image inside the padding.
        """
        canvas_size = tf.shape(canvas)[1:3]
        features = self.trunk(canvas, training=False)
        rois = self.propose(features, canvas_size)
        windows_norm = box_ops.to_norm(windows, canvas_size, tf.float32)
        found = self.detect(features, rois, windows_norm, canvas_size)
        return Prediction(found, self.segment(features, found, canvas_size))

    def propose(
        self, features: dict[str, tf.Tensor], canvas_size: tf.Tensor
    ) -> tf.Tensor:
        """Returns float32[B, K, 4] proposals, boxes_norm."""
        objectness = tf.nn.softmax(features["objectness_logits"])[..., 1]  # [B, N]
        anchors = anchors_norm(self.config, canvas_size)  # [N, 4]
        return proposals(objectness, features["anchor_deltas"], anchors, self.config)

    def classify(
        self, features: dict[str, tf.Tensor], rois: tf.Tensor, canvas_size: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns class_probs float32[B, K, C] and box_deltas float32[B, K, C, 4]."""
        batch, count = tf.shape(rois)[0], rois.shape[1]
        pooled = roi_align(  # [B K, side, side, F]
            features,
            tf.reshape(rois, (-1, 4)),
            tf.repeat(tf.range(batch), count),
            canvas_size,
            self.config.architecture.pool_size,
        )
        logits, deltas = self.box_head(pooled, training=False)  # [B K, C], [B K, C, 4]
        classes = self.config.architecture.num_classes
        probs = tf.reshape(tf.nn.softmax(logits), (-1, count, classes))  # [B, K, C]
        return probs, tf.reshape(deltas, (-1, count, classes, 4))  # [B, K, C, 4]

    def detect(
        self,
        features: dict[str, tf.Tensor],
        rois: tf.Tensor,
        windows_norm: tf.Tensor,
        canvas_size: tf.Tensor,
    ) -> Detections:
        """Returns the detections among float32[B, K, 4] proposals."""
        class_probs, box_deltas = self.classify(features, rois, canvas_size)
        return detections(rois, class_probs, box_deltas, windows_norm, self.config)

    def segment(
        self, features: dict[str, tf.Tensor], found: Detections, canvas_size: tf.Tensor
    ) -> tf.Tensor:
        """Returns float32[B, D, M, M] mask probabilities; computes real rows only."""
        real = tf.sequence_mask(found.count, self.config.max_detections)  # [B, D]
        own, rows = self.own_mask_logits(
            features, found.boxes_norm, found.class_ids, real, canvas_size
        )
        side = self.config.mask_size
        shape = tf.concat([tf.shape(real), [side, side]], axis=0)
        # [Q, M, M] -> [B, D, M, M]
        probs = tf.scatter_nd(rows, tf.sigmoid(own), tf.cast(shape, tf.int64))
        # Also blanks the row that stands in where there is none.
        probs *= tf.cast(real, tf.float32)[:, :, None, None]
        return tf.ensure_shape(probs, (None, self.config.max_detections, side, side))

    def own_mask_logits(
        self,
        features: dict[str, tf.Tensor],
        boxes_norm: tf.Tensor,
        class_ids: tf.Tensor,
        chosen: tf.Tensor,
        canvas_size: tf.Tensor,
        *,
        training: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs the mask head over chosen boxes.

        Args:
            features: the pyramid.
            boxes_norm: float32[B, R, 4].
            class_ids: int32[B, R], the class whose mask is wanted.
            chosen: bool[B, R], the boxes to look at.
            canvas_size: int32[2] (height, width), pixels.
            training: normalise by the batch's own statistics.

        Returns:
            mask_logits float32[Q, M, M] of each box's own class, and int64[Q, 2]
            (image, row) of the boxes. Where none is chosen, row 0 of image 0 stands in,
            as convolutions over an empty batch fail on some CPUs.
        """
        rows = tf.where(chosen)  # [Q, 2]
        rows = tf.cond(
            tf.size(rows) > 0, lambda: rows, lambda: tf.zeros((1, 2), tf.int64)
        )
        pooled = roi_align(  # [Q, side, side, F]
            features,
            tf.gather_nd(boxes_norm, rows),
            tf.cast(rows[:, 0], tf.int32),
            canvas_size,
            self.config.mask_pool_size,
        )
        logits = self.mask_head(pooled, training=training)  # [Q, M, M, C]
        classes = tf.gather_nd(class_ids, rows)  # [Q]
        # [Q, C, M, M] -> [Q, M, M]
        own = tf.gather(tf.transpose(logits, (0, 3, 1, 2)), classes, batch_dims=1)
        return own, rows


def _trunk(config: ModelConfig, *, batch_norm: bool) -> keras.Model:
    canvas = keras.Input((None, None, 3), name="canvas")
    bottom_up = resnet(canvas, config.architecture, batch_norm=batch_norm)
    pyramid = fpn(bottom_up, config.architecture.fpn_channels)
    logits, deltas = rpn(
        pyramid,
        config.architecture.rpn_channels,
        config.architecture.anchors_per_cell,
        config.anchor_stride,
    )
    outputs: dict[str, Any] = {
        **bottom_up,
        **pyramid,
        "objectness_logits": logits,
        "anchor_deltas": deltas,
    }
    return keras.Model(canvas, outputs, name="trunk")
