"""Requests that a server runs when it loads the model, before it takes others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from export.sample import sample_image
from serving import contract
from serving.protos import PredictionLog
from serving.protos.tensors import to_tensor_proto

SIDE_PX = 256


def write_warmup(folder: Path, model_name: str) -> None:
    """Writes `tf_serving_warmup_requests`, one record per signature.

    Args:
        folder: the `assets.extra` folder.
        model_name: as the requests name it.
    """
    image = sample_image(0, SIDE_PX, SIDE_PX)
    encoded = [tf.io.encode_jpeg(image).numpy()]
    inputs: dict[str, Any] = {
        contract.SERVING_DEFAULT: encoded,
        contract.IMAGE_TENSOR: image[None],
        contract.ROI_MASKS: encoded,
        contract.MODEL_INFO: [b""],
    }
    with tf.io.TFRecordWriter(str(folder / contract.WARMUP_ASSET)) as writer:
        for name, value in inputs.items():
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model_name
            request.model_spec.signature_name = name
            alias = contract.SIGNATURES[name].inputs[0].name
            request.inputs[alias].CopyFrom(to_tensor_proto(value))
            writer.write(log.SerializeToString())
