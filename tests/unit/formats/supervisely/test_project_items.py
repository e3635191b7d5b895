import json
import shutil
import tarfile

import pytest

from formats import FormatError
from formats.supervisely.project import open_project
from tests.factories import meta_json, write_image, write_item, write_project


def left_out(root):
    return open_project(root).left_out.lines()


def test_images_are_read_whatever_their_name(tmp_path):
    root = write_project(tmp_path)
    for name in ("plain", "photo.heic", "scan.dat", "a.b.avif"):
        write_item(root / "ds", "made.png")
        shutil.move(root / "ds/img/made.png", root / "ds/img" / name)
        shutil.move(root / "ds/ann/made.png.json", root / f"ds/ann/{name}.json")
    project = open_project(root)
    assert project.left_out.lines() == []
    names = {item.image.rpartition("/")[2] for item in project.items}
    assert names == {
        "a.png",
        "b.png",
        "c.png",
        "plain",
        "photo.heic",
        "scan.dat",
        "a.b.avif",
    }
    for item in project.items:
        assert project.image(item).shape == (20, 30, 3)
        assert project.content(item)["size"] == {"height": 20, "width": 30}


def test_an_annotation_of_two_images_is_told_without_an_extension_too(tmp_path):
    root = write_project(tmp_path)
    write_item(root / "ds2", "x.png", ann_name="x.json")
    shutil.copy(root / "ds2/img/x.png", root / "ds2/img/x")
    items = {item.image: item for item in open_project(root).items}
    assert items["ds2/img/x"].annotation == "ds2/ann/x.json"
    assert "matches several pictures" in items["ds2/img/x.png"].problem


def test_what_is_no_item_is_counted(tmp_path):
    root = write_project(tmp_path)
    (root / "ds/img/notes.txt").write_text("no picture")
    (root / "ds/img/Thumbs.db").write_bytes(b"")
    (root / "ds/img/.hidden").write_text("not looked at")
    (root / "ds/img/inner").mkdir()
    write_image(root / "ds/img/inner/x.png")
    write_image(root / "ds2/images/y.png")
    for name in ("notes.txt", "gone.png", "also_gone.png", "z.png"):
        (root / f"ds/ann/{name}.json").write_text("{}")
    (root / "ds/ann/.hidden.json").write_text("{}")
    assert left_out(root) == [
        "2 files of no known image format: ds/img/Thumbs.db, ds/img/notes.txt",
        "1 file in folders within img/, which has none: ds/img/inner/x.png",
        "3 annotations without an image: ds/ann/also_gone.png.json, "
        "ds/ann/gone.png.json, ds/ann/z.png.json",
        "1 file in images/, where img/ is expected: ds2/images/y.png",
    ]


def test_links_out_of_a_project_are_told(tmp_path):
    root = write_project(tmp_path / "p")
    shutil.move(root / "ds/img/a.png", tmp_path / "a.png")
    (root / "ds/img/a.png").symlink_to(tmp_path / "a.png")
    assert left_out(root) == [
        "1 link leading out of the folder: ds/img/a.png",
        "1 annotation without an image: ds/ann/a.png.json",
    ]


@pytest.mark.parametrize("name", [".maskrcnn-run", ".maskrcnn-run.json", "meta.json"])
def test_names_of_our_own_are_no_datasets(tmp_path, name):
    root = write_project(tmp_path / "p")
    with tarfile.open(tmp_path / "p.tar", "w") as packed:
        packed.add(root / "meta.json", "meta.json")
        packed.add(root / "ds", name)
    with pytest.raises(FormatError, match=f"dataset {name}: expected another name"):
        open_project(tmp_path / "p.tar")


@pytest.mark.parametrize("content", ["[]", "5", "null", '"/etc/passwd"', "true", "1.5"])
def test_an_annotation_is_an_object(tmp_path, content):
    root = write_project(tmp_path)
    (root / "ds/ann/a.png.json").write_text(content)
    project = open_project(root)
    for read in (
        project.content,
        lambda i: project.parse(i, project.read_annotation(i)),
    ):
        with pytest.raises(FormatError) as caught:
            read(project.items[0])
        told = str(caught.value)
        assert told.startswith(f'{root / "ds/ann/a.png.json"}: expected {{"size": ')
        assert told.endswith(f"got {content}")
        read(project.items[1])


def layout(root, *paths, meta=None):
    root.mkdir(exist_ok=True)
    if meta is not None:
        (root / "meta.json").write_text(json.dumps(meta))
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    with pytest.raises(FormatError) as caught:
        open_project(root)
    text = str(caught.value)
    assert "meta.json, <dataset>/img/<image> and <dataset>/ann/<image>.json" in text
    return text.partition("; found ")[2]


@pytest.mark.parametrize(
    ("paths", "meta", "found"),
    [
        (
            ["ds/images/a.png"],
            {},
            "1 file in images/, where img/ is expected: ds/images/a.png",
        ),
        (
            ["ds/video/a.mp4"],
            {},
            "a Supervisely project of videos (video/); convert it",
        ),
        (
            ["ds/volume/a.nrrd"],
            {},
            "a Supervisely project of volumes (volume/); convert it",
        ),
        (
            ["ds/x/a"],
            {"projectType": "point_clouds"},
            "a Supervisely project of point clouds",
        ),
        (["img/a.png", "ann/a.png.json"], {}, "img/ or ann/ outside of a dataset"),
        (
            ["annotations/instances_train.json", "train/a.jpg"],
            None,
            "what looks like a COCO",
        ),
        (["labels/a.txt", "images/a.jpg"], None, "what looks like YOLO (labels/*.txt)"),
        (["Annotations/a.xml"], None, "what looks like Pascal VOC (Annotations/*.xml)"),
        (["cat/a.jpg", "dog/b.jpg"], None, "2 images in cat, dog, without annotations"),
        (
            ["a.jpg"],
            None,
            "1 image in ., without annotations beside them; python -m client",
        ),
        (["README"], None, "1 file: README"),
        (["a/b/meta.json", "a/b/ds/img/x.png"], None, "meta.json in a/b; name that"),
        ([], None, "nothing"),
    ],
)
def test_other_layouts_are_named(tmp_path, paths, meta, found):
    whole = None if meta is None else meta_json() | meta
    assert layout(tmp_path / "p", *paths, meta=whole).startswith(found)
