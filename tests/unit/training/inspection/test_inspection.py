"""Numbers against hand counts and naive references; the files that show them."""

import dataclasses
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.anchors import anchors_px
from models.config import ModelConfig
from tests.factories import (
    box,
    coco_json,
    meta_json,
    write_image,
    write_item,
    write_project,
)
from tests.unit.training.conftest import SIDE, TINY
from training.__main__ import main
from training.config.train_config import read_config
from training.datasets.splits import open_project_splits
from training.errors import TrainingError
from training.inspection.anchor_fit import best_anchor_iou
from training.inspection.histograms import bin_anchor_iou, bin_per_image, bin_sides
from training.inspection.inspect import inspect_data
from training.inspection.sample_sheet import draw_samples
from training.inspection.statistics import read_numbers
from training.pipeline.batches import batches

CONFIG = {
    "input_size": {"min_dim": 64, "max_dim": 64},
    "anchor_scales": [4, 8, 16, 32, 64],
    "check_images": "header",
}
SHARED = Path(__file__).parents[5] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared is absent")


def naive_best_iou(box, anchors):
    height, width = (
        np.minimum(box[2:], anchors[:, 2:]).T - np.maximum(box[:2], anchors[:, :2]).T
    )
    shared = np.maximum(height, 0) * np.maximum(width, 0)
    areas = np.prod(anchors[:, 2:] - anchors[:, :2], axis=1)
    return (shared / (areas + np.prod(box[2:] - box[:2]) - shared)).max()


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(*[st.floats(0, SIDE - 1)] * 2, *[st.floats(0.5, SIDE)] * 2),
    st.sampled_from([1, 2]),
    st.sampled_from([(SIDE, SIDE), (64, 192)]),
)
def test_best_anchor_is_that_of_all_anchors(numbers, anchor_stride, canvas_size):
    y1, x1, height, width = numbers
    config: ModelConfig = dataclasses.replace(TINY, anchor_stride=anchor_stride)
    chosen = np.array((y1, x1, y1 + height, x1 + width))
    anchors = anchors_px(config, np.array(canvas_size, np.int32)).numpy()
    found = best_anchor_iou(chosen[None], config, canvas_size)
    np.testing.assert_allclose(found, [naive_best_iou(chosen, anchors)], atol=1e-9)


def test_no_box_has_no_anchor():
    assert best_anchor_iou(np.zeros((0, 4)), TINY, (SIDE, SIDE)).shape == (0,)


def opened(root, config=CONFIG):
    config = read_config(config)
    splits = open_project_splits(root, config)
    return splits, config, config.network(splits.classes.num_classes)


def test_numbers_of_a_set(tmp_path):
    """Images of 20 x 30 lie on a canvas of 64 with a scale of 64 / 30."""
    splits, _, model = opened(write_project(tmp_path))
    numbers = read_numbers(splits.train, model)
    ids = splits.classes.ids
    assert numbers.images == 2
    assert numbers.image_sizes == {(20, 30): 2}
    assert numbers.per_image.tolist() == [2, 1]
    assert numbers.objects == {ids["box"]: 2, ids["dog"]: 1}
    assert numbers.images_with == {ids["box"]: 2, ids["dog"]: 1}
    assert (numbers.lost, numbers.crowds, numbers.neutral) == (0, 0, 0)
    # The rectangle is 4 x 5 pixels, 20 * (64 / 30) ** 2 on the canvas.
    side = numbers.median_side(ids["box"])
    assert side == pytest.approx(np.sqrt(20) * 64 / 30, abs=1)
    assert np.isnan(numbers.median_side(ids["cat"]))
    assert np.isnan(numbers.anchor_share_below(0.5, ids["cat"]))
    assert numbers.anchor_share_below(1.1) == 1
    assert numbers.anchor_share_below(0) == 0


