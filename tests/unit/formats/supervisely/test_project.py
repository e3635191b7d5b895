import io
import json
import os
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from formats import AnnotationFileError, FormatError, ProjectMeta
from formats.supervisely.project import open_project
from tests.factories import (
    box,
    meta_json,
    write_image,
    write_item,
    write_project,
)

DATA = Path(__file__).resolve().parents[4] / ".." / "shared" / "data"
needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared")


def read_all(project):
    return {
        item.image: project.parse(item, project.read(item.annotation))
        for item in project.items
    }


def pack(root, path, mode="w", top=""):
    with tarfile.open(path, mode) as archive:
        archive.add(root, top or ".")
    return path


def test_reads_items_in_order(tmp_path):
    project = open_project(write_project(tmp_path / "p"))
    assert [i.image for i in project.items] == [f"ds/img/{name}.png" for name in "abc"]
    read = read_all(project)
    assert read["ds/img/a.png"].tags == ("train",)
    assert read["ds/img/a.png"].size == (20, 30)
    assert [f.shape for f in read["ds/img/a.png"].figures] == ["rectangle", "polygon"]
    assert project.image(project.items[0]).shape == (20, 30, 3)
    assert project.image_size(project.items[0]) == (20, 30)


def test_names_of_annotations(tmp_path):
    root = write_project(tmp_path)
    write_item(root / "old", "x.y.jpeg", ann_name="x.y.json")
    write_item(root / "both", "x.bmp", tags=["val"], ann_name="x.json")
    write_item(root / "both", "x.bmp", tags=["train"])
    (root / "both" / "ann" / "unused.png.json").write_text("not read")
    read = read_all(open_project(root))
    assert read["old/img/x.y.jpeg"].size == (20, 30)
    assert read["both/img/x.bmp"].tags == ("train",)


def test_items_without_annotation(tmp_path):
    root = write_project(tmp_path)
    write_item(root / "ds2", "x.jpg", ann_name="x.json")
    write_image(root / "ds2" / "img" / "x.png")
    write_image(root / "ds2" / "img" / "y.png")
    problems = {i.image: i.problem for i in open_project(root).items if i.problem}
    assert problems == {
        "ds2/img/x.jpg": "ds2/ann/x.json matches several pictures; rename it to "
        "ds2/ann/x.jpg.json",
        "ds2/img/x.png": "ds2/ann/x.json matches several pictures; rename it to "
        "ds2/ann/x.png.json",
        "ds2/img/y.png": "has no annotation; add ds2/ann/y.png.json, or remove the "
        "picture",
    }


def test_one_naming_does_not_hide_the_other(tmp_path):
    root = write_project(tmp_path)
    write_item(root / "ds2", "x.jpg", tags=["train"])
    write_item(root / "ds2", "x.png", tags=["val"], ann_name="x.json")
    read = read_all(open_project(root))
    assert read["ds2/img/x.jpg"].tags == ("train",)
    assert read["ds2/img/x.png"].tags == ("val",)


def test_datasets_may_be_nested(tmp_path):
    root = write_project(tmp_path)
    write_item(root / "ds" / "datasets" / "in" / "datasets" / "er", "a.png")
    write_item(root / "datasets", "a.PNG")
    write_image(root / "ds" / "seg" / "a.png")
    write_image(root / "ds" / "img" / ".hidden.png")
    (root / "ds" / "img" / "notes.txt").write_text("no picture")
    items = open_project(root).items
    assert {i.dataset for i in items} == {"ds", "ds/in/er", "datasets"}
    assert len(items) == 5


def test_links_are_followed(tmp_path):
    root = write_project(tmp_path / "p")
    (root / "pool").mkdir()
    (root / "ds").rename(root / "pool" / "inner")
    (root / "one").symlink_to(root / "pool" / "inner")
    (root / "two").symlink_to(root / "pool" / "inner")
    (root / "pool" / "inner" / "loop").symlink_to(root)
    project = open_project(root)
    assert [i.image for i in project.items] == [
        f"{dataset}/img/{name}.png" for dataset in ("one", "two") for name in "abc"
    ]
    assert len(read_all(project)) == 6


@pytest.mark.parametrize("top", ["", "my project"])
def test_tar_equals_folder(tmp_path, top):
    root = write_project(tmp_path / "p")
    os.link(root / "ds/img/a.png", root / "ds/img/d.png")
    os.link(root / "ds/ann/a.png.json", root / "ds/ann/d.png.json")
    packed = open_project(pack(root, tmp_path / "p.tar", top=top))
    folder = open_project(root)
    assert packed.items == folder.items
    assert len(packed.items) == 4
    assert read_all(packed) == read_all(folder)
    for item in folder.items:
        np.testing.assert_array_equal(packed.image(item), folder.image(item))
    assert packed.locate("meta.json").startswith(str(tmp_path / "p.tar"))


def test_damaged_tar_is_told(tmp_path):
    root = write_project(tmp_path / "p")
    packed = pack(root, tmp_path / "p.tar")
    project = open_project(packed)
    os.truncate(packed, 2000)
    with pytest.raises(FormatError, match="archive is cut off"):
        project.image(project.items[-1])


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_compressed_tar_equals_folder(tmp_path, mode):
    root = write_project(tmp_path / "p")
    packed = open_project(pack(root, tmp_path / "p.tar", mode))
    folder = open_project(root)
    assert packed.items == folder.items
    assert read_all(packed) == read_all(folder)
    assert packed.locate("meta.json") == f"{tmp_path / 'p.tar'}:meta.json"


