"""What an annotation claims is checked before memory is taken for it."""

import json
import tracemalloc

import pytest

from formats import AnnotationFileError
from tests.factories import box, coco_json, write_image, write_item, write_project
from training.datasets import claims
from training.datasets.coco import open_coco_source
from training.datasets.supervisely import open_supervisely

SIDE = 30_000
WHOLE = [0, 0, SIDE, 0, SIDE, SIDE, 0, SIDE]


def check_refused(source, index):
    tracemalloc.start()
    with pytest.raises(
        AnnotationFileError, match=r"30 x 20 pixels, .* for 30000 x 30000"
    ):
        source.content(index)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_large_sizes_of_coco_files_are_those_of_the_image(tmp_path):
    write_image(tmp_path / "a.png", (20, 30))
    found = {"image_id": 1, "category_id": 10, "segmentation": [WHOLE]}
    content = coco_json({"a.png": (SIDE, SIDE)}, [found])
    (tmp_path / "coco.json").write_text(json.dumps(content))
    check_refused(open_coco_source(tmp_path / "coco.json", tmp_path), 0)


def test_large_sizes_of_a_project_are_those_of_the_image(tmp_path):
    root = write_project(tmp_path)
    whole = box(corners=((0, 0), (SIDE - 1, SIDE - 1)))
    path = write_item(root / "ds", "a.png", [whole], ["train"])
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"size": {"height": SIDE, "width": SIDE}}))
    check_refused(open_supervisely(root), 0)


def test_masks_of_an_image_are_bounded_together(monkeypatch, tmp_path):
    monkeypatch.setattr(claims, "MOST_MASK_PIXELS", 100)
    ring = [0, 0, 5, 0, 5, 9, 0, 9]
    found = {"image_id": 1, "category_id": 10, "segmentation": [ring]}
    sources = []
    for count in (2, 3):
        path = tmp_path / f"{count}.json"
        path.write_text(json.dumps(coco_json({"a.png": (20, 30)}, [found] * count)))
        sources.append(open_coco_source(path, tmp_path))
    assert len(sources[0].content(0).objects) == 2
    with pytest.raises(AnnotationFileError, match="masks of at most 100 pixels in all"):
        sources[1].content(0)


def test_small_sizes_are_not_looked_up():
    claims.check_large("a", (8192, 8192), lambda: pytest.fail("was read"))
    claims.check_large("a", (8192, 8193), lambda: (8192, 8193))
