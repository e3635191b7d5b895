"""Fixtures that several packages' tests share. They import TensorFlow when used."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

CANVAS_PX = 256
SLOW_FIXTURE = "saved_model_dir"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs an exported model as slow, and begins with the slow files.

    Two workers that both end with files of seconds end together.
    """
    for item in items:
        if SLOW_FIXTURE in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable) -> Path:
    """Returns a folder that one worker fills with `make(folder)` for all of them."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder = root / name
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = factory.mktemp(name)
            make(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory) -> Path:
    """An untrained checkpoint of three classes; beside it the config of its input."""
    from examples.seeded_checkpoint import main

    def make(folder: Path) -> None:
        arguments = [str(folder / "small.h5"), "--classes", "3", "--seed", "1"]
        assert main(arguments) == 0
        constants = {"IMAGE_MIN_DIM": CANVAS_PX, "IMAGE_MAX_DIM": CANVAS_PX}
        (folder / "config.json").write_text(json.dumps(constants), "utf-8")

    return made_once(tmp_path_factory, "small_checkpoint", make) / "small.h5"


@pytest.fixture(scope="session")
def saved_model_dir(small_checkpoint, tmp_path_factory) -> Path:
    """The version folder of `small_checkpoint`, exported; not to be changed."""
    from export.pipeline import export_model
    from export.settings import Options

    def make(folder: Path) -> None:
        export_model(
            Options(
                weights=small_checkpoint, output=folder / "small", model_name="small"
            )
        )

    return made_once(tmp_path_factory, "exported_small", make) / "small" / "1"


@pytest.fixture(scope="session")
def loaded_model(saved_model_dir):
    """`saved_model_dir` in a session, as a server holds it: (signature, value)."""
    from export.verify import SavedModel

    model = SavedModel(saved_model_dir)
    yield model
    model.close()