def test_finds_the_one_project_below(tmp_path):
    write_project(tmp_path / "one")
    (tmp_path / "other").mkdir()
    assert len(open_project(tmp_path).items) == 3
    write_project(tmp_path / "two")
    with pytest.raises(FormatError, match=r"one project .* got several: one/, two/"):
        open_project(tmp_path)


def test_no_project(tmp_path):
    with pytest.raises(FormatError, match=r"one project .* got none"):
        open_project(tmp_path)
    with pytest.raises(FormatError, match="no such folder or file"):
        open_project(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "not JSON"), ("{}", "meta: expected"), ('{"classes": 3}', "meta: expected")],
)
def test_bad_meta_is_named(tmp_path, text, problem):
    (tmp_path / "meta.json").write_text(text)
    with pytest.raises(FormatError, match=rf"meta\.json: {problem}"):
        open_project(tmp_path)


def test_bad_annotation_is_named(tmp_path):
    root = write_project(tmp_path)
    write_item(root / "ds", "a.png", [box("nobody"), box("none")])
    item = open_project(root).items[0]
    with pytest.raises(AnnotationFileError) as caught:
        open_project(root).parse(item, (root / item.annotation).read_bytes())
    path = root / "ds" / "ann" / "a.png.json"
    assert [p.split(": unknown")[0] for p in caught.value.problems] == [
        f"{path}: objects[0]",
        f"{path}: objects[1]",
    ]
    with pytest.raises(AnnotationFileError, match=r"a\.png\.json: not JSON"):
        open_project(root).parse(item, b"{")


def test_images_are_rgb_and_upright(tmp_path):
    root = write_project(tmp_path)
    red = Image.new("RGBA", (40, 24), (255, 0, 0, 9))
    red.save(root / "ds" / "img" / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    red.convert("RGB").save(root / "ds" / "img" / "b.jpg", exif=exif, quality=100)
    cv2.imwrite(str(root / "ds/img/c.png"), np.full((5, 6), 40_000, np.uint16))
    for name in ("a.png.json", "b.png.json"):
        (root / "ds" / "ann" / name.replace("b.png", "b.jpg")).write_text("{}")
    project = open_project(root)
    images = {i.image: project.image(i) for i in project.items if i.annotation}
    assert images["ds/img/a.png"][0, 0].tolist() == [255, 0, 0]
    assert images["ds/img/b.jpg"].shape == (40, 24, 3)
    assert images["ds/img/c.png"].shape == (5, 6, 3)
    assert images["ds/img/c.png"].dtype == np.uint8


def test_cut_images_are_refused(tmp_path):
    root = write_project(tmp_path)
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(stream, "JPEG")
    (root / "ds" / "img" / "a.png").write_bytes(stream.getvalue()[:-900])
    project = open_project(root)
    with pytest.raises(FormatError, match=r"a\.png: the JPEG file is cut off"):
        project.image(project.items[0])
    with pytest.raises(FormatError, match=r"a\.png: the JPEG file is cut off"):
        project.image_size(project.items[0])


def test_oldest_meta():
    meta = ProjectMeta.from_json(
        {
            "classes": [{"title": "x", "shape": "point", "color": "#FFFFFF"}],
            "tags_images": ["train", "val"],
            "tags_objects": [
                "train",
                {"name": "age", "value_type": "any_number", "color": "#000000"},
            ],
            "tags": [],
        }
    )
    assert [(t.name, t.value_type) for t in meta.tags] == [
        ("train", "none"),
        ("val", "none"),
        ("age", "any_number"),
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (meta_json() | {"tags_images": ["x"]}, "got both forms"),
        ({"classes": meta_json()["classes"] * 2}, "class twice: box, cat, dog"),
        (meta_json(tags=("a", "a")), "tag twice: a"),
        ({"classes": [], "tags_images": [3]}, "meta: expected"),
        ({"classes": [{"title": 3, "shape": "any"}]}, "title: expected text, got 3"),
        ({"classes": [{"title": "x", "shape": []}]}, "shape: expected text"),
    ],
)
def test_contradictory_meta(content, text):
    with pytest.raises(AnnotationFileError, match=text):
        ProjectMeta.from_json(json.loads(json.dumps(content)))


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("name", ["01_project_structure", "03_augmentations"])
def test_projects_of_2019(name):
    project = open_project(DATA / "sly_tutorial" / name)
    assert len(project.items) == 5
    drawn = []
    for item in project.items:
        annotation = project.parse(item, project.read(item.annotation))
        assert project.image(item).shape[:2] == annotation.size
        for figure in annotation.figures:
            drawn += [(figure.shape, c) for c in figure.draw(annotation.size)]
    assert len(drawn) == 15
    assert {shape for shape, _ in drawn} == {"bitmap", "polygon", "rectangle"}
    assert min(int(crop.mask.sum()) for _, crop in drawn) > 100
