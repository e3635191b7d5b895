"""One description of where labelled images are, and the table of its formats."""

import dataclasses
import json

import pytest

from tests.factories import coco_json, write_image, write_project
from training.cli import evaluate as evaluate_line
from training.cli import train as train_line
from training.cli.data_flags import data_arguments, parse
from training.config.train_config import read_config
from training.datasets.classes import make_class_map
from training.datasets.data_formats import DATA_FORMATS, labelled_data
from training.datasets.splits import open_set, open_splits
from training.datasets.supervisely import PROJECT, open_supervisely
from training.errors import TrainingError

CONFIG = read_config({})


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({}, "data: expected one of project and coco, got none"),
        (
            {"project": "p", "coco": "c"},
            "data: expected one of project and coco, got project and coco",
        ),
        (
            {"coco": ("t.json", "v.json")},
            "images: a COCO file needs the folder of its pictures; got coco t.json, "
            "v.json alone",
        ),
        (
            {"project": "p", "images": "i"},
            "images: a Supervisely project (folder or archive) has its pictures in "
            'itself, got "i"; leave it out',
        ),
        (
            {"project": "p", "is_lenient": True},
            "is_lenient: a Supervisely project (folder or archive) cannot be read "
            "leniently; leave it out",
        ),
        (
            {"coco": "c", "images": "i", "tag": "val"},
            'tag: COCO files have no tags, got "val"; leave it out',
        ),
    ],
)
def test_descriptions_that_contradict_themselves(where, message):
    with pytest.raises(TrainingError) as caught:
        labelled_data(**where)
    assert str(caught.value) == message


def test_arguments_that_name_no_format():
    with pytest.raises(TypeError, match="unexpected argument 'projct'"):
        labelled_data(projct="p")


def test_as_many_places_as_sets():
    one = labelled_data(coco="t.json", images="i")
    with pytest.raises(TrainingError, match="coco: expected 2 COCO files, got 1"):
        open_splits(one, CONFIG)
    two = labelled_data(coco=["t.json", "v.json"], images="i")
    with pytest.raises(TrainingError, match="coco: expected 1 COCO file, got 2"):
        open_set(two, make_class_map([]), CONFIG)
    tagged = labelled_data(project="p", tag="val")
    with pytest.raises(TrainingError, match='dataset_tags in the config, got "val"'):
        open_splits(tagged, CONFIG)


def test_what_files_tell_of_the_data():
    coco = labelled_data(coco="c.json", images="i")
    assert list(coco.describe().items()) == [("coco", "c.json"), ("images", "i")]
    project = labelled_data(project="p", tag="val")
    assert list(project.describe().items()) == [("project", "p"), ("tag", "val")]


def test_a_format_of_the_table_is_on_every_line_and_opened(tmp_path, monkeypatch):
    def opened(place, data):
        assert data.images == tmp_path / "elsewhere"
        return open_supervisely(place)

    apart = dataclasses.replace(
        PROJECT, name="twin", open=opened, has_tags=False, has_images=True
    )
    monkeypatch.setitem(DATA_FORMATS, "twin", apart)
    train, val = (str(write_project(tmp_path / name)) for name in ("t", "v"))
    images = ["--images", str(tmp_path / "elsewhere")]
    line = ["--config", "c", "--output", "o", "--twin", train, val, *images]
    arguments = data_arguments(parse(train_line.build_parser(), line))
    splits = open_splits(labelled_data(**arguments), CONFIG)
    assert (len(splits.train), len(splits.val)) == (3, 3)
    line = ["--weights", "w", "--output", "o", "--twin", val, *images]
    arguments = data_arguments(parse(evaluate_line.build_parser(), line))
    dataset = open_set(labelled_data(**arguments), splits.classes)
    assert dataset.fingerprint() == splits.val.fingerprint()


@pytest.mark.parametrize("line", [train_line, evaluate_line])
def test_images_are_asked_for_with_coco_alone(line, capsys):
    network = ["--weights", "w"] if line is evaluate_line else ["--config", "c"]
    coco = ["--coco", "t"] if line is evaluate_line else ["--coco", "t", "v"]
    for place in (coco, ["--project", "p", "--images", "i"]):
        with pytest.raises(SystemExit, match="2"):
            parse(line.build_parser(), [*network, "--output", "o", *place])
        assert "--coco and --images go together" in capsys.readouterr().err


def test_images_of_a_set_without_objects_belong_to_it(tmp_path):
    content = coco_json(
        {"a.png": (8, 12), "b.png": (8, 12)},
        [{"image_id": 1, "category_id": 10, "segmentation": [[1, 1, 4, 1, 4, 3]]}],
    )
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, (8, 12))
    (tmp_path / "c.json").write_text(json.dumps(content))
    data = labelled_data(coco=tmp_path / "c.json", images=tmp_path)
    classes = make_class_map(DATA_FORMATS["coco"].open(data.places[0], data).classes)
    assert [len(open_set(data, classes)), len(open_set(data, classes, CONFIG))] == [
        2,
        1,
    ]
