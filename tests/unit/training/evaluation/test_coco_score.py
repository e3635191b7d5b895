from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from formats.coco.masks import draw_segmentation
from formats.mask_crop import MaskCrop
from tests.unit.training.evaluation_cases import (
    CLASSES,
    evaluate,
    found,
    rectangle,
    sample,
    scorer,
)
from tests.whole_mask import pasted
from training.config.train_config import read_config
from training.datasets.classes import make_class_map
from training.datasets.coco import open_coco_source
from training.datasets.data_formats import labelled_data
from training.datasets.splits import open_set
from training.detectors.detector import to_coco_mask

SHARED = Path(__file__).resolve().parents[4] / ".." / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared")

OBJECT = rectangle(10, 20, 50, 120)  # 40 x 100 pixels: medium
NEAR = rectangle(10, 20, 50, 82)  # IoU 0.62 with it
ELSEWHERE = rectangle(100, 100, 150, 150)


@pytest.mark.parametrize(
    ("shape", "origin"),
    [((3, 4), (2, 5)), ((7, 9), (0, 0)), ((1, 1), (6, 8)), ((7, 2), (0, 7))],
)
def test_run_lengths(shape, origin):
    rng = np.random.default_rng(0)
    for density in (0, 0.5, 1):
        mask = rng.random(shape) < density
        whole = np.zeros((7, 9), np.bool_)
        (y, x), (h, w) = origin, shape
        whole[y : y + h, x : x + w] = mask
        runs = to_coco_mask(MaskCrop(*origin, mask), (7, 9))
        assert runs["size"] == [7, 9]
        drawn = draw_segmentation(runs | {"counts": runs["counts"].decode()}, (7, 9))
        assert np.array_equal(pasted(drawn, (7, 9)) if drawn else whole * 0, whole)
        assert coco_mask.area(runs) == mask.sum()


def test_truth_as_detections():
    truths = sample([(1, OBJECT), (2, ELSEWHERE)])
    result = evaluate((truths, found((1, 0.9, OBJECT), (2, 0.8, ELSEWHERE))))
    for figures in (result.mask, result.box):
        assert figures.ap == figures.ap50 == figures.ap75 == figures.ar == 1
        assert figures.ap_medium == 1
        assert figures.ap_small is figures.ap_large is None
        assert figures.classes["dog"].ap == 1
    assert (result.images, result.detections, result.crowds) == (1, 2, 0)
    assert result.objects == {"cat": 1, "dog": 1}


def test_a_wrong_detection_between_two_right_ones():
    truths = sample([(1, OBJECT), (1, ELSEWHERE)])
    wrong = rectangle(160, 200, 190, 290)
    rows = found((1, 0.9, OBJECT), (1, 0.8, wrong), (1, 0.7, ELSEWHERE))
    figures = evaluate((truths, rows)).mask
    # Precision is 1 up to recall 0.50, the 51st of 101 levels, then 2/3.
    assert figures.ap == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert figures.ar == 1
    assert figures.classes["dog"].ap is None


def test_overlap_counts_up_to_its_threshold():
    figures = evaluate((sample([(1, OBJECT)]), found((1, 0.9, NEAR)))).mask
    assert figures.ap == pytest.approx(0.3)  # IoU 0.62 is enough for 0.5, 0.55, 0.6
    assert (figures.ap50, figures.ap75) == (1, 0)


def test_detections_of_a_crowd_do_not_count():
    rows = found((1, 0.9, rectangle(0, 0, 5, 5)), (1, 0.8, OBJECT))
    crowd = (1, rectangle(0, 0, 9, 300))
    assert evaluate((sample([(1, OBJECT)], [crowd]), rows)).mask.ap == 1
    half = pytest.approx(0.5)
    assert evaluate((sample([(1, OBJECT)]), rows)).mask.ap == half
    of_dogs = (2, crowd[1])
    result = evaluate((sample([(1, OBJECT)], [of_dogs]), rows))
    assert result.mask.ap == half
    assert (result.crowds, result.objects) == (1, {"cat": 1, "dog": 0})


def test_neutral_is_a_crowd_of_every_class():
    """At a threshold t, a share of t on neutral pixels is enough."""
    stray = rectangle(100, 0, 110, 100)
    neutral = [rectangle(100, 0, 110, 40), rectangle(100, 30, 110, 72)]
    rows = found((1, 0.9, stray), (1, 0.8, OBJECT))
    for figures in (
        evaluate((sample([(1, OBJECT)], neutral=neutral), rows)).mask,
        evaluate((sample([(1, OBJECT)], neutral=neutral), rows)).box,
    ):
        # The share is 0.72: ignored at 5 of 10 thresholds, wrong at the others.
        assert figures.ap == pytest.approx((5 + 5 * 0.5) / 10)
    result = evaluate((sample([(1, OBJECT)], neutral=neutral), found((1, 0.8, OBJECT))))
    assert (result.mask.ap, result.crowds, result.objects["cat"]) == (1, 0, 1)


