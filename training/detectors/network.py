"""A network in this process as a detector: what a deployment of it would answer.

Sizing, detection and mask drawing are those of `models`, which the export wraps too.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from formats.mask_crop import MaskCrop
from models.mask_rcnn import MaskRCNN
from models.masks import round_boxes, to_box
from models.preprocessing import letterbox, subtract_mean, to_canvas, to_image_frame
from training.detectors.detector import DetectorImage, EvaluatedDetections, to_coco_mask
from training.detectors.model import DetectionLimits


class NetworkDetector:
    """Runs a network over images, one at a time.

    The graph is traced once; it reads the weights that the network has at each call.
    """

    def __init__(self, network: MaskRCNN, limits: DetectionLimits) -> None:
        """Shares the layers of a network under other limits.

        Args:
            network: stays as it is.
            limits: in place of the network's own.
        """
        self._network = copy.copy(network)
        self._network.config = dataclasses.replace(
            network.config,
            score_threshold=limits.score_threshold,
            max_detections=limits.max_detections,
        )
        self._find: Any = tf.function(
            self._find_in, input_signature=[tf.TensorSpec((None, None, 3), tf.uint8)]
        )
        self._draw: Any = tf.function(
            to_box,
            input_signature=[
                tf.TensorSpec((None, None), tf.float32),
                tf.TensorSpec((2,), tf.int32),
            ],
        )

    def __call__(self, image: DetectorImage) -> EvaluatedDetections:
        """Finds the instances of an image.

        Raises:
            DatasetError: the image cannot be read.
        """
        found = self._find(tf.constant(image.pixels()))
        boxes, class_ids, scores, probs = (rows.numpy() for rows in found)
        corners = round_boxes(boxes).numpy()
        masks = []
        for (y1, x1, y2, x2), prob in zip(corners, probs, strict=True):
            mask = self._draw(prob, np.array((y2 - y1, x2 - x1), np.int32)).numpy()
            masks.append(to_coco_mask(MaskCrop(int(y1), int(x1), mask), image.size))
        return EvaluatedDetections(boxes, class_ids, scores, tuple(masks))

    def _find_in(
        self, image: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Detects in one image.

        Args:
            image: uint8[H, W, 3] RGB.

        Returns:
            boxes float32[n, 4], class ids int32[n], scores float32[n] and mask
            probabilities float32[n, M, M] of the rows whose box has a pixel.
        """
        config = self._network.config
        box = letterbox(tf.shape(image)[:2], config)
        canvas = subtract_mean(to_canvas(image, box), config)
        found, probs = self._network(canvas[None], box.window[None])
        count = found.count[0]
        boxes = to_image_frame(found.boxes_norm[0, :count], box)
        corners = round_boxes(boxes)
        kept = tf.where(tf.reduce_all(corners[:, 2:] > corners[:, :2], axis=1))[:, 0]
        rows = (boxes, found.class_ids[0], found.scores[0], probs[0])
        return tuple(tf.gather(x, kept) for x in rows)
