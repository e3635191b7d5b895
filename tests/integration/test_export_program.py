"""What the SavedModel is made of: ops every supported server has, and warmup."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from serving import contract

OPS = Path(__file__).parents[1] / "fixtures" / "ops_tensorflow_2_17_1.txt"
FORBIDDEN = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "XlaLaunch", "XlaLaunchV2"}
COMPILED = ("_XlaMustCompile", "jit_compile", "_XlaCompile")


@pytest.fixture(scope="module")
def nodes(saved_model_dir):
    """Every node of the graph and of its functions."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((saved_model_dir / "saved_model.pb").read_bytes())
    (meta_graph,) = saved.meta_graphs
    graph = meta_graph.graph_def
    assert len(graph.library.function) > 4
    found = list(graph.node)
    for function in graph.library.function:
        found += function.node_def
    return (
        found,
        {function.signature.name for function in graph.library.function},
        graph,
    )


def test_every_op_is_one_of_tensorflow_2_17(nodes):
    header, *names = OPS.read_text().splitlines()
    assert header.startswith("#")
    assert names == sorted(set(names))
    found, functions, _ = nodes
    used = {node.op for node in found} - functions
    assert {"DecodeJpeg", "EncodePng", "CropAndResize"} <= used, "the list is looked at"
    assert used <= set(names)
    assert not used & FORBIDDEN


def test_nothing_asks_for_a_compiler(nodes):
    found, _, graph = nodes
    attributes = [(node.name, node.attr) for node in found]
    attributes += [(f.signature.name, f.attr) for f in graph.library.function]
    asking = [
        name
        for name, attr in attributes
        if any(key in attr and attr[key].b for key in COMPILED)
    ]
    assert asking == []


def test_no_node_is_pinned_to_a_gpu_or_touches_files(nodes):
    found, *_ = nodes
    assert not [node.name for node in found if "GPU" in node.device]
    used = {node.op for node in found}
    assert not used & {"WriteFile", "ReadFile", "MatchingFiles", "PrintV2"}


def test_nothing_but_the_weights_is_stored(saved_model_dir, small_checkpoint):
    """Anchors and names are constants; no optimiser, no second copy of a kernel."""
    from export.publish import folder_bytes

    variables = folder_bytes(saved_model_dir / "variables")
    assert variables < 1.1 * small_checkpoint.stat().st_size
    assert {path.name for path in saved_model_dir.iterdir()} >= {
        "saved_model.pb",
        "variables",
        "assets.extra",
    }
    assert not [p for p in saved_model_dir.parent.iterdir() if p != saved_model_dir]


def test_warmup_runs_every_signature_once(saved_model_dir, loaded_model):
    import tensorflow as tf
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = saved_model_dir / "assets.extra" / contract.WARMUP_ASSET
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    logs = [PredictionLog.FromString(record) for record in records]
    requests = [log.predict_log.request for log in logs]
    assert [log.WhichOneof("log_type") for log in logs] == ["predict_log"] * 4
    names = [request.model_spec.signature_name for request in requests]
    assert sorted(names) == sorted(contract.SIGNATURES)
    for name, request in zip(names, requests, strict=True):
        assert request.model_spec.name == "small"
        (tensor,) = contract.SIGNATURES[name].inputs
        assert list(request.inputs) == [tensor.name]
        value = tf.make_ndarray(request.inputs[tensor.name])
        answer = loaded_model(name, value)
        if name != contract.MODEL_INFO:
            assert int(answer["num_detections"][0]) > 0, "the whole path is warmed"
            assert np.array_equal(answer["image_size"], [[256, 256]])
