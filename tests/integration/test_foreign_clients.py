"""Clients that know nothing of this project but its `.proto` files and its pages."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving import protos
from tests.integration.serving_clients import TIMEOUT_S, rest
from tests.integration.toy_serving import PNG

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contract.md"
PNG_BASE64 = base64.b64encode(PNG).decode()
PROTOS = Path(protos.__file__).parent
SOURCES = sorted(path.name for path in PROTOS.glob("*.proto"))
FETCH_TIMEOUT_S = 120

PYTHON_CLIENT = """
import json, sys
import grpc
import grpc_health_pb2, grpc_health_pb2_grpc
import tensorflow_serving_pb2 as api, tensorflow_serving_pb2_grpc as services
channel = grpc.insecure_channel(sys.argv[1])
request = api.PredictRequest()
request.model_spec.name = "toy"
image = request.inputs["image_bytes"]
image.dtype = 7
image.tensor_shape.dim.add().size = 1
image.string_val.append(open(sys.argv[2], "rb").read())
prediction = services.PredictionServiceStub(channel)
answer = prediction.Predict(request, timeout=60)
metadata = prediction.GetModelMetadata(
    api.GetModelMetadataRequest(
        model_spec=request.model_spec, metadata_field=["signature_def"]
    ),
    timeout=60,
)
signatures = api.SignatureDefMap()
assert metadata.metadata["signature_def"].Unpack(signatures)
status = services.ModelServiceStub(channel).GetModelStatus(
    api.GetModelStatusRequest(model_spec=request.model_spec), timeout=60
)
health = grpc_health_pb2_grpc.HealthStub(channel).Check(
    grpc_health_pb2.HealthCheckRequest(), timeout=60
)
print(json.dumps({
    "version": answer.model_spec.version.value,
    "boxes": list(answer.outputs["detection_boxes"].float_val),
    "signatures": sorted(signatures.signature_def),
    "states": {s.version: s.state for s in status.model_version_status},
    "health": health.status,
}))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "white.png"
    path.write_bytes(PNG)
    return path


def _run(command, cwd):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_python_stubs_made_from_the_protos(server, image, tmp_path):
    line = [sys.executable, "-m", "grpc_tools.protoc", "-I", PROTOS]
    _run([*line, "--python_out=.", "--grpc_python_out=.", *SOURCES], tmp_path)
    (tmp_path / "foreign_client.py").write_text(PYTHON_CLIENT, "utf-8")
    told = _run(
        [sys.executable, "foreign_client.py", f"127.0.0.1:{server.port}", image],
        tmp_path,
    )
    answer = json.loads(told)
    assert answer["version"] == 1
    assert answer["boxes"] == [0, 0, 1, 1.5, 0, 0, 0, 0]
    assert {"serving_default", "roi_masks", "model_info"} < set(answer["signatures"])
    assert answer["states"] == {"1": 30}
    assert answer["health"] == 1


def test_the_published_health_client(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", protos.PREDICTION_SERVICE, protos.MODEL_SERVICE):
            answer = health.Check(
                health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S
            )
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(
                health_pb2.HealthCheckRequest(service="nothing"), timeout=TIMEOUT_S
            )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory):
    """A folder with the page's Node client and what it imports."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("node")
    page = PAGE.read_text("utf-8")
    packages = re.search(r"`npm install ([^`]+)`", page)[1].split()
    flags = ["--no-audit", "--no-fund", "--ignore-scripts"]
    flags += ["--fetch-retries=0", "--fetch-timeout=20000"]
    try:
        got = subprocess.run(
            ["npm", "install", *flags, *packages],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer")
    if got.returncode != 0:
        pytest.skip(f"npm cannot fetch {packages}: {got.stderr[-200:]}")
    script = re.search(r"```js\n(// predict.mjs\n.*?)```", page, re.DOTALL)[1]
    (folder / "predict.mjs").write_text(script, "utf-8")
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_the_node_client_of_the_page(node_folder, serve, toy, image, packed):
    server = serve(toy, packed_outputs=packed)
    address = f"localhost:{server.port}"
    told = _run(["node", "predict.mjs", PROTOS, address, "toy", image], cwd=node_folder)
    assert [json.loads(line) for line in told.splitlines()] == [
        {
            "class": "größe",
            "score": 1,
            "box": [0, 0, 1, 1.5],
            "mask_png_bytes": len(PNG),
        }
    ]


def test_the_rest_form_of_the_page(server):
    page = PAGE.read_text("utf-8")
    asked, answered = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    body = json.loads(asked)
    assert [*body["instances"][0]] == ["b64"]
    body["instances"] = [{"b64": PNG_BASE64}]
    status, content = rest(server.rest_api_port, "/v1/models/toy:predict", body)
    assert status == 200
    (row,), (told,) = content["predictions"], json.loads(answered)["predictions"]
    assert row.keys() == told.keys()
    assert row["detection_masks_png_bytes"] == [{"b64": PNG_BASE64}, {"b64": ""}]
    assert row["detection_class_names"] == ["größe", ""]
