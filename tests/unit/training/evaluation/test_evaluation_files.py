from __future__ import annotations

import json

import numpy as np
import pytest

from formats.drawing.overlay import draw_overlays
from formats.images.image import decode_image
from formats.mask_crop import MaskCrop
from formats.supervisely.meta import BITMAP, ClassMeta
from tests.factories import coco_json, write_image, write_project
from tests.unit.training.evaluation_cases import found, rectangle, scorer
from training.config.train_config import read_config
from training.datasets.classes import ClassMap
from training.datasets.data_formats import labelled_data
from training.datasets.splits import open_set
from training.errors import TrainingError
from training.evaluation.card import (
    CONFUSED,
    GAP_PX,
    MISSED,
    RIGHT,
    WRONG,
    _of_shrunk,
    evaluation_card,
)
from training.evaluation.files import prepare, write_evaluation
from training.evaluation.precision_recall import draw_precision_recall

CONFIG = read_config({"use_empty_images": True, "check_images": "header"})
SIZE = (20, 30)
ENLARGED = 21  # 640 / 30, rounded
OBJECT = rectangle(3, 2, 6, 7)  # the box of the project
STRAY = rectangle(10, 10, 15, 25)


def class_map(*titles):
    metas = tuple(ClassMeta(title, BITMAP, "#010203") for title in titles)
    return ClassMap(metas, {title: i for i, title in enumerate(titles)})


def write(folder, dataset, origin=None):
    """Scores one right and one wrong detection in each image, and writes files."""
    collected = scorer(dataset.classes)
    for index in range(len(dataset)):
        class_id = dataset.classes.ids["box"]
        rows = found((class_id, 0.9, OBJECT), (class_id, 0.4, STRAY), size=SIZE)
        collected.add(dataset[index], rows)
    score = collected.finish()
    origin = origin or {"network": {"file": "w.h5"}, "data": {"project": "p"}}
    prepare(folder, overwrite=False)
    write_evaluation(folder, origin, dataset, collected, score)
    return score


@pytest.fixture
def project(tmp_path):
    classes = class_map("bg", "cat", "dog", "box")
    project = write_project(tmp_path / "p")
    return open_set(labelled_data(project=project), classes, CONFIG)


def test_files_of_a_project(project, tmp_path):
    score = write(tmp_path / "out", project)
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert figures["network"] == {"file": "w.h5"}
    assert figures["data"] == {"project": "p", "fingerprint": project.fingerprint()}
    assert figures["mask"]["ap"] == score.evaluation.mask.ap
    assert figures["objects"] == {"cat": 0, "dog": 2, "box": 2}
    assert figures["f1_score_threshold"] == pytest.approx(0.9)
    assert {"maskrcnn-serving", "pycocotools"} == figures["versions"].keys()
    names = [entry["name"] for entry in figures["per_picture"]]
    assert names == ["ds/img/a.png", "ds/img/b.png", "ds/img/c.png"]
    first = figures["per_picture"][0]
    assert (first["image_id"], first["found"], first["missed"]) == (1, 1, 1)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [r["image_id"] for r in results] == [1, 1, 2, 2, 3, 3]
    assert results[0]["category_id"] == 3
    assert results[0]["bbox"] == [2, 3, 5, 3]
    assert results[0]["segmentation"]["size"] == [*SIZE]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "evaluation.json",
        "gallery.html",
        "precision_recall.png",
        "results.json",
    ]


def test_ids_of_a_coco_file(tmp_path):
    images = {"a.png": SIZE, "b.png": SIZE}
    for name in images:
        write_image(tmp_path / name, SIZE)
    square = [[2, 3, 7, 3, 7, 6, 2, 6]]
    annotations = [{"image_id": 2, "category_id": 20, "segmentation": square}]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(coco_json(images, annotations)))
    classes = class_map("bg", "box", "unseen", "dog")
    dataset = open_set(labelled_data(coco=path, images=tmp_path), classes, CONFIG)
    score = write(tmp_path / "out", dataset)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [r["image_id"] for r in results] == [1, 1, 2, 2]
    assert {r["category_id"] for r in results} == {20}
    assert score.evaluation.mask.classes["unseen"].ap is None


