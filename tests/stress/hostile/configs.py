"""JSON configs of the three programs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from formats.errors import FormatError
from tests.stress.hostile.kind import Attempt, Bench, Kind, Place, Rng
from tests.stress.hostile.mutations import distort

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
INFERENCE = {
    "model": {
        "gpu_device": 0,
        "confidence_tag_name": "confidence",
        "min_confidence_threshold": 0.25,
    },
    "mode": {
        "name": "sliding_window_det",
        "window": {"width": 128, "height": 100},
        "min_overlap": {"x": 20, "y": 10},
        "model_classes": {"save_classes": ["cat", "dog"], "add_suffix": "_m"},
        "model_tags": {"save_classes": "__all__", "add_suffix": "_m"},
        "nms_after": {
            "enable": True,
            "iou_threshold": 0.2,
            "confidence_tag_name": "confidence",
        },
        "save": True,
    },
}


@contextlib.contextmanager
def _inference(place: Place) -> Iterator[Bench]:
    from client import InferenceConfig

    path = place.folder / "inference.json"

    def make(rng: Rng) -> Attempt:
        path.write_bytes(distort(rng, INFERENCE))
        return Attempt("inference config", lambda: InferenceConfig.load(path))

    yield Bench(make)


@contextlib.contextmanager
def _train(place: Place) -> Iterator[Bench]:
    from training.config.train_config import read_config

    path = place.folder / "train.json"
    sources = [*(EXAMPLES / "configs").glob("*.json"), EXAMPLES / "nuclei/train.json"]
    samples = [json.loads(source.read_text("utf-8")) for source in sorted(sources)]

    def make(rng: Rng) -> Attempt:
        path.write_bytes(distort(rng, samples[int(rng.integers(len(samples)))]))
        return Attempt("train config", lambda: read_config(path))

    yield Bench(make)


@contextlib.contextmanager
def _export(place: Place) -> Iterator[Bench]:
    from examples.seeded_checkpoint import main as write_checkpoint
    from export.settings import Options, resolve_settings
    from models.checkpoint import inspect_checkpoint

    weights = place.folder / "w" / "small.h5"
    weights.parent.mkdir()
    write_checkpoint([str(weights)])
    checkpoint = inspect_checkpoint(weights)
    path = place.folder / "export.json"
    flat = {"IMAGE_MIN_DIM": 256, "IMAGE_MAX_DIM": 256, "MEAN_PIXEL": [1.0, 2.0, 3.0]}
    flat |= {"RPN_ANCHOR_SCALES": [8, 16, 32, 64, 128], "NUM_CLASSES": 3}
    samples = [flat, _training_config()]

    def make(rng: Rng) -> Attempt:
        path.write_bytes(distort(rng, samples[int(rng.integers(len(samples)))]))
        options = Options(weights=weights, config=path)
        return Attempt("export config", lambda: resolve_settings(options, checkpoint))

    yield Bench(make)


def _training_config() -> dict:
    classes = [{"title": t, "color": "#112233"} for t in ("bg", "cat", "dog")]
    return {
        "settings": {"input_size": {"min_dim": 256, "max_dim": 256}},
        "classes": classes,
        "class_title_to_idx": {"bg": 0, "cat": 1, "dog": 2},
        "model": {"DETECTION_MIN_CONFIDENCE": 0.5},
    }


def _kinds() -> dict[str, Kind]:
    from export.errors import ExportError
    from models.errors import ModelConfigError
    from training.errors import TrainingError

    return {
        "config_inference": Kind("inference configs", (FormatError,), _inference),
        "config_train": Kind("train configs", (FormatError, TrainingError), _train),
        "config_export": Kind(
            "export configs",
            (FormatError, ExportError, ModelConfigError),
            _export,
        ),
    }


KINDS = _kinds()
