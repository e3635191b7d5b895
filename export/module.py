"""The SavedModel's program: the four signatures of the serving contract."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from export.decode import decode, require_size
from export.postprocess import finish
from models.detections import Detections
from models.mask_rcnn import MaskRCNN
from models.preprocessing import Letterbox, letterbox, subtract_mean, to_canvas
from serving import contract

MAX_CANVAS_PIXELS = 1 << 24
"""Canvases that an image decides (not in "square") may be no larger.

The network takes about 400 bytes for each pixel; a row of pixels that is enlarged to
`min_dim` would take any amount.
"""
PARALLEL_IMAGES = 4
"""Images of a batch decoded at once; each may be `max_image_pixels` large."""


class ServingModule(tf.Module):
    """A network behind the signatures of the contract.

    Attributes:
        info: what `model_info` answers.
    """

    def __init__(self, network: MaskRCNN, info: contract.ModelInfo) -> None:
        super().__init__()
        self.info = info
        self._variables = [variable.value for variable in network.variables]
        # In closures, so that saving traces the signatures below and nothing of Keras.
        self._network: Callable[[], MaskRCNN] = lambda: network

    def signatures(self) -> dict[str, Any]:
        """Returns signature name -> concrete function."""
        functions = {
            contract.SERVING_DEFAULT: self.serving_default,
            contract.IMAGE_TENSOR: self.image_tensor,
            contract.ROI_MASKS: self.roi_masks,
            contract.MODEL_INFO: self.model_info,
        }
        return {
            name: function.get_concrete_function()
            for name, function in functions.items()
        }

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "image_bytes")])
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded images in, instances with PNG masks out."""
        return self._encoded(image_bytes, png=True)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "image_bytes")])
    def roi_masks(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded images in, instances with mask probabilities out."""
        return self._encoded(image_bytes, png=False)

    @tf.function(
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "images")]
    )
    def image_tensor(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """RGB pixels in, instances with PNG masks out."""
        images = _not_empty(images, (None, None, None, 3), contract.IMAGES.name)
        limit = self.info.input.max_image_pixels
        fits = require_size(tf.shape(images)[1:3], contract.IMAGES.name, limit)
        with tf.control_dependencies([fits]):
            images = tf.identity(images)
        return self._predict(images, lambda image: image, png=True)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "request")])
    def model_info(self, request: tf.Tensor) -> dict[str, tf.Tensor]:
        """The model's information, once per row of the request."""
        request = _not_empty(request, (None,), contract.REQUEST.name)
        answer = tf.fill(tf.shape(request), self.info.to_json().encode())
        return {contract.MODEL_INFO_JSON.name: answer}

    def _encoded(self, image_bytes: tf.Tensor, *, png: bool) -> dict[str, tf.Tensor]:
        image_bytes = _not_empty(image_bytes, (None,), contract.IMAGE_BYTES.name)
        limit = self.info.input.max_image_pixels
        return self._predict(image_bytes, lambda one: decode(one, limit), png=png)

    def _predict(
        self,
        inputs: tf.Tensor,
        to_image: Callable[[tf.Tensor], tf.Tensor],
        *,
        png: bool,
    ) -> dict[str, tf.Tensor]:
        """Runs the network over images of any sizes.

        Args:
            inputs: [B, ...] what `to_image` turns into uint8[h, w, 3], one by one.
            to_image: decoder.
            png: kind of masks.
        """
        network = self._network()
        names = tf.constant([c.title.encode() for c in self.info.classes])

        def prepare(one: tf.Tensor) -> tuple[tf.Tensor, Letterbox]:
            image = to_image(one)
            box = letterbox(tf.shape(image)[:2], network.config)
            fits = require_size(box.canvas_size, "canvas", MAX_CANVAS_PIXELS)
            with tf.control_dependencies([fits]):
                return to_canvas(image, box), box

        def answer(
            found: Detections, mask_probs: tf.Tensor, box: Letterbox
        ) -> dict[str, tf.Tensor]:
            return finish(found, mask_probs, box, names, png=png)

        def one_by_one(one: tf.Tensor) -> dict[str, tf.Tensor]:
            canvas, box = prepare(one)  # [H, W, 3]
            canvas = subtract_mean(canvas, network.config)
            found, probs = network(canvas[None], box.window[None])  # probs [1, D, M, M]
            return answer(Detections(*(x[0] for x in found)), probs[0], box)

        spec = self._row_spec(png=png)
        if network.config.resize_mode != "square":
            return tf.map_fn(
                one_by_one, inputs, fn_output_signature=spec, parallel_iterations=1
            )
        side = network.config.max_dim
        canvases, boxes = tf.map_fn(
            prepare,
            inputs,
            fn_output_signature=(
                tf.TensorSpec((side, side, 3), tf.uint8),
                Letterbox(*(tf.TensorSpec((n,), tf.int32) for n in (2, 2, 2, 4))),
            ),
            parallel_iterations=PARALLEL_IMAGES,
        )
        canvases = subtract_mean(canvases, network.config)  # [B, side, side, 3]
        found, probs = network(canvases, boxes.window)  # probs [B, D, M, M]
        return tf.map_fn(
            lambda row: answer(*row),
            (found, probs, boxes),
            fn_output_signature=spec,
            parallel_iterations=PARALLEL_IMAGES,
        )

    def _row_spec(self, *, png: bool) -> dict[str, tf.TensorSpec]:
        """Returns the specification of the outputs without their batch dimension."""
        sizes = {"D": self.info.max_detections, "M": self.info.mask_size}
        name = contract.SERVING_DEFAULT if png else contract.ROI_MASKS
        return {
            tensor.name: tf.TensorSpec(
                [n if isinstance(n, int) else sizes[n] for n in tensor.shape[1:]],
                tf.as_dtype(tensor.dtype),
            )
            for tensor in contract.SIGNATURES[name].outputs
        }


def _not_empty(x: tf.Tensor, shape: tuple[int | None, ...], name: str) -> tf.Tensor:
    """Checks a fed tensor; servers do not, and a wrong rank may end their process."""
    x = tf.ensure_shape(x, shape)
    filled = tf.debugging.Assert(
        tf.shape(x)[0] > 0, [f"{name}: expected a batch of at least 1, got 0"]
    )
    with tf.control_dependencies([filled]):
        return tf.identity(x)
