"""Version folders: warmup files, and models with missing or damaged parts."""

from __future__ import annotations

import contextlib
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from client.transport.refusal import plain
from serving.contract import MODEL_INFO_ASSET, WARMUP_ASSET
from serving.embedded.errors import ServingError
from serving.embedded.warmup import MAX_RECORDS, warmup_requests
from serving.protos import PredictionLog
from tests.stress.hostile.grpc_requests import hostile_request
from tests.stress.hostile.kind import Attempt, Bench, Kind, Place, Rng
from tests.stress.hostile.mutations import chance, mutate_bytes, pick, random_bytes


def hostile_warmup(rng: Rng) -> bytes:
    """Returns a TFRecord file of requests that a version is to run."""
    content = random_bytes(rng, 100)
    if chance(rng, 0.8):
        log = PredictionLog(predict_log={"request": hostile_request(rng)[1]})
        content = log.SerializeToString()
    counts = (0, 1, 3, MAX_RECORDS + 1) if chance(rng, 0.1) else (1,)
    data = _record(content) * pick(rng, counts)
    if chance(rng, 0.1):
        data = struct.pack("<QI", pick(rng, (2**31, 2**60, 2**64 - 1)), 0) + data
    return mutate_bytes(rng, data) if data and chance(rng, 0.4) else data


def _record(content: bytes) -> bytes:
    return struct.pack("<QI", len(content), 0) + content + bytes(4)


@contextlib.contextmanager
def _warmup(place: Place) -> Iterator[Bench]:
    path = place.folder / "assets.extra" / WARMUP_ASSET
    path.parent.mkdir()

    def make(rng: Rng) -> Attempt:
        path.write_bytes(hostile_warmup(rng))
        return Attempt("warmup file", lambda: warmup_requests(place.folder))

    yield Bench(make)


@contextlib.contextmanager
def _model_folder(place: Place) -> Iterator[Bench]:
    from serving.embedded.predict import warm_up
    from serving.embedded.session import SessionModel

    source = max(place.model.iterdir(), key=lambda path: int(path.name))
    version = place.folder / "1"

    def load() -> None:
        model = SessionModel(version, max_batch_size=8)
        try:
            warm_up(model, version)
        finally:
            model.close()

    def make(rng: Rng) -> Attempt:
        shutil.rmtree(version, ignore_errors=True)
        shutil.copytree(source, version)
        return Attempt(_damage(rng, version), load)

    yield Bench(make)


def _damage(rng: Rng, version: Path) -> str:
    files = sorted(path for path in version.rglob("*") if path.is_file())
    target = pick(rng, files)
    name = str(target.relative_to(version))
    kind = int(rng.integers(4))
    if kind == 0:
        target.unlink()
        return f"without {name}"
    if kind == 1:
        data = target.read_bytes()
        target.write_bytes(data[: int(rng.integers(len(data)))])
        return f"{name} cut"
    if kind == 2:
        (version / "assets.extra" / WARMUP_ASSET).write_bytes(hostile_warmup(rng))
        return "other warmup file"
    path = version / "assets.extra" / MODEL_INFO_ASSET
    path.write_bytes(mutate_bytes(rng, path.read_bytes()))
    return f"broken {MODEL_INFO_ASSET}"


KINDS = {
    "warmup": Kind("warmup files", (ServingError,), _warmup, growth_mb=600),
    "model_folder": Kind(
        "damaged version folders",
        (ServingError,),
        _model_folder,
        cpu_s=60,
        growth_mb=1500,
        message=lambda err: plain(str(err)),
        weight=0.005,
        needs_model=True,
    ),
}
