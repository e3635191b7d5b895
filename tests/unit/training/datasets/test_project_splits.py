import json
import pickle
import shutil
import tarfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.factories import (
    DOG,
    box,
    meta_json,
    vector,
    write_image,
    write_item,
    write_project,
)
from training.config.train_config import read_config
from training.datasets.check import read_facts
from training.datasets.classes import make_class_map
from training.datasets.data_formats import labelled_data
from training.datasets.set_tags import split_by_tags
from training.datasets.splits import open_project_splits, open_set
from training.datasets.supervisely import open_supervisely
from training.errors import DatasetError, TrainingError

SHARED = Path(__file__).resolve().parents[4] / ".." / "shared"
CASES = SHARED / "oracle" / "project_cases"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")
CONFIG = read_config({})


def problems_of(root, **config):
    with pytest.raises(DatasetError) as caught:
        open_project_splits(root, read_config(config))
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def names(dataset):
    return [dataset.name(i) for i in range(len(dataset))]


def test_samples(tmp_path):
    splits = open_project_splits(write_project(tmp_path), CONFIG)
    assert splits.warnings == ()
    assert names(splits.train) == ["ds/img/a.png", "ds/img/b.png"]
    assert names(splits.val) == ["ds/img/c.png"]
    assert splits.classes.ids == {"bg": 0, "box": 1, "cat": 2, "dog": 3}
    assert splits.train.instances() == {"box": 2, "cat": 0, "dog": 1}
    sample = splits.train[0]
    assert sample.name == "ds/img/a.png"
    assert sample.size == (20, 30)
    assert sample.class_ids.tolist() == [1, 3]
    assert sample.class_ids.dtype == np.int32
    assert sample.is_crowd.tolist() == [False, False]
    assert sample.is_crowd.dtype == np.bool_
    assert sample.boxes.tolist() == [[3, 2, 6, 7], [0, 0, 5, 5]]
    assert sample.masks[0].mask.all()
    assert sample.masks[1].mask.sum() == 15
    assert sample.neutral == ()
    assert sample.image.shape == (20, 30, 3)
    assert sample.image.dtype == np.uint8
    assert sample.image is sample.image
    assert len(splits.train[1].masks) == 1
    with pytest.raises(IndexError):
        splits.train[2]


def test_samples_can_be_iterated(tmp_path):
    splits = open_project_splits(write_project(tmp_path), CONFIG)
    assert [s.name for s in splits.train] == names(splits.train)


def test_background_and_neutral_are_no_instances(tmp_path):
    meta = meta_json({"box": "rectangle", "bg": "rectangle", "skip": "rectangle"})
    root = write_project(tmp_path, meta)
    objects = [box("bg"), box(), box("skip", ((0, 0), (3, 1)))]
    write_item(root / "ds", "a.png", objects, ["train"])
    write_item(root / "ds", "c.png", [box()], ["val"])
    write_item(root / "ds", "d.png", [box("bg"), box("skip")], ["val"])
    config = read_config({"special_classes": {"neutral": "skip"}})
    splits = open_project_splits(root, config)
    sample = splits.train[0]
    assert sample.class_ids.tolist() == [1]
    assert [crop.box for crop in sample.neutral] == [(0, 0, 2, 4)]
    assert names(splits.val) == ["ds/img/c.png"]
    with_empty = read_config({**config.settings(), "use_empty_images": True})
    val = open_project_splits(root, with_empty).val
    assert names(val) == ["ds/img/c.png", "ds/img/d.png"]
    empty = val[1]
    assert empty.class_ids.shape == (0,)
    assert empty.boxes.shape == (0, 4)
    assert len(empty.neutral) == 1


def test_object_cut_by_the_border_is_two(tmp_path):
    root = write_project(tmp_path)
    u = [[-5, 1], [5, 1], [5, 3], [-2, 3], [-2, 6], [5, 6], [5, 8], [-5, 8]]
    outside = vector("dog", [[40, 1], [50, 1], [50, 9]])
    write_item(root / "ds", "a.png", [vector("dog", u), outside], ["train"])
    sample = open_project_splits(root, CONFIG).train[0]
    assert sample.class_ids.tolist() == [3, 3]
    assert sample.boxes.tolist() == [[1, 0, 4, 6], [6, 0, 9, 6]]


def test_both_tags_are_told(tmp_path):
    root = write_project(tmp_path)
    write_item(root / "ds", "b.png", [box()], ["val", "train"])
    splits = open_project_splits(root, CONFIG)
    assert "ds/img/b.png" in names(splits.train)
    assert "ds/img/b.png" in names(splits.val)
    [warning] = splits.warnings
    assert warning.startswith('1 pictures are in both sets (tagged both "train" and')
    assert warning.endswith("ds/img/b.png")


