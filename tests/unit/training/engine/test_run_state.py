import dataclasses

import keras
import numpy as np
import pytest

from training.config.train_config import read_config
from training.engine.run_state import Identity, RunState, from_arrays
from training.errors import TrainingError

IDENTITY = Identity(read_config({}).settings(), "aa", "bb", "", 1)


def test_state_comes_back_with_the_optimiser():
    state = RunState(IDENTITY, 7, 0.25, 3, 12.5, 0.5)
    slots = [keras.Variable(np.arange(3, dtype=np.float32)), keras.Variable(2.5)]
    found, arrays = from_arrays(state.to_arrays(slots))
    assert found == state
    assert not state.identity.differences(found.identity)
    for slot, array in zip(slots, arrays, strict=True):
        np.testing.assert_array_equal(slot.numpy(), array)
        assert array.dtype == slot.dtype


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"settings": read_config({"lr": 0.5}).settings()}, "config lr: was 0.001"),
        (
            {"settings": read_config({"optimizer": {"name": "adamw"}}).settings()},
            'config optimizer.name: was "sgd", is "adamw"',
        ),
        ({"train": "cc"}, "train set"),
        ({"val": "cc"}, "val set"),
        ({"weights": "0123456789abcdef"}, "first weights: was none, is 0123456789ab"),
        ({"replicas": 2}, "devices: was 1, is 2"),
    ],
)
def test_another_training_is_told_apart(change, told):
    other = dataclasses.replace(IDENTITY, **change)
    assert any(told in line for line in IDENTITY.differences(other))


def test_what_changes_no_weight_may_differ():
    free = {"data_workers": {"train": 7}, "keep_last": 3, "check_images": "header"}
    other = dataclasses.replace(IDENTITY, settings=read_config(free).settings())
    assert IDENTITY.differences(other) == []


@pytest.mark.parametrize(
    "arrays", [{}, {"state": np.frombuffer(b"{}", np.uint8)}, {"state": np.zeros(2)}]
)
def test_other_files_are_refused(arrays):
    with pytest.raises(TrainingError, match="not one of this program"):
        from_arrays(arrays)
