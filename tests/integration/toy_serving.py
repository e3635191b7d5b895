"""A real SavedModel with the contract's signatures and nothing to compute.

Three signatures more: `wait` leaves the file `PATH.running` and runs until PATH
appears, `touch` leaves PATH behind, `pair` has two inputs and an output without batch.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.contract import SIGNATURES

D = 2
M = 4
PNG = tf.io.encode_png(np.full((1, 1, 1), 255, np.uint8)).numpy()
"""A white 1x1 image."""


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Fails only where something hangs; no test depends on how fast it comes true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "the awaited condition never came true"
        time.sleep(0.01)


def _string(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)


class _Toy(tf.Module):
    """Answers one detection an image, its score the mean brightness."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.info = tf.Variable(json.dumps({"mark": mark}))

    def _rows(self, scores: tf.Tensor, sizes: tf.Tensor) -> dict[str, tf.Tensor]:
        n = tf.shape(scores)[0]
        return {
            "num_detections": tf.fill([n], 1),
            "detection_boxes": tf.tile(
                tf.constant([[[0.0, 0.0, 1.0, 1.5], [0, 0, 0, 0]]]), [n, 1, 1]
            ),
            "detection_classes": tf.tile([[1, 0]], [n, 1]),
            "detection_class_names": tf.tile([["größe", ""]], [n, 1]),
            "detection_scores": tf.pad(scores[:, None], [[0, 0], [0, D - 1]]),
            "image_size": sizes,
        }

    def _decode(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        def one(encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
            mean = tf.reduce_mean(tf.cast(image, tf.float32)) / 255
            return mean, tf.shape(image)[:2]

        means, sizes = tf.map_fn(
            one, image_bytes, fn_output_signature=(tf.float32, tf.int32)
        )
        return self._rows(means, tf.ensure_shape(sizes, [None, 2]))

    def _pngs(self, n: tf.Tensor) -> tf.Tensor:
        return tf.tile(tf.constant([[PNG, b""]]), [n, 1])

    @tf.function(input_signature=[_string("image_bytes")])
    def serving_default(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = self._decode(image_bytes)
        return {**rows, "detection_masks_png_bytes": self._pngs(tf.size(image_bytes))}

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")]
    )
    def image_tensor(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.ensure_shape(images, [None, None, None, 3])
        shape = tf.shape(images)
        means = tf.reduce_mean(tf.cast(images, tf.float32), [1, 2, 3]) / 255
        rows = self._rows(means, tf.tile(shape[None, 1:3], [shape[0], 1]))
        return {**rows, "detection_masks_png_bytes": self._pngs(shape[0])}

    @tf.function(input_signature=[_string("image_bytes")])
    def roi_masks(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        masks = tf.ones([tf.size(image_bytes), D, M, M])
        return {**self._decode(image_bytes), "detection_masks": masks}

    @tf.function(input_signature=[_string("request")])
    def model_info(self, request: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"model_info_json": tf.fill(tf.shape(request), self.info.read_value())}

    @tf.function(input_signature=[_string("path")])
    def wait(self, path: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.io.write_file(path[0] + ".running", "")
        rounds = tf.constant(0)
        while tf.size(tf.io.matching_files(path[0])) == 0:
            rounds += 1
        return {"done": tf.fill([1], rounds >= 0)}

    @tf.function(input_signature=[_string("path")])
    def touch(self, path: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.io.write_file(path[0], "ran")]):
            return {"done": tf.fill([1], True)}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="a"),
            tf.TensorSpec([None], tf.int64, name="b"),
        ]
    )
    def pair(self, a: tf.Tensor, b: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"a_out": a * 2, "b_out": b + 1, "scalar": tf.size(b)}


def save_toy(path: Path, mark: str) -> None:
    """Writes a version whose `model_info` tells `mark`."""
    module = _Toy(mark)
    names = (*SIGNATURES, "wait", "touch", "pair")
    tf.saved_model.save(
        module, str(path), signatures={name: getattr(module, name) for name in names}
    )


def publish(made: Path, base: Path, version: int) -> Path:
    """Puts a saved model under a base path as an exporter does: by one rename."""
    temporary = base / f"tmp-{version}"
    shutil.copytree(made, temporary)
    return temporary.rename(base / str(version))


def is_running(release: Path) -> bool:
    """Tells whether a `wait` request for this path has begun to run."""
    return release.with_name(release.name + ".running").exists()


def images(*shape: int) -> np.ndarray:
    """Returns white uint8 images."""
    return np.full(shape, 255, np.uint8)
