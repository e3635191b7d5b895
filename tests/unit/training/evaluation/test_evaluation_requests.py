"""What is refused before a network is run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from examples.seeded_checkpoint import seeded_arrays
from models.checkpoint import write_arrays
from tests.factories import TINY, write_project
from tests.unit.training.evaluation_cases import (
    evaluate,
    found,
    info,
    rectangle,
    sample,
)
from training.cli.evaluate import build_parser, table
from training.datasets.data_formats import labelled_data
from training.datasets.splits import open_set
from training.detectors.exported import check_exported
from training.detectors.model import DetectionLimits
from training.detectors.model_config import read_model_config
from training.detectors.sources import ModelFolder, ModelServer, Weights, open_model
from training.errors import DatasetError, TrainingError
from training.evaluation.keywords import named_model

LIMITS = DetectionLimits(0.05, 100)
NETWORK = dataclasses.replace(TINY, num_classes=4)
CONFIG = {
    "settings": {
        "input_size": {"min_dim": 64, "max_dim": 64},
        "special_classes": {"background": "bg", "neutral": "fog"},
    },
    "classes": [{"title": "dog", "color": "#112233"}],
    "class_title_to_idx": {"bg": 0, "cat": 1, "dog": 2, "box": 3},
    "model": {},
}


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint's folder, as a training writes it."""
    folder = tmp_path / "00000001"
    (folder / "model_weights").mkdir(parents=True)
    write_arrays(
        seeded_arrays(NETWORK, 0), NETWORK, folder / "model_weights" / "model.h5"
    )
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def test_checkpoint_folder(checkpoint):
    evaluated = open_model(Weights(checkpoint), LIMITS)
    assert evaluated.classes.ids == CONFIG["class_title_to_idx"]
    assert evaluated.classes.neutral == "fog"
    assert [c.color for c in evaluated.classes.classes if c.title == "dog"] == [
        "#112233"
    ]
    assert evaluated.description["kind"] == "checkpoint"
    assert len(evaluated.description["sha256"]) == 64
    assert evaluated.description["file"].endswith("00000001/model_weights/model.h5")
    other = open_model(Weights(checkpoint), LIMITS, neutral="haze")
    assert other.classes.neutral == "haze"


def test_checkpoints_that_do_not_tell_their_classes(checkpoint, tmp_path):
    config = checkpoint / "config.json"
    weights = checkpoint / "model_weights" / "model.h5"
    wrong = CONFIG | {"class_title_to_idx": {"bg": 0, "cat": 1}}
    config.write_text(json.dumps(wrong))
    with pytest.raises(TrainingError, match=r"ids up to 1, .* have 4 classes"):
        open_model(Weights(weights), LIMITS)
    config.write_text('{"IMAGE_MAX_DIM": 64}')
    with pytest.raises(TrainingError, match="got one without class_title_to_idx; name"):
        open_model(Weights(weights), LIMITS)
    config.unlink()
    with pytest.raises(TrainingError, match=r"got none; .* --config, or the 3 classes"):
        open_model(Weights(weights), LIMITS)
    named = tmp_path / "named.json"
    with pytest.raises(TrainingError, match=r"named\.json"):
        open_model(Weights(weights, named), LIMITS)
    named.write_text(json.dumps(CONFIG))
    assert open_model(Weights(weights, named), LIMITS).classes.num_classes == 4
    named.write_text(json.dumps(CONFIG | {"model": {"IMAGE_MAX_DIM": 65}}))
    with pytest.raises(TrainingError, match="multiple of 64"):
        open_model(Weights(weights, named), LIMITS)
    with pytest.raises(TrainingError, match="no such file"):
        open_model(Weights(tmp_path / "no.h5", named), LIMITS)


