import json
from pathlib import Path

import numpy as np
import pytest

from tests.factories import coco_json, write_image
from training.config.train_config import read_config
from training.datasets.classes import make_class_map
from training.datasets.coco import open_coco_source
from training.datasets.data_formats import labelled_data
from training.datasets.splits import (
    open_coco_splits,
    open_project_splits,
    open_set,
)
from training.errors import DatasetError

DATA = Path(__file__).resolve().parents[4] / ".." / "shared" / "data"
needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared")
CONFIG = read_config({})
SIZE = (8, 12)
SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]
ALL_RUNS = {"size": [8, 12], "counts": [0, 96]}


def entry(image, category=10, segmentation=None, **extra):
    found = {"image_id": image, "category_id": category, "iscrowd": 0}
    return found | {"segmentation": segmentation or [SQUARE]} | extra


TRAIN = coco_json(
    {"a.png": SIZE, "sub/b.png": SIZE, "crowd.png": SIZE, "empty.png": SIZE},
    [
        entry(2, 20),
        entry(1),
        entry(1, 20, ALL_RUNS, iscrowd=1),
        entry(3, 10, ALL_RUNS, iscrowd=1),
    ],
)
VAL = coco_json({"c.png": SIZE}, [entry(1)], categories=("dog",))

NOT_LEARNT = (
    "left out: 2 images without an object to learn, not in the train set: "
    "crowd.png, empty.png"
)


@pytest.fixture(name="write")
def _write(tmp_path):
    def write(train=TRAIN, val=VAL, images=("a", "sub/b", "crowd", "empty", "c")):
        for name in images:
            write_image(tmp_path / "images" / f"{name}.png", SIZE)
        for name, content in (("train", train), ("val", val)):
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        return tmp_path / "train.json", tmp_path / "val.json", tmp_path / "images"

    return write


def problems_of(paths, **config):
    with pytest.raises(DatasetError) as caught:
        open_coco_splits(*paths, read_config(config))
    return list(caught.value.problems)


def test_samples(write):
    splits = open_coco_splits(*write(), CONFIG)
    assert splits.classes.ids == {"bg": 0, "box": 1, "dog": 2}
    assert [s.name for s in splits.train] == ["a.png", "sub/b.png"]
    assert [s.name for s in splits.val] == ["c.png"]
    sample = splits.train[0]
    assert sample.class_ids.tolist() == [2, 1]
    assert sample.is_crowd.tolist() == [False, True]
    assert sample.boxes.tolist() == [[1, 1, 3, 4], [0, 0, 8, 12]]
    assert sample.image.shape == (*SIZE, 3)
    assert splits.train.instances() == {"box": 1, "dog": 1}
    assert splits.warnings == (NOT_LEARNT,)


def test_images_without_objects(write):
    config = read_config({"use_empty_images": True})
    train = open_coco_splits(*write(), config).train
    names = ["a.png", "sub/b.png", "crowd.png", "empty.png"]
    assert [s.name for s in train] == names
    assert train[2].is_crowd.tolist() == [True]
    assert train[3].class_ids.shape == (0,)


def test_neutral_category(write):
    config = read_config({"special_classes": {"neutral": "box"}})
    splits = open_coco_splits(*write(), config)
    assert splits.classes.ids == {"bg": 0, "dog": 1}
    assert [crop.box for crop in splits.train[0].neutral] == [(0, 0, 8, 12)]
    assert len(splits.train) == 1


def test_everything_broken_is_listed_at_once(write):
    train = coco_json(
        {"a.png": SIZE, "sub/b.png": (8, 13), "lost.png": SIZE, "d.png": SIZE},
        [entry(1), entry(2), entry(3), entry(4, 99), entry(4, segmentation=[[1, 2]])],
    )
    val = coco_json({"c.png": SIZE}, [], categories=("dog", "cat"))
    paths = write(train, val)
    text = "\n".join(problems := problems_of(paths))
    assert len(problems) == 7
    for part in (
        f'{paths[1]}: unknown class "cat"; the network has: box, dog',
        "sub/b.png: the picture has 12 x 8 pixels, its annotation is for 13 x 8",
        "lost.png: No such file or directory; check the folder of the pictures",
        f"{paths[0]}: annotation 4 of d.png: unknown category_id 99",
        f"{paths[0]}: annotation 5 of d.png: segmentation: expected polygons",
        "d.png: No such file or directory",
        f"val set: none of the 1 pictures of {paths[1]} has an object to learn; "
        "add objects",
    ):
        assert part in text