def test_objects_that_the_canvas_loses_and_neutral_regions(tmp_path):
    meta = meta_json({"dot": "point", "sea": "rectangle", "box": "rectangle"})
    write_project(tmp_path, meta)
    for path in tmp_path.glob("ds/*/*"):
        path.unlink()
    dot = {"classTitle": "dot", "tags": [], "points": {"exterior": [[1, 1]]}}
    objects = [dot, box("sea", ((0, 0), (9, 9))), box("box", ((50, 50), (400, 500)))]
    for name, tag in (("a.png", "train"), ("b.png", "val")):
        write_item(tmp_path / "ds", name, objects, [tag], (640, 640))
    config = CONFIG | {"special_classes": {"neutral": "sea"}}
    splits, _, model = opened(tmp_path, config)
    numbers = read_numbers(splits.train, model)
    assert (numbers.lost, numbers.neutral) == (1, 1)
    assert numbers.per_image.tolist() == [2]
    found = inspect_data(config, project=tmp_path, output=tmp_path / "out")
    assert "train set: 1 objects are smaller than a pixel" in found.warnings[0]


def test_histograms_count_everything(tmp_path):
    splits, config, model = opened(write_project(tmp_path))
    sets = {"train": read_numbers(splits.train, model)}
    sides = bin_sides(sets, config.anchor_scales)
    assert sides.edges[0] < 4 <= sides.edges[1]
    assert sides.edges[-1] > 64
    assert sum(sides.counts["train"]) == 3
    assert sum(bin_anchor_iou(sets).counts["train"]) == 3
    assert sum(bin_anchor_iou(sets).percents()["train"]) == pytest.approx(100)
    many = bin_per_image(sets)
    assert many.edges == [0, 1, 2, 3]
    assert many.counts == {"train": [0, 1, 1]}


def test_histogram_of_crowded_images(tmp_path):
    splits, _, model = opened(write_project(tmp_path))
    numbers = read_numbers(splits.train, model)
    numbers = dataclasses.replace(numbers, per_image=np.array([0, 7, 100]))
    many = bin_per_image({"train": numbers})
    assert many.edges[:3] == [0, 5, 10]
    assert many.edges[-1] > 100
    assert sum(many.counts["train"]) == 3


