"""What is told of sets that can be used: what is left out, and what is odd."""

import json

import pytest

from tests.factories import (
    box,
    coco_json,
    meta_json,
    vector,
    write_image,
    write_item,
    write_project,
)
from training.cli.data_flags import parse
from training.cli.inspect import build_parser
from training.config.train_config import read_config
from training.datasets.coco_images import find_images
from training.datasets.data_formats import labelled_data
from training.datasets.splits import (
    open_coco_splits,
    open_project_splits,
    open_set,
)
from training.errors import DatasetError, TrainingError

CONFIG = read_config({})
SIZE = (8, 12)
SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]
OUTSIDE = vector("dog", [[40, 1], [50, 1], [50, 9]])
NO_PIXEL = "without a pixel (outside of the image, or of no area)"


def told(root, **config):
    return open_project_splits(root, read_config(config)).warnings


def test_objects_without_a_pixel_and_images_that_leave(tmp_path):
    root = write_project(tmp_path)
    for number in range(4):
        write_item(root / "ds", f"n{number}.png", [OUTSIDE, OUTSIDE], ["train"])
    write_item(root / "ds", "with.png", [OUTSIDE, box()], ["train", "val"])
    write_item(root / "ds", "none.png", [], ["val"])
    write_item(root / "ds", "unused.png", [OUTSIDE])
    *left_out, both = told(root)
    assert left_out == [
        f"left out: 9 objects {NO_PIXEL} in 5 images: ds/img/n0.png, ds/img/n1.png, "
        "ds/img/n2.png and 2 more",
        "left out: 4 images whose objects draw no pixel, not in the train set: "
        "ds/img/n0.png, ds/img/n1.png, ds/img/n2.png and 1 more",
        "left out: 1 image without an object to learn, not in the val set: "
        "ds/img/none.png",
    ]
    assert both.startswith("1 pictures are in both sets")
    objects, _ = told(root, use_empty_images=True)
    assert objects == left_out[0]


def test_fractions_thin_polygons_and_repetitions_are_told(tmp_path):
    root = write_project(tmp_path)
    objects = [
        vector("dog", [[0.1, 0.2], [0.9, 0.2], [0.9, 0.8]]),
        vector("dog", [[1, 1], [5, 5]]),
        *[box()] * 3,
    ]
    write_item(root / "ds", "a.png", objects, ["train"])
    assert told(root) == (
        "1 object with coordinates that look like fractions of 1 (expected pixels: "
        "multiply x by the image's width and y by its height) in 1 image: ds/img/a.png",
        "1 polygon of under 3 points, learnt as a line in 1 image: ds/img/a.png",
        "2 objects with the class and the pixels of another of its image in 1 image: "
        "ds/img/a.png",
    )


def test_a_class_that_is_taken_as_background_is_told(tmp_path):
    meta = meta_json({"box": "rectangle", "bg": "rectangle", "dog": "polygon"})
    root = write_project(tmp_path, meta)
    write_item(
        root / "ds", "a.png", [box("bg"), box(), box("bg", ((0, 0), (3, 1)))], ["train"]
    )
    write_item(root / "ds", "b.png", [box()], ["val"])
    assert told(root) == (
        'left out: 2 objects of class "bg", which is taken as background in 1 image: '
        "ds/img/a.png",
        'class "bg" of the data is taken as background and not learnt; name another '
        "in special_classes.background to learn it",
    )
    assert told(root, special_classes={"background": "nothing"}) == ()


def test_fractions_are_told_where_nothing_can_be_learnt(tmp_path):
    ring = [0.1, 0.1, 0.4, 0.1, 0.4, 0.4]
    paths = write_coco(tmp_path, [annotation(1, segmentation=[ring])])
    with pytest.raises(DatasetError) as caught:
        open_coco_splits(*paths, CONFIG)
    [problem] = caught.value.problems
    assert problem.startswith("train set: none of the 1 pictures of ")
    assert "1 object with coordinates that look like fractions of 1" in problem


def annotation(image, **extra):
    found = {"image_id": image, "category_id": 10, "segmentation": [SQUARE]}
    return found | extra


