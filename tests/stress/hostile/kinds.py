"""The kinds of the collection; a kind's module is imported when the kind runs."""

from __future__ import annotations

from importlib import import_module

from tests.stress.hostile.kind import Kind

_MODULES = {
    "config_inference": "configs",
    "config_train": "configs",
    "config_export": "configs",
    "meta": "supervisely",
    "annotation": "supervisely",
    "project_run": "projects",
    "project_training": "projects",
    "coco": "coco",
    "segmentation": "coco",
    "image": "images",
    "weights": "weights",
    "grpc_request": "grpc_requests",
    "grpc_bytes": "grpc_requests",
    "rest": "rest_requests",
    "answer": "answers",
    "model_info": "answers",
    "warmup": "model_folders",
    "model_folder": "model_folders",
    "report": "reports",
}
KINDS = tuple(_MODULES)


def load_kind(name: str) -> Kind:
    """Returns a kind by its name."""
    return import_module(f"tests.stress.hostile.{_MODULES[name]}").KINDS[name]
