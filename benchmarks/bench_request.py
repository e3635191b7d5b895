"""Times one request to the embedded server, and where its time goes.

    python benchmarks/bench_request.py [--weights w.h5 --config config.json]
        [--image FILE] [--backbone resnet101] [--requests 6]

Exports the weights (seeded ones without --weights), serves them in a process of its
own, and sends one image (a generated one without --image) over gRPC: two warm-ups,
then the counted requests, one after the other. Then runs the steps of the network one
by one in this process. Prints JSON: seconds, bytes, MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
WARM_UPS = 2


def main() -> int:
    """Runs the command line; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--backbone", default="resnet101")
    parser.add_argument("--classes", default="81")
    parser.add_argument("--requests", type=int, default=6)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["PYTHONPATH"] = str(ROOT)
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        weights = args.weights or base / "seeded.h5"
        if args.weights is None:
            script = ROOT / "examples" / "seeded_checkpoint.py"
            _python(
                script, weights, "--backbone", args.backbone, "--classes", args.classes
            )
        options = ["--config", args.config] if args.config else []
        started = time.perf_counter()
        _python("-m", "export", "--weights", weights, "--output", base / "m", *options)
        report: dict[str, Any] = {"export_s": time.perf_counter() - started}
        image = args.image or base / "picture.jpg"
        if args.image is None:
            _write_image(image)
        report |= _requests(base / "m", image, args.requests)
        report |= _steps(weights, args.config, image, args.requests)
    print(json.dumps(_rounded(report), indent=2))
    return 0


def _python(*command: Any) -> None:
    subprocess.run([sys.executable, *map(str, command)], check=True, cwd=ROOT)


def _write_image(path: Path) -> None:
    import cv2

    from export.sample import sample_image

    cv2.imwrite(str(path), sample_image(0, 480, 640)[:, :, ::-1])


def _requests(base: Path, image: Path, count: int) -> dict[str, Any]:
    """Times whole requests through the embedded server."""
    from client import Client
    from serving.protos import PredictRequest

    command = [sys.executable, "-m", "serving", "--model-base-path", str(base)]
    with subprocess.Popen(
        [*command, "--port", "0", "--rest-api-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            address = server.stdout.readline().strip().replace("0.0.0.0", "localhost")
            client = _connect(Client, address)
            data = image.read_bytes()
            times = []
            for _ in range(WARM_UPS + count):
                started = time.perf_counter()
                result = client.predict(data)
                times.append(time.perf_counter() - started)
            rss = psutil.Process(server.pid).memory_info().rss / 2**20
            size = _response_bytes(address, data, PredictRequest)
        finally:
            server.terminate()
    times = times[WARM_UPS:]
    return {
        "image_bytes": len(data),
        "instances": len(result.instances),
        "response_bytes": size,
        "request_median_s": statistics.median(times),
        "request_min_s": min(times),
        "request_max_s": max(times),
        "server_rss_mib": rss,
    }


def _connect(make: Callable[..., Any], address: str) -> Any:
    """Connects once the server has loaded the model."""
    from client.errors import ClientError

    for _ in range(120):
        try:
            return make(address)
        except ClientError:
            time.sleep(1)
    return make(address)


def _response_bytes(address: str, image: bytes, request_type: Any) -> int:
    import grpc

    from serving.protos.tensors import to_tensor_proto

    request = request_type()
    request.model_spec.name = "mask_rcnn"
    request.inputs["image_bytes"].CopyFrom(to_tensor_proto([image]))
    with grpc.insecure_channel(
        address, options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        return len(call(request.SerializeToString()))


def _steps(
    weights: Path, config: Path | None, image: Path, count: int
) -> dict[str, Any]:
    """Times the steps of one request by themselves, each as a graph of its own."""
    import tensorflow as tf

    from export.decode import decode
    from export.postprocess import finish
    from export.settings import Options, resolve_settings
    from models import boxes as box_ops
    from models.checkpoint import inspect_checkpoint, read_arrays
    from models.detections import Detections
    from models.folding import fold_batch_norm
    from models.mask_rcnn import MaskRCNN
    from models.preprocessing import letterbox, subtract_mean, to_canvas

    checkpoint = inspect_checkpoint(weights)
    settings = resolve_settings(Options(weights=weights, config=config), checkpoint)
    network = MaskRCNN.from_arrays(
        settings.config, fold_batch_norm(read_arrays(checkpoint))
    )
    names = tf.constant([c.title for c in settings.classes])

    def preprocess(contents: tf.Tensor) -> tf.Tensor:
        pixels = decode(contents, 10**8)
        plan = letterbox(tf.shape(pixels)[:2], network.config)
        return subtract_mean(to_canvas(pixels, plan), network.config)[None], plan

    def finish_one(found: Any, probs: Any, plan: Any) -> Any:
        one = Detections(*(x[0] for x in found))
        return finish(one, probs[0], plan, names, png=True)

    canvas, plan = preprocess(tf.io.read_file(str(image)))
    size = tf.shape(canvas)[1:3]
    features = network.trunk(canvas)
    window = box_ops.to_norm(plan.window[None], size, tf.float32)
    rois = network.propose(features, size)
    found = network.detect(features, rois, window, size)
    probs = network.segment(features, found, size)
    steps: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
        "decode, resize, pad": (preprocess, (tf.io.read_file(str(image)),)),
        "backbone, FPN, RPN": (network.trunk, (canvas,)),
        "proposals": (network.propose, (features, size)),
        "box head, detections": (network.detect, (features, rois, window, size)),
        "mask head": (network.segment, (features, found, size)),
        "boxes, PNG masks": (finish_one, (found, probs, plan)),
    }
    return {
        "steps_median_s": {
            name: _median(tf.function(step), arguments, count)
            for name, (step, arguments) in steps.items()
        }
    }


def _median(step: Callable[..., Any], arguments: tuple[Any, ...], count: int) -> float:
    times = []
    for _ in range(WARM_UPS + count):
        started = time.perf_counter()
        step(*arguments)
        times.append(time.perf_counter() - started)
    return statistics.median(times[WARM_UPS:])


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return float(np.round(value, 4)) if isinstance(value, float) else value


if __name__ == "__main__":
    raise SystemExit(main())
