"""A real gRPC server with a canned model: real channel, real messages, no network.

It answers every image with the same instances, placed in proportion to its size, and
can be told to fail, to wait, or to break the contract.
"""

import io
import threading
import time
from collections import deque
from concurrent import futures

import grpc
import numpy as np
from PIL import Image

from serving import contract
from serving.protos import (
    MODEL_SERVICE,
    PREDICTION_SERVICE,
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictRequest,
    PredictResponse,
    SignatureDefMap,
)
from serving.protos.tensors import from_tensor_proto, to_tensor_proto

CLASSES = ("bg", "cat", "dog")
MAX_DETECTIONS = 4
# (class id, score, box as shares of height and width)
INSTANCES = (
    (1, 0.9375, (0.25, 0.125, 0.75, 0.5)),
    (2, 0.75, (0.5, 0.5, 1.0, 1.0)),
)


def model_info(**changes):
    content = {
        "name": "mask_rcnn",
        "classes": tuple(
            contract.ModelClass(i, title, f"#{i * 3:02X}{i * 40:02X}22")
            for i, title in enumerate(CLASSES)
        ),
        "backbone": "resnet50",
        "input": contract.ModelInput(64, 64, "square", 100_000_000),
        "mask_size": 28,
        "score_threshold": 0.7,
        "iou_threshold": 0.3,
        "max_detections": MAX_DETECTIONS,
        "precision": "float32",
        "checkpoint": {"file": "w.h5", "sha256": "0"},
        "created": "2026-01-01T00:00:00Z",
        "versions": {"tensorflow": "2.21.0"},
    }
    return contract.ModelInfo(**(content | changes))


def png(mask):
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(stream, "PNG")
    return stream.getvalue()


def disc(height, width):
    rows, columns = np.mgrid[:height, :width]
    inside = ((rows + 0.5) / height - 0.5) ** 2 + ((columns + 0.5) / width - 0.5) ** 2
    return inside <= 0.25


def answers(sizes, **kwargs):
    """Returns the outputs of `serving_default` for images of (height, width)."""
    rows = [answer(tuple(size), **kwargs) for size in sizes]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def answer(size, instances=INSTANCES, classes=CLASSES):
    """Returns the outputs of `serving_default` for an image of (height, width)."""
    rows = MAX_DETECTIONS
    boxes = np.zeros((1, rows, 4), np.float32)
    ids = np.zeros((1, rows), np.int32)
    scores = np.zeros((1, rows), np.float32)
    names = np.full((1, rows), b"", object)
    masks = np.full((1, rows), b"", object)
    for row, (class_id, score, share) in enumerate(instances):
        boxes[0, row] = np.array(share) * (size * 2)
        ids[0, row], scores[0, row] = class_id, score
        names[0, row] = classes[class_id].encode()
        top, left, bottom, right = contract.pixel_boxes(boxes[0, row]).tolist()
        if bottom > top and right > left:
            masks[0, row] = png(disc(bottom - top, right - left))
    return {
        "num_detections": np.array([len(instances)], np.int32),
        "detection_boxes": boxes,
        "detection_classes": ids,
        "detection_class_names": names,
        "detection_scores": scores,
        "detection_masks_png_bytes": masks,
        "image_size": np.array([size], np.int32),
    }


