import json
import os

import numpy as np
import pytest

from models.checkpoint import inspect_checkpoint
from models.weight_path import find_weights
from tests.full_disk import longest_file
from training.errors import TrainingError
from training.weights.checkpoints import Checkpoints

STATE = {"state": np.zeros(3, np.uint8)}


@pytest.fixture
def network(make_network):
    return make_network()


@pytest.fixture
def store(tmp_path):
    return Checkpoints(tmp_path)


def save(store, network, *, is_best=False):
    return store.save(network, {"settings": {}}, STATE, is_best=is_best)


def link(store, name):
    return (store.folder / name).readlink().name


def test_layout_of_the_original(store, network, tmp_path):
    path = save(store, network, is_best=True)
    assert path == tmp_path / "checkpoints" / "00000000"
    assert json.loads((path / "config.json").read_text()) == {"settings": {}}
    assert not inspect_checkpoint(path / "model_weights" / "model.h5").problems
    np.testing.assert_array_equal(store.read_state(0)["state"], STATE["state"])


def test_best_and_last(store, network):
    for is_best in (True, True, False):
        save(store, network, is_best=is_best)
    assert store.numbers() == [0, 1, 2]
    assert (link(store, "best"), link(store, "last")) == ("00000001", "00000002")


def test_only_the_newest_keeps_its_state(store, network):
    save(store, network)
    save(store, network)
    assert not (store.path(0) / "training_state.npz").exists()
    with pytest.raises(TrainingError, match=r"training_state\.npz: cannot be read"):
        store.read_state(0)


def test_old_ones_go_but_never_the_best(tmp_path, network):
    store = Checkpoints(tmp_path, keep_last=2)
    for is_best in (False, True, False, False, False):
        save(store, network, is_best=is_best)
    assert store.numbers() == [1, 3, 4]
    assert sorted(p.name for p in store.folder.iterdir()) == [
        "00000001",
        "00000003",
        "00000004",
        "best",
        "last",
    ]


def test_what_a_killed_process_left_is_no_checkpoint(store, network):
    save(store, network)
    partial = store.folder / ".partial-00000001"
    (partial / "model_weights").mkdir(parents=True)
    assert store.numbers() == [0]
    assert save(store, network).name == "00000001"
    assert not partial.exists()


def test_links_are_restored_after_a_kill_between_rename_and_link(store, network):
    save(store, network, is_best=True)
    save(store, network, is_best=True)
    for name in ("best", "last"):
        (store.folder / name).unlink()
        (store.folder / name).symlink_to("00000000")
    store.restore_links(1)
    assert (link(store, "best"), link(store, "last")) == ("00000001", "00000001")


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_full_disk_leaves_the_checkpoints_before(store, network, monkeypatch, failing):
    save(store, network, is_best=True)
    before = sorted(path.name for path in store.folder.rglob("*"))

    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(TrainingError, match=r"No space left.*make room.*--resume"):
        save(store, network, is_best=True)
    assert sorted(path.name for path in store.folder.rglob("*")) == before
    assert store.numbers() == [0]


@pytest.mark.parametrize("size", [0, 100_000])
def test_weights_that_the_system_refuses_to_write(store, network, size):
    save(store, network)
    with longest_file(size), pytest.raises(TrainingError, match="File too large"):
        save(store, network)
    assert store.numbers() == [0]
    assert not inspect_checkpoint(find_weights(store.path(0))).problems
    assert save(store, network).name == "00000001"


@pytest.mark.parametrize("kept", [0, 100, -40])
def test_damaged_state_is_told(store, network, kept):
    path = save(store, network) / "training_state.npz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(TrainingError, match=r"training_state\.npz: cannot be read"):
        store.read_state(0)


def test_weights_by_the_folder_of_a_checkpoint(store, network):
    path = save(store, network)
    assert find_weights(store.folder / "last").samefile(find_weights(path))
    assert find_weights(find_weights(path)) == find_weights(path)
