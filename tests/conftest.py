"""Fixtures that several packages' tests share. They import TensorFlow when used."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

CANVAS_PX = 256


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory) -> Path:
    """An untrained checkpoint of three classes; beside it the config of its input."""
    from examples.seeded_checkpoint import main

    path = tmp_path_factory.mktemp("checkpoint") / "small.h5"
    assert main([str(path), "--classes", "3", "--seed", "1"]) == 0
    constants = {"IMAGE_MIN_DIM": CANVAS_PX, "IMAGE_MAX_DIM": CANVAS_PX}
    (path.parent / "config.json").write_text(json.dumps(constants), "utf-8")
    return path


@pytest.fixture(scope="session")
def saved_model_dir(small_checkpoint, tmp_path_factory) -> Path:
    """The version folder of `small_checkpoint`, exported; not to be changed."""
    from export.pipeline import export_model
    from export.settings import Options

    base = tmp_path_factory.mktemp("exported") / "small"
    return export_model(
        Options(weights=small_checkpoint, output=base, model_name="small")
    )


@pytest.fixture(scope="session")
def loaded_model(saved_model_dir):
    """`saved_model_dir` in a session, as a server holds it: (signature, value)."""
    from export.verify import SavedModel

    model = SavedModel(saved_model_dir)
    yield model
    model.close()