def test_boxes_meet_the_pixels_of_neutral_not_its_box():
    frame = np.zeros((200, 300), np.bool_)
    frame[:5], frame[:, :5] = True, True
    stray = rectangle(100, 100, 150, 150)
    truths = sample([(1, OBJECT)], neutral=[MaskCrop(0, 0, frame)])
    result = evaluate((truths, found((1, 0.9, stray), (1, 0.8, OBJECT))))
    assert result.box.ap == result.mask.ap == pytest.approx(0.5)


def test_limits():
    rows = found((1, 0.9, OBJECT), (1, 0.5, ELSEWHERE), (2, 0.4, ELSEWHERE))
    truths = sample([(1, OBJECT)])
    assert evaluate((truths, rows), max_detections=2).detections == 2
    assert evaluate((truths, rows), score_threshold=0.5).detections == 2
    assert evaluate((truths, rows), score_threshold=0.51).detections == 1


def test_nothing_found_and_masks_without_pixels():
    empty = MaskCrop(10, 20, np.zeros((40, 100), np.bool_))
    result = evaluate(
        (sample([(1, OBJECT)]), found()), (sample(), found((1, 0.9, empty)))
    )
    assert result.mask.ap == result.box.ap == 0
    assert evaluate((sample([(1, OBJECT)]), found((1, 0.9, empty)))).mask.ap == 0


def test_figures_are_json():
    text = json.dumps(evaluate((sample([(1, OBJECT)]), found())).to_json())
    figures = json.loads(text)
    assert figures["mask"]["classes"] == {
        "cat": {"ap": 0.0, "ap50": 0.0},
        "dog": {"ap": None, "ap50": None},
    }


@pytest.mark.shared
@needs_shared
def test_equal_to_pycocotools_on_a_coco_file():
    """Crowds and sizes included; detections are shifted and mixed-up truths."""
    path = SHARED / "data" / "coco_mini" / "instances_val.coco.json"
    images = SHARED / "data" / "coco_mini" / "project" / "val2017" / "img"
    source = open_coco_source(path, images)
    config = read_config({"use_empty_images": True, "check_images": "header"})
    classes = make_class_map(source.classes)
    dataset = open_set(labelled_data(coco=path, images=images), classes, config)
    rng = np.random.default_rng(0)
    collected, results = scorer(classes), []
    content = json.loads(path.read_text())
    categories = {c["name"]: c["id"] for c in content["categories"]}
    ids = {entry["file_name"]: entry["id"] for entry in content["images"]}
    for index in range(len(dataset)):
        truth = dataset[index]
        rows = []
        for class_id, crop in zip(truth.class_ids, truth.masks, strict=True):
            keep = crop.mask.copy()
            keep[: round(rng.uniform(0, 0.5) * keep.shape[0])] = False
            mixed_up = rng.random() < 0.2
            seen = rng.integers(1, classes.num_classes) if mixed_up else class_id
            rows.append((seen, rng.random(), crop._replace(mask=keep)))
        rows.sort(key=lambda row: -row[1])
        detections = found(*rows, size=truth.size)
        collected.add(truth, detections)
        for _, class_id, score, runs in zip(*detections, strict=True):
            title = classes.titles[class_id]
            if score >= np.float32(0.05):
                results.append(
                    {
                        "image_id": ids[truth.name],
                        "category_id": categories[title],
                        "score": float(score),
                        "segmentation": runs,
                    }
                )
    figures = collected.finish().evaluation.mask
    coco = COCO(str(path))
    reference = COCOeval(coco, coco.loadRes(results), "segm")
    reference.evaluate()
    reference.accumulate()
    reference.summarize()
    ours = [figures.ap, figures.ap50, figures.ap75]
    assert ours == pytest.approx(reference.stats[:3])
    assert figures.ar == pytest.approx(reference.stats[8])
    # The file's area is that of the polygons, ours that of the pixels.
    sizes = [figures.ap_small, figures.ap_medium, figures.ap_large]
    assert sizes == pytest.approx(reference.stats[3:6], abs=0.01)
    assert 0.1 < figures.ap < 0.9


def test_classes_of_the_cases():
    assert CLASSES.ids == {"bg": 0, "cat": 1, "dog": 2}