def test_one_tag_for_both_is_told(tmp_path):
    root = write_project(tmp_path)
    config = read_config({"dataset_tags": {"val": "train"}})
    splits = open_project_splits(root, config)
    assert names(splits.train) == names(splits.val) == ["ds/img/a.png", "ds/img/b.png"]
    assert "train and val are both" in splits.warnings[0]


def test_everything_broken_is_listed_at_once(tmp_path):
    root = write_project(tmp_path)
    ds = root / "ds"
    write_image(ds / "img" / "lost.png")
    write_item(ds, "class.png", [box("nobody")], ["train"])
    write_item(ds, "shape.png", [vector("dog", [["x", 1]])], ["train"])
    write_item(ds, "tag.png", [box()], ["train", "unheard"])
    write_item(ds, "size.png", [box()], ["train"])
    write_image(ds / "img" / "size.png", (20, 31))
    write_item(ds, "turned.png", [box()], ["train"])
    write_image(ds / "img" / "turned.png", (30, 20))
    write_item(ds, "garbage.png", [box()], ["val"])
    (ds / "img" / "garbage.png").write_bytes(b"garbage")
    write_item(ds, "json.png", [box()], ["val"]).write_text("{")
    write_item(ds, "empty.png", [box()], ["val"]).write_text("")
    write_item(ds, "unused.png", [box()])
    (ds / "img" / "unused.png").write_bytes(b"not looked at")
    problems = problems_of(root)
    expected = {
        "img/lost.png: has no annotation; add ds/ann/lost.png.json": 1,
        "ann/class.png.json: objects[0]: unknown class 'nobody'": 1,
        "ann/shape.png.json: objects[0]: points: expected": 1,
        "ann/tag.png.json: tags: unknown tag 'unheard'; add it to meta.json": 1,
        "img/size.png: the picture has 31 x 20 pixels, its annotation is for 30": 1,
        "the annotation lies on its side; is the EXIF orientation right?": 1,
        "img/garbage.png: expected JPEG": 1,
        "ann/json.png.json: not JSON": 1,
        "ann/empty.png.json: not JSON": 1,
    }
    found = {text: sum(text in p for p in problems) for text in expected}
    assert found == expected
    assert len(problems) == len(expected)
    assert all(str(root) in problem for problem in problems)


def test_damaged_pixels_are_found_by_decoding(tmp_path):
    root = write_project(tmp_path)
    path = root / "ds" / "img" / "a.png"
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT") + 4
    data[at : at + 8] = bytes(8)
    path.write_bytes(bytes(data))
    [problem] = problems_of(root)
    assert f"{path}: the picture is damaged" in problem
    header = read_config({"check_images": "header"})
    sample = open_project_splits(root, header).train[0]
    with pytest.raises(DatasetError, match="the picture is damaged"):
        _ = sample.image


def test_missing_tags_and_empty_sets(tmp_path):
    root = write_project(tmp_path)
    tags = {"train": "trian", "val": "zzz"}
    first, second = problems_of(root, dataset_tags=tags)
    assert 'has no tag "trian"; did you mean "train"?' in first
    assert 'has no tag "zzz"; it has: train, val' in second
    write_project(tmp_path / "2", meta_json(tags=("train", "val", "none")))
    [problem] = problems_of(tmp_path / "2", dataset_tags={"val": "none"})
    assert problem == 'val set: there is no picture with the tag "none"; add some'
    write_item(tmp_path / "2" / "ds", "d.png", [], ["none"])
    [problem] = problems_of(tmp_path / "2", dataset_tags={"val": "none"})
    assert problem == (
        'val set: none of the 1 pictures with the tag "none" has an object to learn; '
        "add objects"
    )


@pytest.mark.parametrize("classes", [{}, {"bg": "bitmap"}])
def test_no_classes(tmp_path, classes):
    (tmp_path / "meta.json").write_text(json.dumps(meta_json(classes)))
    write_item(tmp_path / "ds", "a.png")
    [problem] = problems_of(tmp_path)
    assert "expected classes to learn, got" in problem


def test_no_project(tmp_path):
    [problem] = problems_of(tmp_path / "nowhere")
    assert "nowhere: no such folder or file" in problem


