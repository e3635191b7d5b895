from __future__ import annotations

import pytest

from serving.protos import DATA_TYPE_NUMBERS, SignatureDef
from serving.protos.tensors import shape_proto


@pytest.fixture
def make_signature():
    """Builds a SignatureDef: make_signature(a=("DT_FLOAT", (None, 2)))."""

    def make(**inputs):
        signature = SignatureDef(method_name="tensorflow/serving/predict")
        for alias, (dtype, shape) in inputs.items():
            info = signature.inputs[alias]
            info.name = f"feed_{alias}:0"
            info.dtype = DATA_TYPE_NUMBERS[dtype]
            if shape is None:
                info.tensor_shape.unknown_rank = True
            else:
                info.tensor_shape.CopyFrom(shape_proto(shape))
        return signature

    return make