def write_coco(tmp_path, annotations, names=("a.png",), files=("a.png", "v.png")):
    for name in files:
        write_image(tmp_path / "images" / name, SIZE)
    train = coco_json(dict.fromkeys(names, SIZE), annotations)
    val = coco_json({"v.png": SIZE}, [annotation(1)])
    for name, content in (("train", train), ("val", val)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path / "train.json", tmp_path / "val.json", tmp_path / "images"


def test_what_a_lenient_reading_goes_past_is_counted(tmp_path):
    annotations = [
        annotation(1, segmentation=[SQUARE, [1, 2], [3, 4]]),
        annotation(1, segmentation=[]),
        annotation(1, segmentation={"size": [*SIZE], "counts": [96]}),
        annotation(1, iscrowd="no"),
        annotation(5),
    ]
    paths = write_coco(tmp_path, annotations)
    with pytest.raises(DatasetError, match="image_id 5 is not in images"):
        open_coco_splits(*paths, CONFIG)
    splits = open_coco_splits(*paths, CONFIG, is_lenient=True)
    assert splits.train.instances() == {"box": 0, "dog": 2}
    assert splits.warnings == (
        "left out: 1 annotation of images that are not listed: image_id 5",
        "left out: 2 polygons of under 3 points, or with wrong numbers in 1 image: "
        "a.png",
        "left out: 1 annotation with an empty segmentation: a.png",
        "left out: 1 iscrowd that is neither 0 nor 1 (taken as 0) in 1 image: a.png",
        f"left out: 1 object {NO_PIXEL} in 1 image: a.png",
        "1 object with the class and the pixels of another of its image in 1 image: "
        "a.png",
    )
    data = labelled_data(coco=paths[0], images=paths[2], is_lenient=True)
    alone = open_set(data, splits.classes, CONFIG)
    assert alone.notes == splits.warnings[1:]
    assert alone.source.left_out.lines()[0].endswith("image_id 5")
    with pytest.raises(TrainingError, match="cannot be read leniently; leave it out"):
        labelled_data(project=tmp_path, is_lenient=True)


def test_names_of_other_systems_are_found_and_told(tmp_path):
    names = [r"sub\A.png", "./b.png", "C.PNG", "as it is.png", "b.png", "gone.png"]
    for name in ("sub/A.png", "b.png", "c.png", "as it is.png", "d.png", "D.png"):
        write_image(tmp_path / name, SIZE)
    paths, odd = find_images([*names, "E.png", "d.PNG"], tmp_path)
    assert list(paths) == [
        *("sub/A.png", "b.png", "c.png", "as it is.png", "b.png", "gone.png"),
        *("E.png", "d.PNG"),
    ]
    assert odd.lines() == [
        "1 image found with / in place of the backslashes of its file_name: sub\\A.png",
        "1 image found without the ./ or // of its file_name: ./b.png",
        "1 image found under another letter case than its file_name has: C.PNG",
        "1 image whose file another entry of images has too: b.png",
    ]


def test_names_that_are_files_as_they_are_stay(tmp_path):
    write_image(tmp_path / "a\\b.png", SIZE)
    write_image(tmp_path / "a" / "b.png", SIZE)
    paths, odd = find_images(["a\\b.png"], tmp_path)
    assert list(paths) == ["a\\b.png"]
    assert not odd


def test_images_of_both_sets_are_found_by_their_files(tmp_path):
    names = {"sub/a.png": SIZE}
    paths = write_coco(tmp_path, [annotation(1)], names, ["sub/a.png"])
    val = coco_json({"sub\\a.png": SIZE}, [annotation(1)])
    paths[1].write_text(json.dumps(val))
    odd, both = open_coco_splits(*paths, CONFIG).warnings
    assert "backslashes" in odd
    assert both.startswith("1 pictures are in both sets (listed in both files)")


def test_a_folder_that_is_none_is_told(tmp_path):
    paths = write_coco(tmp_path, [annotation(1)])
    with pytest.raises(DatasetError, match="expected the folder of the pictures, got"):
        open_coco_splits(*paths[:2], tmp_path / "nowhere", CONFIG)


def test_lenient_is_for_coco_files(capsys):
    parser = build_parser()
    flags = ["--config", "c", "--output", "o"]
    args = parse(parser, [*flags, *["--coco", "t", "v", "--images", "i", "--lenient"]])
    assert args.is_lenient
    with pytest.raises(SystemExit):
        parse(parser, [*flags, "--project", "p", "--lenient"])
    assert "--lenient goes with --coco" in capsys.readouterr().err