def test_batch_larger_than_the_set(tmp_path):
    [problem] = problems_of(write_project(tmp_path), batch_size={"train": 3})
    assert problem.startswith("batch_size.train: a batch has 3 pictures, the training")
    config = read_config({"batch_size": {"train": 2, "val": 9}})
    assert len(open_project_splits(tmp_path, config).train) == 2


def test_continues_with_the_same_classes_only(tmp_path):
    root = write_project(tmp_path)
    config = read_config({"weights_init_type": "continue_training"})
    ids = {"bg": 0, "box": 1, "cat": 2, "dog": 5}
    splits = open_project_splits(root, config, {"class_title_to_idx": ids})
    assert splits.train[0].class_ids.tolist() == [1, 5]
    with pytest.raises(TrainingError, match="earlier: bg, box"):
        open_project_splits(root, config, {"class_title_to_idx": {"bg": 0, "box": 1}})


def test_what_changes_after_the_check_is_told(tmp_path):
    root = write_project(tmp_path)
    train = open_project_splits(root, CONFIG).train
    kept = train[1]
    write_image(root / "ds" / "img" / "b.png", (9, 9))
    with pytest.raises(DatasetError, match=r"b\.png: the picture has 9 x 9"):
        _ = kept.image
    write_item(root / "ds", "a.png", [box(), box()], ["train"])
    with pytest.raises(DatasetError, match=r"a\.png: its annotation has changed"):
        train[0]
    (root / "ds" / "ann" / "a.png.json").unlink()
    with pytest.raises(DatasetError, match=r"a\.png\.json: No such file"):
        train[0]


def test_fingerprint(tmp_path):
    root = write_project(tmp_path / "p")
    first = open_project_splits(root, CONFIG)
    assert first.train.fingerprint() != first.val.fingerprint()
    with tarfile.open(tmp_path / "p.tar", "w") as archive:
        archive.add(root, "p")
    packed = open_project_splits(tmp_path / "p.tar", CONFIG)
    assert packed.train.fingerprint() == first.train.fingerprint()
    write_item(root / "ds", "b.png", [box(), DOG], ["train"])
    second = open_project_splits(root, CONFIG)
    assert second.train.fingerprint() != first.train.fingerprint()
    assert second.val.fingerprint() == first.val.fingerprint()
    (root / "meta.json").write_text(json.dumps(meta_json({"Ape": "any", **ALL})))
    third = open_project_splits(root, CONFIG)
    assert third.val.fingerprint() != first.val.fingerprint()


ALL = {"cat": "bitmap", "dog": "polygon", "box": "rectangle"}


def test_fingerprint_is_the_same_on_every_machine(tmp_path):
    made = open_project_splits(write_project(tmp_path), CONFIG).train.fingerprint()
    assert made == "3fd06807d2bb02a80b276e0d7500ee85"


def test_reads_from_many_threads(tmp_path):
    root = write_project(tmp_path / "p")
    for i in range(20):
        write_item(
            root / "ds", f"{i:02}.png", [box(corners=((i, 0), (i, i)))], ["train"]
        )
        write_image(root / "ds" / "img" / f"{i:02}.png", value=i)
    with tarfile.open(tmp_path / "p.tar", "w") as archive:
        archive.add(root, ".")
    train = open_project_splits(tmp_path / "p.tar", CONFIG).train

    def read(index):
        sample = train[index]
        return sample.name, sample.boxes.tolist(), int(sample.image.max())

    order = list(range(len(train))) * 5
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(read, order))
    assert got == [read(i) for i in order]
    assert got[3] == ("ds/img/03.png", [[0, 3, 4, 4]], 3)


def test_can_be_sent_to_other_processes(tmp_path):
    train = open_project_splits(write_project(tmp_path), CONFIG).train
    sent = pickle.loads(pickle.dumps(train))
    assert sent.fingerprint() == train.fingerprint()
    assert sent[0].boxes.tolist() == train[0].boxes.tolist()
    assert pickle.loads(pickle.dumps(train[0])).image.shape == (20, 30, 3)


def test_memory_does_not_grow_with_the_images(tmp_path):
    root = write_project(tmp_path)
    side, count = 400, 30
    for i in range(count):
        whole = box(corners=((0, 0), (side - 1, side - 1)))
        write_item(root / "ds", f"{i}.png", [whole] * 4, ["train"], (side, side))
    tracemalloc.start()
    train = open_project_splits(root, CONFIG).train
    for sample in train:
        assert len(sample.masks) <= 4
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < side * side  # less than one mask
    assert peak < 8 * 4 * 2 * side * side  # what eight threads draw at a time