def test_samples_are_those_of_the_first_epoch(tmp_path):
    augmentation = {"horizontal_flip": True, "rotate_90": True, "scale": [0.5, 2]}
    config = CONFIG | {"augmentation": augmentation, "seed": 5}
    splits, config, model = opened(write_project(tmp_path), config)
    palette = dict.fromkeys(splits.classes.ids.values(), (255, 0, 0))
    drawn = list(draw_samples(splits.train, config, palette, 9))
    assert sorted(sample.name for sample in drawn) == ["ds/img/a.png", "ds/img/b.png"]
    made = batches(
        splits.train,
        model,
        batch_size=1,
        epoch=0,
        seed=5,
        max_instances=config.max_instances,
        augmentation=config.augmentation,
    )
    for sample, batch in zip(drawn, made, strict=True):
        canvas = np.rint(batch.images[0].numpy() + model.mean_pixel)
        factor = sample.image.shape[0] // 64
        small = sample.image[factor // 2 :: factor, factor // 2 :: factor]
        # All but labels, masks and boxes.
        assert (small == canvas).all(2).mean() > 0.5
        seen = np.count_nonzero(batch.gt_class_ids.numpy() > 0)
        assert len(sample.titles) == seen


def test_neutral_regions_are_hatched_and_crowds_grey(tmp_path):
    images = {f"{n}.png": (64, 64) for n in "ab"}
    square = [[8, 8, 8, 40, 40, 40, 40, 8]]
    crowd = {"size": [64, 64], "counts": [64 * 60, 64 * 4]}
    marks = [
        {"image_id": i, "category_id": c, "segmentation": s, "iscrowd": k}
        for i in (1, 2)
        for c, s, k in ((10, square, 0), (20, square, 0), (20, crowd, 1))
    ]
    for name in images:
        write_image(tmp_path / "img" / name, (64, 64))
    paths = tmp_path / "train.json", tmp_path / "val.json"
    for path in paths:
        path.write_text(json.dumps(coco_json(images, marks)))
    config = CONFIG | {"special_classes": {"neutral": "dog"}}
    out = tmp_path / "out"
    inspect_data(config, coco=paths, images=tmp_path / "img", output=out, samples=1)
    content = json.loads((out / "inspect.json").read_text())
    assert content["sets"]["train"]["crowds"] == 2
    assert content["sets"]["train"]["pictures_with_neutral"] == 2
    sheet = cv2.imread(str(out / "sheet.png"))[12:524, 12:524]
    assert sheet.shape == (512, 512, 3)
    crowded, plain = sheet[200, 500], sheet[450, 200]
    assert plain.tolist() == [100, 100, 100]
    assert 100 < crowded[0] < 160


@pytest.mark.parametrize("samples", [1, 2])
def test_files(tmp_path, samples):
    project, out = write_project(tmp_path / "p<b>"), tmp_path / "new" / "out"
    found = inspect_data(CONFIG, project=project, output=out, samples=samples)
    assert sorted(path.name for path in out.iterdir()) == [
        "inspect.html",
        "inspect.json",
        "sheet.png",
    ]
    content = json.loads(found.numbers.read_text("utf-8"))
    assert content["canvas_size"] == [64, 64]
    assert content["warnings"] == list(found.warnings)
    assert "train set: no object of cat" in found.warnings
    assert content["sets"]["train"]["objects"] == 3
    counts = {c["title"]: c["train"]["objects"] for c in content["classes"]}
    assert counts == {"box": 2, "cat": 0, "dog": 1}
    assert content["classes"][1]["train"]["median_side"] is None
    for name in ("sides", "best_anchor_iou", "objects_per_picture"):
        assert len(content[name]["edges"]) == len(content[name]["train"]) + 1
    page = found.page.read_text("utf-8")
    assert page.count("<article") == samples
    assert "p&lt;b&gt;" in page
    assert "P6" in page
    sheet = cv2.imread(str(found.sheet))
    assert sheet.shape == (512 + 48, samples * 524 + 12, 3)


def test_earlier_files_are_replaced_and_others_stay(tmp_path):
    project, out = write_project(tmp_path / "p"), tmp_path / "out"
    out.mkdir()
    (out / "inspect.json").write_text("old")
    (out / "other").write_text("kept")
    inspect_data(CONFIG, project=project, output=out, samples=1)
    assert (out / "inspect.json").read_text() != "old"
    assert (out / "other").read_text() == "kept"


def test_program(tmp_path, capsys):
    project = write_project(tmp_path / "p")
    config = tmp_path / "train.json"
    config.write_text(json.dumps(CONFIG | {"weights_init_type": "continue_training"}))
    arguments = ["inspect", "--config", str(config), "--output", str(tmp_path / "o")]
    assert main([*arguments, "--project", str(project)]) == 0
    told = capsys.readouterr()
    paths = json.loads(told.out)
    assert {Path(p).name for p in paths.values()} == {
        "inspect.html",
        "sheet.png",
        "inspect.json",
    }
    assert all(Path(path).exists() for path in paths.values())
    assert "warning: train set: no object of cat\n" in told.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--project", "nowhere"], r"error: nowhere.*\n"),
        (["--project", "p", "--samples", "0"], r"error: samples: expected 1 to 200.*"),
        (["--project", "p", "--output", "p/meta.json"], r"error: p/meta.json: .*"),
    ],
)
def test_errors_are_one_message(tmp_path, monkeypatch, capsys, changes, message):
    write_project(tmp_path / "p")
    (tmp_path / "c.json").write_text(json.dumps(CONFIG))
    monkeypatch.chdir(tmp_path)
    arguments = ["inspect", "--config", "c.json", "--output", "o", *changes]
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert not told.out
    assert re.fullmatch(message, told.err.strip() + "\n", re.DOTALL)


def test_coco_needs_its_images(tmp_path, capsys):
    arguments = ["inspect", "--config", "c", "--output", "o", "--coco", "a", "b"]
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "--coco and --images go together" in capsys.readouterr().err
    with pytest.raises(TrainingError, match="images: a COCO file needs the folder"):
        inspect_data(CONFIG, coco=("a", "b"), output=tmp_path)


@pytest.mark.shared
@needs_shared
def test_nuclei(tmp_path):
    config = {"check_images": "header", "augmentation": {"scale": [0.5, 2.0]}}
    project = SHARED / "nuclei" / "project"
    found = inspect_data(config, project=project, output=tmp_path, samples=6)
    content = json.loads(found.numbers.read_text("utf-8"))
    sets = content["sets"]
    assert [sets[name]["pictures"] for name in sets] == [130, 45]
    objects = [
        [kind[name]["objects"] for name in ("train", "val")]
        for kind in content["classes"]
    ]
    assert objects == [[2623, 914], [1008, 403]]
    assert sum(content["sides"]["train"]) == 3631
    sizes = {(s["height"], s["width"]) for s in sets["train"]["image_sizes"]}
    assert sizes == {(256, 256), (360, 360), (256, 320)}