def test_both_files_are_read_before_giving_up(write):
    train, val, images = write()
    train.write_text("{")
    val.write_text("[]")
    first, second = problems_of((train, val, images))
    assert first.startswith(f"{train}: not JSON")
    assert second.startswith(f"{val}: not JSON")


def test_no_categories(write):
    train = coco_json({"a.png": SIZE}, [], categories=())
    [problem] = problems_of(write(train))
    assert "expected classes to learn, got none" in problem


def test_same_images_in_both_sets_are_told(write):
    splits = open_coco_splits(*write(val=TRAIN), CONFIG)
    *left_out, warning = splits.warnings
    assert left_out == [NOT_LEARNT, NOT_LEARNT.replace("train", "val")]
    assert warning.startswith("4 pictures are in both sets (listed in both files)")


def test_fingerprint_follows_the_annotations(write):
    first = open_coco_splits(*write(), CONFIG)
    changed = json.loads(json.dumps(TRAIN))
    changed["annotations"][0]["segmentation"] = [[1, 1, 5, 1, 5, 3, 1, 3]]
    second = open_coco_splits(*write(changed), CONFIG)
    assert first.train.fingerprint() != second.train.fingerprint()
    assert first.val.fingerprint() == second.val.fingerprint()


def test_file_that_changes_after_the_check_is_told(write):
    paths = write()
    train = open_coco_splits(*paths, CONFIG).train
    changed = json.loads(json.dumps(TRAIN))
    changed["annotations"][1]["segmentation"] = [[2, 1, 4, 1, 4, 3, 2, 3]]
    paths[0].write_text(json.dumps(changed))
    with pytest.raises(DatasetError, match=r"a\.png: its annotation has changed"):
        train[0]


def test_one_set_with_the_classes_of_a_network(write):
    train, val, images = write()
    network = make_class_map(open_coco_source(train, images).classes)
    assert open_set(labelled_data(coco=val, images=images), network, CONFIG)[
        0
    ].class_ids.tolist() == [2]
    small = make_class_map(open_coco_source(val, images).classes)
    with pytest.raises(DatasetError, match=r'unknown class "box"; .* has: dog'):
        open_set(labelled_data(coco=train, images=images), small, CONFIG)


def check_twins(one, other):
    assert one.class_ids.tolist() == other.class_ids.tolist()
    np.testing.assert_array_equal(one.boxes, other.boxes)
    for mine, theirs in zip(one.masks, other.masks, strict=True):
        np.testing.assert_array_equal(mine.mask, theirs.mask)


@pytest.mark.shared
@needs_shared
def test_nuclei_and_its_twin_give_the_same_samples():
    root = DATA / "nuclei"
    splits = open_project_splits(root / "project", CONFIG)
    images = root / "project" / "dsb2018" / "img"
    twin = open_set(
        labelled_data(coco=root / "instances.coco.json", images=images),
        splits.classes,
        CONFIG,
    )
    assert twin.classes.ids == {"bg": 0, "nucleus_fluo": 1, "nucleus_stained": 2}
    samples = {s.name: s for s in twin}
    assert len(samples) == 175
    for dataset in (splits.train, splits.val):
        for sample in dataset:
            check_twins(sample, samples[Path(sample.name).name])
    assert make_class_map(twin.source.classes).ids == splits.classes.ids


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("purpose", ["train", "val"])
def test_coco_mini_and_its_twin_give_the_same_samples(purpose):
    root = DATA / "coco_mini"
    images = root / "project" / f"{purpose}2017" / "img"
    file = root / f"instances_{purpose}.coco.json"
    network = make_class_map(open_coco_source(file, images).classes)
    assert network.num_classes == 81
    project = open_set(
        labelled_data(project=root / "project", tag=purpose), network, CONFIG
    )
    twin = {
        s.name: s
        for s in open_set(labelled_data(coco=file, images=images), network, CONFIG)
    }
    crowds = 0
    for sample in project:
        other = twin[Path(sample.name).name]
        crowds += int(other.is_crowd.sum())
        alone = np.flatnonzero(~other.is_crowd)
        assert sample.class_ids.tolist() == other.class_ids[alone].tolist()
        for mine, index in zip(sample.masks, alone, strict=True):
            np.testing.assert_array_equal(mine.mask, other.masks[index].mask)
    assert crowds == {"train": 8, "val": 5}[purpose]
    assert len(project) == {"train": 80, "val": 79}[purpose]