def test_one_set_with_the_classes_of_a_network(tmp_path):
    root = write_project(tmp_path)
    network = make_class_map(open_supervisely(root).classes)
    val = labelled_data(project=root, tag="val")
    assert len(open_set(labelled_data(project=root), network, CONFIG)) == 3
    assert len(open_set(val, network, CONFIG)) == 1
    small = make_class_map(open_supervisely(root).classes[:2])
    with pytest.raises(DatasetError, match=r'unknown class "box"; .* has: cat, dog'):
        open_set(val, small, CONFIG)
    with pytest.raises(DatasetError, match='has no tag "test"'):
        open_set(labelled_data(project=root, tag="test"), network, CONFIG)


def load_splits():
    if not CASES.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip("needs ../shared"))]
    return json.loads((CASES / "splits.json").read_text("utf-8"))


@pytest.mark.shared
@pytest.mark.parametrize("case", load_splits())
def test_splits_equal_the_oracle(case):
    root = CASES / "in_project" / "my project"
    tags = case["dataset_tags"]
    source = open_supervisely(root)
    facts, problems = read_facts(source, make_class_map(source.classes))
    assert problems == []
    split = split_by_tags(tags, {i: fact.tags for i, fact in facts.items()})
    got = {purpose: [source.name(i) for i in items] for purpose, items in split.items()}
    # The oracle lists an item twice where both sets have one tag.
    assert got == {p: sorted(set(items)) for p, items in case["samples"].items()}
    config = read_config({"dataset_tags": tags})
    if not case["errors"]:
        splits = open_project_splits(root, config)
        both = set(case["samples"]["train"]) & set(case["samples"]["val"])
        assert bool(splits.warnings) == bool(both)
        return
    problems = problems_of(root, dataset_tags=tags)
    assert len(problems) == len(case["errors"])
    for purpose, problem in zip(case["errors"], problems, strict=True):
        assert purpose in problem
        assert f'"{tags[purpose]}"' in problem


@pytest.mark.shared
@needs_shared
def test_nuclei():
    splits = open_project_splits(SHARED / "data" / "nuclei" / "project", CONFIG)
    assert (len(splits.train), len(splits.val)) == (130, 45)
    assert splits.train.instances() == {"nucleus_fluo": 2623, "nucleus_stained": 1008}
    assert splits.val.instances() == {"nucleus_fluo": 914, "nucleus_stained": 403}


def test_objects_without_a_pixel_are_counted(tmp_path):
    root = write_project(tmp_path)
    outside = vector("dog", [[40, 1], [50, 1], [50, 9]])
    small = vector("dog", [[0.1, 0.2], [0.9, 0.2], [0.9, 0.8]])
    write_item(root / "ds", "a.png", [outside, box(), outside, small], ["train"])
    content = open_supervisely(root).content(0)
    [empty], [odd] = content.left_out, content.odd
    assert (empty.noun, empty.number) == ("object", 2)
    assert empty.reason.startswith("without a pixel")
    assert (odd.noun, odd.number) == ("object", 1)
    assert "look like fractions of 1" in odd.reason
    assert [found.title for found in content.objects] == ["box", "dog"]


def test_what_is_no_item_is_told(tmp_path):
    root = write_project(tmp_path)
    write_item(root / "ds", "d.png", [box()], ["train"])
    (root / "ds" / "img" / "d.png").unlink()
    (root / "ds" / "img" / "notes.txt").write_text("no picture")
    told = [
        "left out: 1 file of no known image format: ds/img/notes.txt",
        "left out: 1 annotation without an image: ds/ann/d.png.json",
    ]
    splits = open_project_splits(root, CONFIG)
    assert [text for text in splits.warnings if text in told] == told
    assert open_supervisely(root).left_out.lines() == [
        text.removeprefix("left out: ") for text in told
    ]
    assert problems_of(root, dataset_tags={"train": "none"})[-2:] == told


@pytest.mark.parametrize("form", ["tar", "gztar", "bztar", "xztar", "zip"])
def test_archives_are_as_their_folder(tmp_path, form):
    root = write_project(tmp_path / "p")
    packed = shutil.make_archive(tmp_path / "packed", form, root)
    folder, archive = (open_project_splits(p, CONFIG) for p in (root, packed))
    assert archive.train.fingerprint() == folder.train.fingerprint()
    for before, after in zip(folder.train, archive.train, strict=True):
        np.testing.assert_array_equal(before.image, after.image)
        np.testing.assert_array_equal(before.boxes, after.boxes)
    if form != "tar":
        with pytest.raises(DatasetError, match="at most 100 bytes, got more"):
            open_project_splits(packed, CONFIG, max_archive_bytes=100)
