"""The client against a server that breaks the contract."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from client import Client, ClientError
from serving.protos import DATA_TYPE_NUMBERS, PredictResponse
from serving.protos.tensors import from_tensor_proto, to_tensor_proto
from tests.fake_server import MAX_DETECTIONS, answer, model_info
from tests.stress.hostile.images import claiming_png
from tests.stress.hostile.kind import Attempt, Bench, FindingError, Kind, Place, Rng
from tests.stress.hostile.mutations import (
    chance,
    distort,
    evil_text,
    mutate_bytes,
    pick,
    random_bytes,
)
from tests.stress.hostile.servers import started

_SIZE = (40, 60)
_NUMBERS = (np.nan, np.inf, -np.inf, -5, 1e9, 3e38, 0, 1e-30)
_IDS = (-1, 0, 3, 10**9, -(2**31))
_CODES = ("INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED", "NOT_FOUND", "INVALID_ARGUMENT")
_TIMEOUT_S = 3.0


def hostile_answer(rng: Rng) -> tuple[str, bytes]:
    """Returns a label and the bytes of an answer to one image."""
    response = sound_answer()
    label = pick(rng, [*_CHANGES])
    if label != "bytes":
        for _ in range(int(rng.integers(1, 3))):
            with contextlib.suppress(ValueError):  # changed beyond reading already
                _CHANGES[label](rng, response)
        data = response.SerializeToString()
        return label, mutate_bytes(rng, data) if chance(rng, 0.05) else data
    if chance(rng, 0.2):
        return label, random_bytes(rng, 5000)
    return label, mutate_bytes(rng, response.SerializeToString())


def sound_answer() -> Any:
    """Returns the PredictResponse of a sound server."""
    response = PredictResponse()
    response.model_spec.name = "mask_rcnn"
    response.model_spec.version.value = 1
    for name, value in answer(_SIZE).items():
        response.outputs[name].CopyFrom(to_tensor_proto(value))
    return response


def _shape(rng: Rng, response: Any) -> None:
    tensor = response.outputs[pick(rng, sorted(response.outputs))]
    kind = int(rng.integers(5))
    if kind == 0:
        tensor.tensor_shape.unknown_rank = True
    elif kind == 1:
        pick(rng, tensor.tensor_shape.dim).size = pick(rng, (-1, 0, 10**9, 2**62))
    elif kind == 2:
        del tensor.tensor_shape.dim[:]
    else:
        sizes = [pick(rng, (1, 2**31, 2**62))] * pick(rng, (5, 33, 20_000))
        for size in sizes:
            tensor.tensor_shape.dim.add().size = size


def _filled(rng: Rng, response: Any) -> None:
    name = pick(rng, ("detection_scores", "detection_boxes", "detection_classes"))
    shape = [1, pick(rng, (10**5, 10**9, 4 * 10**11))]
    tensor = response.outputs[name]
    tensor.Clear()
    is_whole = name == "detection_classes"
    tensor.dtype = DATA_TYPE_NUMBERS["DT_INT32" if is_whole else "DT_FLOAT"]
    (tensor.int_val if is_whole else tensor.float_val).append(1)
    for size in [*shape, 4] if name == "detection_boxes" else shape:
        tensor.tensor_shape.dim.add().size = size


def _numbers(rng: Rng, response: Any) -> None:
    name = pick(rng, ("detection_boxes", "detection_scores", "detection_classes"))
    array = from_tensor_proto(response.outputs[name]).copy()
    values = _IDS if name == "detection_classes" else _NUMBERS
    array.reshape(-1)[int(rng.integers(array.size))] = pick(rng, values)
    response.outputs[name].CopyFrom(to_tensor_proto(array))


def _counts(rng: Rng, response: Any) -> None:
    count = np.array([pick(rng, (-1, 3, MAX_DETECTIONS, 5, 10**9))], np.int32)
    response.outputs["num_detections"].CopyFrom(to_tensor_proto(count))


def _rows(rng: Rng, response: Any) -> None:
    times = pick(rng, (2, 100, 5000))
    if from_tensor_proto(response.outputs["detection_scores"]).shape[1] > 1000:
        return
    for name in [*response.outputs]:
        array = from_tensor_proto(response.outputs[name])
        if array.ndim >= 2 and name != "image_size":
            repeated = np.repeat(array, times, axis=1)
            response.outputs[name].CopyFrom(to_tensor_proto(repeated))
    count = np.array([times * 2], np.int32)
    response.outputs["num_detections"].CopyFrom(to_tensor_proto(count))


def _texts(rng: Rng, response: Any) -> None:
    array = from_tensor_proto(response.outputs["detection_class_names"]).copy()
    evil = (b"\xff\xfe", b"n" * 20_000_000, evil_text(rng).encode(errors="replace"))
    array[0, int(rng.integers(2))] = pick(rng, evil)
    response.outputs["detection_class_names"].CopyFrom(to_tensor_proto(array))


def _masks(rng: Rng, response: Any) -> None:
    array = from_tensor_proto(response.outputs["detection_masks_png_bytes"]).copy()
    png = array[0, 0]
    evil = (b"", b"x", claiming_png(rng), mutate_bytes(rng, png), png, png * 1000)
    array[0, int(rng.integers(3))] = pick(rng, evil)
    response.outputs["detection_masks_png_bytes"].CopyFrom(to_tensor_proto(array))


def _types(rng: Rng, response: Any) -> None:
    name = pick(rng, sorted(response.outputs))
    if chance(rng, 0.5):
        response.outputs[name].dtype = pick(rng, (0, 1, 2, 3, 4, 7, 9, 14, 23, 99))
        return
    array = from_tensor_proto(response.outputs[name])
    other = np.zeros(array.shape, pick(rng, (np.float64, np.int64, np.uint8, bool)))
    response.outputs[name].CopyFrom(to_tensor_proto(other))


def _outputs(rng: Rng, response: Any) -> None:
    if chance(rng, 0.5):
        del response.outputs[pick(rng, sorted(response.outputs))]
    size = pick(rng, (0, 1000, 30_000_000))
    for number in range(pick(rng, (1, 3, 2000) if size < 10**6 else (1,))):
        response.outputs[f"extra{number}"].tensor_content = bytes(size)


def _version(rng: Rng, response: Any) -> None:
    response.model_spec.version.value = pick(rng, (-5, 0, 2**62))
    response.outputs["image_size"].CopyFrom(
        to_tensor_proto(np.array([pick(rng, ((40, 60), (0, 0), (-1, 9)))], np.int32))
    )


_CHANGES: dict[str, Any] = {
    "shape": _shape,
    "filled": _filled,
    "numbers": _numbers,
    "counts": _counts,
    "rows": _rows,
    "texts": _texts,
    "masks": _masks,
    "types": _types,
    "outputs": _outputs,
    "version": _version,
    "bytes": None,
}


def _use(client: Client, image: bytes) -> None:
    result = client.predict(image)
    for instance in result.instances:
        instance.mask.sum()
    json.dumps(result.to_annotation()).encode()
    result.draw()


@contextlib.contextmanager
def _evil(place: Place) -> Iterator[str]:
    (place.folder / "info").write_text(model_info().to_json(), "utf-8")
    module = "tests.stress.hostile.evil_server"
    with started(module, str(place.folder), log=place.folder / "log") as server:
        yield f"127.0.0.1:{server.stdout.readline().strip()}"


def _image() -> bytes:
    import cv2

    return cv2.imencode(".png", np.full((*_SIZE, 3), 9, np.uint8))[1].tobytes()


@contextlib.contextmanager
def _answer(place: Place) -> Iterator[Bench]:
    image, status = _image(), place.folder / "status"

    def attempt(client: Client) -> None:
        try:
            _use(client, image)
        except ClientError:
            status.unlink(missing_ok=True)
            _write(place.folder / "answer", sound_answer().SerializeToString())
            try:
                _use(client, image)
            except ClientError as err:
                raise FindingError(f"the client is of no use any more: {err}") from err
            raise

    with _evil(place) as address, Client(address, timeout_s=_TIMEOUT_S) as client:

        def make(rng: Rng) -> Attempt:
            label, data = hostile_answer(rng)
            _write(place.folder / "answer", data)
            status.unlink(missing_ok=True)
            if chance(rng, 0.05):
                text = pick(rng, (evil_text(rng)[:2000], "x" * 4000))
                status.write_text(json.dumps([pick(rng, _CODES), text]), "utf-8")
                label = "status"
            return Attempt(label, lambda: attempt(client))

        yield Bench(make)


@contextlib.contextmanager
def _model_info(place: Place) -> Iterator[Bench]:
    sound = model_info().to_json()

    def attempt(address: str) -> None:
        with Client(address, timeout_s=_TIMEOUT_S) as client:
            str(client.info())
            client.output_meta()

    with _evil(place) as address:

        def make(rng: Rng) -> Attempt:
            content = json.loads(sound)
            if chance(rng, 0.1):
                pick(rng, content["classes"])["title"] = evil_text(rng)
            _write(place.folder / "info", distort(rng, content))
            return Attempt("model_info", lambda: attempt(address))

        yield Bench(make)


def _write(path: Path, data: bytes) -> None:
    # By a rename: the server may read at the same time.
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    new.rename(path)


KINDS = {
    "answer": Kind("answers to the client", (ClientError,), _answer),
    "model_info": Kind("model_info answers to the client", (ClientError,), _model_info),
}
