import pytest

from models.errors import WeightsError
from models.weight_path import find_weights


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def run(tmp_path):
    """A training's folder with two checkpoints."""
    for number in ("00000000", "00000001"):
        put(tmp_path / "run" / "checkpoints" / number / "model_weights" / "model.h5")
    return tmp_path / "run"


def problem_of(path):
    with pytest.raises(WeightsError, match="run/checkpoints/best") as caught:
        find_weights(path)
    assert str(path) in str(caught.value)
    (problem,) = caught.value.problems
    return problem


def test_a_file_is_itself(tmp_path):
    for name in ("w.h5", "absent.h5"):
        assert find_weights(tmp_path / name) == tmp_path / name


def test_a_checkpoints_folder(run):
    checkpoint = run / "checkpoints" / "00000001"
    weights = checkpoint / "model_weights" / "model.h5"
    assert find_weights(checkpoint) == weights
    assert find_weights(checkpoint / "model_weights") == weights
    (run / "checkpoints" / "last").symlink_to("00000001")
    assert find_weights(run / "checkpoints" / "last").samefile(weights)


def test_a_trainings_folder_is_its_best_checkpoint(run):
    (run / "checkpoints" / "best").symlink_to("00000000")
    best = run / "checkpoints" / "best" / "model_weights" / "model.h5"
    assert find_weights(run) == best
    assert find_weights(run / "checkpoints") == best


def test_a_training_without_a_best_checkpoint(run):
    expected = "is a folder of checkpoints without a best one: 00000000, 00000001"
    assert problem_of(run) == expected
    assert problem_of(run / "checkpoints") == expected


@pytest.mark.parametrize("name", ["w.h5", "W.H5", "w.keras", "w.weights.h5"])
def test_the_one_weight_file_of_a_folder(tmp_path, name):
    put(tmp_path / "notes.txt")
    weights = put(tmp_path / name)
    assert find_weights(tmp_path) == weights


def test_several_weight_files(tmp_path):
    for index in range(5):
        put(tmp_path / f"mask_rcnn_{index:04}.h5")
    assert problem_of(tmp_path) == (
        "is a folder with 5 weight files: mask_rcnn_0000.h5, mask_rcnn_0001.h5, "
        "mask_rcnn_0002.h5 and 2 more"
    )


def test_folders_of_other_things(tmp_path):
    assert problem_of(tmp_path) == "is a folder without weights"
    put(tmp_path / "saved_model.pb")
    assert problem_of(tmp_path).startswith("is a SavedModel")
