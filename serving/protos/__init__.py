"""Messages of TensorFlow Serving's wire, in a private descriptor pool.

The `.proto` files beside this module are the subset of TensorFlow's and TensorFlow
Serving's messages that both sides of the wire use, under their real names. They are
loaded from `messages.binpb` into a pool of their own, so they live in one process with
TensorFlow's generated messages, which occupy the default pool.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DESCRIPTOR_FILE = Path(__file__).with_name("messages.binpb")

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
HEALTH_SERVICE = "grpc.health.v1.Health"

_pool = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(
    DESCRIPTOR_FILE.read_bytes()
).file:
    _pool.Add(_file)


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


TensorProto = _message("tensorflow.TensorProto")
TensorShapeProto = _message("tensorflow.TensorShapeProto")
SignatureDef = _message("tensorflow.SignatureDef")

ModelSpec = _message("tensorflow.serving.ModelSpec")
PredictRequest = _message("tensorflow.serving.PredictRequest")
PredictResponse = _message("tensorflow.serving.PredictResponse")
SignatureDefMap = _message("tensorflow.serving.SignatureDefMap")
GetModelMetadataRequest = _message("tensorflow.serving.GetModelMetadataRequest")
GetModelMetadataResponse = _message("tensorflow.serving.GetModelMetadataResponse")
GetModelStatusRequest = _message("tensorflow.serving.GetModelStatusRequest")
GetModelStatusResponse = _message("tensorflow.serving.GetModelStatusResponse")
ModelVersionStatus = _message("tensorflow.serving.ModelVersionStatus")
PredictionLog = _message("tensorflow.serving.PredictionLog")

HealthCheckRequest = _message("grpc.health.v1.HealthCheckRequest")
HealthCheckResponse = _message("grpc.health.v1.HealthCheckResponse")

_data_type = _pool.FindEnumTypeByName("tensorflow.DataType")
DATA_TYPE_NUMBERS: dict[str, int] = {v.name: v.number for v in _data_type.values}
"""DataType enum name ("DT_FLOAT") -> number."""
DATA_TYPE_NAMES: dict[int, str] = {v.number: v.name for v in _data_type.values}
"""DataType enum number -> name."""

__all__ = [
    "DATA_TYPE_NAMES",
    "DATA_TYPE_NUMBERS",
    "DESCRIPTOR_FILE",
    "HEALTH_SERVICE",
    "MODEL_SERVICE",
    "PREDICTION_SERVICE",
    "GetModelMetadataRequest",
    "GetModelMetadataResponse",
    "GetModelStatusRequest",
    "GetModelStatusResponse",
    "HealthCheckRequest",
    "HealthCheckResponse",
    "ModelSpec",
    "ModelVersionStatus",
    "PredictRequest",
    "PredictResponse",
    "PredictionLog",
    "SignatureDef",
    "SignatureDefMap",
    "TensorProto",
    "TensorShapeProto",
]