class FakeServer:
    """One model on a free port of this machine.

    Attributes to set: `failures` (statuses for the next calls of Predict, a code or
    code and text), `delay_s`, `packed`, `versions` (the last one is served), `infos` by
    version, `change` (a function over the outputs), `change_response` (over the whole
    answer, to a message or bytes), `signatures`, `load_error` (the version did not
    load, and why), `is_loading` (it is not loaded yet), `lacks` (outputs that the model
    does not have), `max_busy` (calls that it has threads for, None for all).
    """

    def __init__(self, port=0, name="mask_rcnn", threads=8):
        self.name = name
        self.failures = deque()
        self.delay_s = 0.0
        self.packed = True
        self.versions = [3]
        self.infos = {}
        self.info_text = None
        self.load_error = ""
        self.is_loading = False
        self.lacks = set()
        self.max_busy = None
        self.refused = 0
        self.status_calls = 0
        self.change = lambda outputs: outputs
        self.change_response = lambda response: response
        self._lock = threading.Lock()
        self.signatures = set(contract.SIGNATURES)
        self.requests = []
        self.busy = self.most_busy = 0
        self._server = grpc.server(
            futures.ThreadPoolExecutor(threads),
            options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
        )
        for service, methods in self._handlers().items():
            handler = grpc.method_handlers_generic_handler(service, methods)
            self._server.add_generic_rpc_handlers((handler,))
        self.port = self._server.add_insecure_port(f"localhost:{port}")
        self._server.start()

    @property
    def address(self):
        return f"localhost:{self.port}"

    def stop(self):
        self._server.stop(None).wait()

    def _handlers(self):
        def method(function, request, response):
            return grpc.unary_unary_rpc_method_handler(
                function,
                request.FromString,
                lambda m: m if isinstance(m, bytes) else m.SerializeToString(),
            )

        return {
            PREDICTION_SERVICE: {
                "Predict": method(self._predict, PredictRequest, PredictResponse),
                "GetModelMetadata": method(
                    self._metadata, GetModelMetadataRequest, GetModelMetadataResponse
                ),
            },
            MODEL_SERVICE: {
                "GetModelStatus": method(
                    self._status, GetModelStatusRequest, GetModelStatusResponse
                )
            },
        }

    def _version(self, spec, context, *, of_status=False):
        version = spec.version.value if spec.HasField("version") else self.versions[-1]
        is_loaded = of_status or not (self.is_loading or self.load_error)
        is_there = version in self.versions and is_loaded
        if spec.name != self.name or not is_there:
            asked = f"Latest({spec.name})"
            if spec.HasField("version"):
                asked = f"Specific({spec.name}, {version})"
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {asked}"
            )
        return version

    def _predict(self, request, context):
        with self._lock:
            self.busy += 1
            is_full = self.max_busy is not None and self.busy > self.max_busy
            self.refused += is_full
            if not is_full:
                self.most_busy = max(self.busy, self.most_busy)
        try:
            if is_full:  # as TensorFlow Serving says it
                code = grpc.StatusCode.RESOURCE_EXHAUSTED
                context.abort(code, "Server Threadpool Exhausted")
            return self.change_response(self._answer(request, context))
        finally:
            with self._lock:
                self.busy -= 1

    def _answer(self, request, context):
        spec = request.model_spec
        self.requests.append(request)
        version = self._version(spec, context)
        signature = spec.signature_name
        if signature not in self.signatures:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{signature}" not found.',
            )
        response = PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = version
        if signature == contract.MODEL_INFO:
            text = self.info_text or self.infos.get(version, model_info()).to_json()
            outputs = {"model_info_json": [text.encode()]}
        else:
            if self.failures:
                status = self.failures.popleft()
                context.abort(
                    *(status if isinstance(status, tuple) else (status, "as told"))
                )
            time.sleep(self.delay_s)
            outputs = self.change(self._outputs(request, context, version))
        wanted = list(request.output_filter) or list(outputs)
        for name in wanted:
            if name in self.lacks:
                text = f"output tensor alias not found in signature: {name} Outputs ..."
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
        for name, value in outputs.items():
            tensor = to_tensor_proto(value, packed=self.packed)
            response.outputs[name].CopyFrom(tensor)
        return response

    def _outputs(self, request, context, version):
        classes = [c.title for c in self.infos.get(version, model_info()).classes]
        return answers(self._sizes(request, context), classes=classes)

    def _sizes(self, request, context):
        if "images" in request.inputs:
            images = from_tensor_proto(request.inputs["images"])
            return [image.shape[:2] for image in images]
        encoded = from_tensor_proto(request.inputs["image_bytes"])
        return [self._size(data, context) for data in encoded]

    def _size(self, data, context):
        try:
            image = Image.open(io.BytesIO(data))
            image.load()
        except OSError as err:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"cannot decode: {err}")
        return image.size[::-1]

    def _metadata(self, request, context):
        self._version(request.model_spec, context)
        signatures = SignatureDefMap()
        for name in self.signatures:
            signatures.signature_def[name].method_name = "predict"
        response = GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(signatures)
        return response

    def _status(self, request, context):
        self.status_calls += 1
        self._version(request.model_spec, context, of_status=True)
        response = GetModelStatusResponse()
        state = "END" if self.load_error else "AVAILABLE"
        if self.is_loading:
            state = "LOADING"
        status = response.model_version_status.add(
            version=self.versions[-1], state=state
        )
        if self.load_error:
            status.status.error_code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            status.status.error_message = self.load_error
        return response