def test_page_shows_what_was_missed_and_made_up(project, tmp_path):
    origin = {
        "network": {"path": "m/3", "name": "nuclei", "version": 3},
        "data": {"project": "p<i>", "tag": "val"},
    }
    write(tmp_path / "out", project, origin)
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert "nuclei version 3, m/3 on p&lt;i&gt;, val" in page
    assert "score of at least 0.900" in page
    assert "Worst pictures" in page
    assert "Best pictures" in page
    assert page.count("<article") == 3
    assert "http" not in page.replace("http-equiv", "")


def test_thing_under_a_wrong_class_is_found_under_both(project, tmp_path):
    """The boxes are taken for cats; there are two dogs that nothing is found of."""
    collected = scorer(project.classes)
    cat = project.classes.ids["cat"]
    for index in range(len(project)):
        rows = found((cat, 0.9, OBJECT), (cat, 0.8, STRAY), size=SIZE)
        collected.add(project[index], rows)
    score = collected.finish()
    lists = (collected.truths, collected.results)
    card = evaluation_card(project, 0, score.images[0], *lists)
    assert sorted(card.instances, key=str) == [
        ("box", None),
        ("cat", pytest.approx(0.8)),
        ("cat", pytest.approx(0.9)),
        ("dog", None),
    ]
    assert card.note == "box found as cat (0.90)"
    counts = {"found": 0, "wrong": 2, "missed": 2, "confused": 1}
    assert {name: card.values[name] for name in counts} == counts
    assert card.image.shape == (20 * ENLARGED, 2 * 30 * ENLARGED + GAP_PX, 3)
    left, right = card.image[:, : 30 * ENLARGED], card.image[:, -30 * ENLARGED :]
    for color, panels in ((CONFUSED, (left, right)), (MISSED, (left,))):
        assert all((panel == color).all(-1).any() for panel in panels)
    assert (right == WRONG).all(-1).any()
    assert not (left == WRONG).all(-1).any()
    assert not (card.image == RIGHT).all(-1).any()
    origin = {"network": {"file": "w.h5"}, "data": {"project": "p"}}
    prepare(tmp_path / "out", overwrite=False)
    write_evaluation(tmp_path / "out", origin, project, collected, score)
    figures = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert [one["confused"] for one in figures["per_picture"]] == [1, 1, 0]
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert "Found under another class" in page


def test_results_are_not_replaced_unasked(tmp_path):
    folder = tmp_path / "deep" / "out"
    prepare(folder, overwrite=False)
    figures = folder / "evaluation.json"
    figures.write_text("{}")
    with pytest.raises(TrainingError, match=r"out: holds an evaluation .* --overwrite"):
        prepare(folder, overwrite=False)
    prepare(folder, overwrite=True)
    assert figures.exists()  # until others are written
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="file: results cannot be written there: "):
        prepare(tmp_path / "file", overwrite=False)


@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_curves(count):
    precision = np.full((10, 101, max(count, 1) + 1), -1.0)
    precision[..., :count] = np.linspace(1, 0, 101)[:, None]
    titles = [f"class_$_{i}" for i in range(precision.shape[2])]
    image = decode_image(draw_precision_recall(precision, titles), "curves")
    assert image.shape[0] > 400
    assert image.min() < 50


def test_masks_are_enlarged_without_their_staircase(project):
    collected = scorer(project.classes)
    slanted = MaskCrop(6, 8, np.triu(np.ones((10, 10), bool)))
    rows = found((project.classes.ids["cat"], 0.9, slanted), size=SIZE)
    collected.add(project[0], rows)
    score = collected.finish()
    lists = (collected.truths, collected.results)
    card = evaluation_card(project, 0, score.images[0], *lists)
    plain = draw_overlays(project[0].image, [], scale=ENLARGED)
    changed = (card.image[:, -30 * ENLARGED :] != plain).any(-1)
    row, inside = (6 + 5) * ENLARGED, 9 * ENLARGED  # of its middle; right of its box
    starts = changed[row : row + ENLARGED, inside:].argmax(1)
    assert len(set(starts)) >= ENLARGED // 2  # a staircase starts at one column
    assert np.all(np.diff(starts) >= 0)


def test_masks_follow_the_scale_of_their_image():
    for scale in (1.0, 0.5, 0.1):
        overlay = _of_shrunk(OBJECT, scale, RIGHT)
        y1, x1, y2, x2 = overlay.box
        assert (y1, x1) == (round(3 * scale), round(2 * scale))
        assert overlay.mask.shape == (y2 - y1, x2 - x1)
        assert overlay.mask.all()
