"""The disk that checkpoints take is told, and a training without room refused."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from training.engine.disk_need import check_disk, disk_need, size_text
from training.engine.plan import Plan
from training.errors import TrainingError
from training.weights.checkpoints import Checkpoints

PLAN = Plan(10, 100, 10, 20)  # ten validations, five checkpoints that are due anyhow


def variables(*sizes):
    return [SimpleNamespace(shape=(size,), dtype="float32") for size in sizes]


@pytest.fixture
def free(monkeypatch):
    """Sets what the disk has."""

    def put(size):
        usage = SimpleNamespace(free=size)
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)

    return put


@pytest.mark.parametrize(
    ("plan", "keep_last", "kept"),
    [
        (PLAN, 3, 4),
        (PLAN, None, 10),
        (PLAN, 50, 10),
        (Plan(10, 100, 30, 20), None, 7),  # 20, 30, 40, 60, 80, 90, 100
        (Plan(10, 5, 10, 10), 3, 1),
        (Plan(10, 1, 1, 1), 3, 1),
    ],
)
def test_checkpoints_that_lie_there_at_the_end(plan, keep_last, kept):
    assert disk_need([], [], plan, keep_last).kept == kept


def test_bytes():
    need = disk_need(variables(250, 250), variables(1000), PLAN, 3)
    assert (need.weights, need.state, need.first) == (2000, 4000, 6000)
    assert need.most == 5 * 2000 + 2 * 4000


def test_need_is_that_of_the_files(tmp_path, make_network):
    network = make_network()
    store = Checkpoints(tmp_path, 3)
    path = store.save(network, {}, {"state": np.zeros(3, np.uint8)}, is_best=True)
    size = (path / "model_weights" / "model.h5").stat().st_size
    weights = disk_need(network.variables, [], PLAN, 3).weights
    assert weights < size < weights + 500_000  # names and shapes come on top


def test_what_is_told(free, tmp_path):
    need = disk_need(variables(64_000_000), variables(128_000_000), PLAN, 3)
    free(77e9)
    assert check_disk(tmp_path, need) == [
        "checkpoints: 256 MB each, kept are the last 3 and the best (keep_last), 4 at "
        "most; with what --resume needs up to 2.3 GB on the disk, where 77 GB are free"
    ]
    free(1e9)
    told, warning = check_disk(tmp_path, need)
    assert "where 1 GB are free" in told
    assert warning.startswith(f"warning: {tmp_path}: the disk may be full before the")
    assert warning.endswith("make room, or lower keep_last")
    free(0.7e9)
    with pytest.raises(
        TrainingError, match=r"a checkpoint takes 768 MB \(256 MB of .* free are 700 MB"
    ):
        check_disk(tmp_path, need)
    every = disk_need(variables(64_000_000), [], PLAN, None)
    free(77e9)
    assert "kept are all, 10 at most" in check_disk(tmp_path, every)[0]


def test_sizes():
    texts = [size_text(size) for size in (12, 999, 1234, 5e7, 2.5e15)]
    assert texts == ["12 B", "999 B", "1.23 kB", "50 MB", "2.5e+03 TB"]