def test_flat_constants_and_class_names(checkpoint, tmp_path):
    (checkpoint / "config.json").unlink()
    flat = tmp_path / "flat.json"
    flat.write_text('{"IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 128, "NAME": "shapes"}')
    titles = ("cat", "dog", "box")
    evaluated = open_model(Weights(checkpoint, flat, titles), LIMITS, neutral="fog")
    assert evaluated.classes.ids == {"bg": 0, "cat": 1, "dog": 2, "box": 3}
    assert evaluated.classes.neutral == "fog"
    assert evaluated.detector._network.config.max_dim == 128
    assert evaluated.notes == ()
    alone = open_model(Weights(checkpoint, classes=("back", *titles)), LIMITS)
    assert alone.classes.ids == {"back": 0, "cat": 1, "dog": 2, "box": 3}
    assert alone.detector._network.config.max_dim == 1024
    (note,) = alone.notes
    assert "Matterport's defaults count, pictures of 800 to 1024 pixels" in note
    with pytest.raises(TrainingError, match=r"got one without .* --classes a,b,c"):
        open_model(Weights(checkpoint, flat), LIMITS)
    with pytest.raises(TrainingError, match="expected 3 or 4 names, got 2"):
        open_model(Weights(checkpoint, flat, ("cat", "dog")), LIMITS)
    with pytest.raises(TrainingError, match="every name once, got dog twice"):
        open_model(Weights(checkpoint, flat, ("cat", "dog", "dog")), LIMITS)
    flat.write_text('{"IMAGE_MAX_DIM": 65}')
    with pytest.raises(TrainingError, match=r"flat\.json: .*IMAGE_MAX_DIM: .* of 64"):
        open_model(Weights(checkpoint, flat, titles), LIMITS)
    for text, got in (("[1]", r"got \[1\]"), ('{"a": 1, "b": 2}', "the keys a, b")):
        flat.write_text(text)
        with pytest.raises(TrainingError, match=rf"flat\.json: expected .*{got}"):
            open_model(Weights(checkpoint, flat, titles), LIMITS)


def test_names_in_place_of_the_config_of_a_training(checkpoint):
    evaluated = open_model(Weights(checkpoint, classes=("a", "b", "c")), LIMITS)
    assert evaluated.classes.ids == {"bg": 0, "a": 1, "b": 2, "c": 3}
    assert evaluated.classes.neutral == "fog"
    assert evaluated.training["class_title_to_idx"] == CONFIG["class_title_to_idx"]


def test_classes_of_coco_are_assumed():
    many = dataclasses.replace(NETWORK, num_classes=81)
    read = read_model_config(Path("w.h5"), many, config=None, titles=None)
    assert read.classes.num_classes == 81
    assert (read.classes.ids["person"], read.classes.ids["toothbrush"]) == (1, 80)
    assert [note.split(":")[0] for note in read.notes] == [
        "no config of w.h5 found",
        "nothing names the 80 classes",
    ]


def test_models_that_are_not_there(tmp_path):
    with pytest.raises(TrainingError, match="no such folder of a model"):
        open_model(ModelFolder(tmp_path / "no"), LIMITS)
    with pytest.raises(
        TrainingError, match=r"expected saved_model\.pb, .* got neither"
    ):
        open_model(ModelFolder(tmp_path), LIMITS)
    for name in ("2", "10", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_text("")
    with pytest.raises(TrainingError, match="there is no version 3; there are: 2, 10"):
        open_model(ModelFolder(tmp_path, 3), LIMITS)
    with pytest.raises(TrainingError, match=r"is a version itself, .* version 3"):
        open_model(ModelFolder(tmp_path / "2", 3), LIMITS)
    with pytest.raises(TrainingError, match=r"/10/assets.extra/model.json: No such"):
        open_model(ModelFolder(tmp_path), LIMITS)
    (tmp_path / "10" / "assets.extra").mkdir()
    asset = tmp_path / "10" / "assets.extra" / "model.json"
    asset.write_text("{}")
    with pytest.raises(TrainingError, match="'contract_version' is missing; export"):
        open_model(ModelFolder(tmp_path), LIMITS)
    asset.write_text(info(score_threshold=0.05).to_json())
    with pytest.raises(TrainingError, match="not readable as a SavedModel"):
        open_model(ModelFolder(tmp_path, 10), LIMITS)


def test_limits_of_exported_models():
    check_exported("m", info(), DetectionLimits(0.7, 100))
    check_exported("m", info(score_threshold=0.050000001), LIMITS)
    with pytest.raises(TrainingError) as caught:
        check_exported("m", info(), DetectionLimits(0.05, 300))
    score, count = str(caught.value).splitlines()
    assert score.startswith(
        "m: it leaves out detections below score 0.7, asked for are"
    )
    assert "those from 0.05 on" in score
    assert "at most 100 detections" in count
    assert "asked for are 300" in count


@pytest.mark.parametrize("values", [(-0.1, 1), (1.1, 1), (float("nan"), 1), (0.5, 0)])
def test_limits_that_make_no_sense(values):
    with pytest.raises(TrainingError, match="expected a"):
        DetectionLimits(*values)


def test_requests_that_contradict_themselves():
    with pytest.raises(TrainingError, match=r"expected one of weights, .* got none"):
        named_model()
    with pytest.raises(TrainingError, match="got a and b"):
        named_model(weights="a", model="b")
    for name, value in (("config", "c.json"), ("classes", ("a", "b"))):
        with pytest.raises(TrainingError, match=f"{name}: goes with weights; an expor"):
            named_model(model="m", **{name: value})
    with pytest.raises(TrainingError, match="expected one of project and coco"):
        labelled_data(tag="val")
    with pytest.raises(TrainingError, match="needs the folder of its pictures"):
        labelled_data(coco="c.json")
    with pytest.raises(TrainingError, match='have no tags, got "val"'):
        labelled_data(coco="c.json", images="i", tag="val")


def test_models_by_keywords():
    classes = ("a", "b")
    assert named_model(weights="w", config="c", classes=classes, model_name="n") == (
        Weights("w", "c", classes)
    )
    assert named_model(model="m", model_version=3) == ModelFolder("m", 3)
    assert named_model(server="s:1", model_name="n") == ModelServer("s:1", "n", None)
    assert named_model(server="s:1", model_version=2) == (
        ModelServer("s:1", "mask_rcnn", 2)
    )


def test_what_is_no_model():
    with pytest.raises(TrainingError, match=r"Weights, .*, got 'w\.h5'$"):
        open_model("w.h5", LIMITS)


def test_sets_that_do_not_fit(checkpoint, tmp_path):
    classes = open_model(Weights(checkpoint), LIMITS).classes
    project = write_project(tmp_path / "project")
    assert len(open_set(labelled_data(project=project), classes)) == 3
    assert len(open_set(labelled_data(project=project, tag="val"), classes)) == 1
    with pytest.raises(DatasetError, match='has no tag "vall"; did you mean "val"'):
        open_set(labelled_data(project=project, tag="vall"), classes)
    fewer = dataclasses.replace(classes, ids={"bg": 0, "cow": 1, "cat": 2})
    with pytest.raises(DatasetError) as caught:
        open_set(labelled_data(project=project), fewer)
    (problem,) = caught.value.problems
    assert problem.endswith('unknown classes "dog", "box"; the network has: cow, cat')


def test_table():
    thing = rectangle(10, 20, 50, 120)
    rows = found((1, 0.9, thing), (1, 0.5, rectangle(0, 0, 9, 9)))
    text = table(evaluate((sample([(1, thing)]), rows)))
    assert text.splitlines() == [
        "                  mask     box",
        "AP              1.0000  1.0000",
        "AP50            1.0000  1.0000",
        "AP75            1.0000  1.0000",
        "AP small             -       -",
        "AP medium       1.0000  1.0000",
        "AP large             -       -",
        "AR              1.0000  1.0000",
        "",
        "class           objects  mask AP     AP50   box AP     AP50",
        "cat                   1   1.0000   1.0000   1.0000   1.0000",
        "dog                   0        -        -        -        -",
        "",
        "pictures 1, objects 1, detections 2 (score >= 0.05, at most 100 of a picture)",
        "best F1 of masks at IoU 0.5: 1.0000, at score threshold 0.9000",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "--project p --output o",
        "--weights w --output o",
        "--weights w --model m --project p --output o",
        "--weights w --project p",
    ],
)
def test_lines_that_are_no_request(line, capsys):
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(line.split())
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
