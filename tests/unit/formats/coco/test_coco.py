import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from formats import AnnotationFileError
from formats.coco import polygon as coco_polygon
from formats.coco.file import open_coco
from formats.coco.masks import decode_counts, draw_segmentation, read_segmentation
from formats.supervisely.project import open_project
from tests.factories import coco_json
from tests.whole_mask import pasted

DATA = Path(__file__).resolve().parents[4] / ".." / "shared" / "data"
needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared")
SIZE = (4, 6)
SQUARE = [1, 1, 4, 1, 4, 3, 1, 3]


def paste(segmentation, size=SIZE):
    crop = draw_segmentation(segmentation, size)
    assert crop.mask.any(axis=0)[[0, -1]].all()
    assert crop.mask.any(axis=1)[[0, -1]].all()
    return pasted(crop, size)


def write(tmp_path, content):
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    return path


def test_polygon_is_half_open():
    # Corners are corners of pixels: 3 columns, 2 rows.
    expected = np.zeros(SIZE, bool)
    expected[1:3, 1:4] = True
    np.testing.assert_array_equal(paste([SQUARE]), expected)


def test_polygons_are_united():
    expected = np.zeros(SIZE, bool)
    expected[1:3, 1:4] = True
    expected[0:2, 3:6] = True
    other = [3, 0, 6, 0, 6, 2, 3, 2]
    np.testing.assert_array_equal(paste([SQUARE, other]), expected)


def test_polygon_is_cut_at_the_border():
    outside = [-9, -9, 99, -9, 99, 99, -9, 99]
    assert paste([outside]).all()
    assert draw_segmentation([[10, 10, 12, 10, 12, 12, 10, 12]], SIZE) is None
    assert draw_segmentation([[1, 1, 1.1, 1, 1.1, 1.1]], SIZE) is None


# Down the columns: 3 off, 2 on (the end of column 0 and the start of column 1), ...
COUNTS = [3, 2, 4, 7, 8]
TEXT = "32454"  # 7 is written as 7 - 2 = 5, and 8 as 8 - 4 = 4


def test_run_lengths():
    expected = np.zeros(24, bool)
    expected[3:5] = True
    expected[9:16] = True
    expected = expected.reshape(6, 4).T
    runs = {"size": [4, 6], "counts": COUNTS}
    np.testing.assert_array_equal(paste(runs), expected)
    np.testing.assert_array_equal(paste(runs | {"counts": TEXT}), expected)


def test_run_lengths_at_the_ends():
    assert paste({"size": [4, 6], "counts": [0, 24]}).all()
    assert paste({"size": [4, 6], "counts": [23, 1]}).sum() == 1
    assert draw_segmentation({"size": [4, 6], "counts": [24]}, SIZE) is None


def test_decode_counts():
    assert decode_counts(TEXT) == COUNTS
    assert decode_counts("O") == [-1]
    assert decode_counts("P1") == [32]  # 0 and go on, then 1 * 32
    assert decode_counts("0001O") == [0, 0, 0, 1, -1]
    with pytest.raises(AnnotationFileError, match="cut off"):
        decode_counts("P")


def test_memory_is_that_of_the_object():
    size = (30_000, 1_000_000)
    crop = draw_segmentation([[900_000, 9, 900_003, 9, 900_003, 11, 900_000, 11]], size)
    assert crop.box == (9, 900_000, 11, 900_003)
    start = 900_000 * 30_000 + 9
    counts = [start, 2, 30_000 * 1_000_000 - start - 2]
    runs = {"size": [30_000, 1_000_000], "counts": counts}
    assert draw_segmentation(runs, size).box == (9, 900_000, 11, 900_001)


@pytest.mark.parametrize(
    ("polygon", "counts"),
    [
        (
            [11.5, -1.8, 16.4, 19.1, 17.5, 8.8, 12.6, -0.5, 15.6, 8.9, 1.4, -4.4],
            "d21;1O1O1O11ONM61F134",
        ),
        (
            [11.8, -2.6, 7.0, 11.0, 1.0, 2.5, 11.6, 10.9, -3.5, 9.6, 18.7, 11.5],
            "l01<0O101O1ON0OO4L4N2O01O2N2NK",
        ),
        ([8.8, -5.1, 4.7, -0.8, 6.4, 15.6, 10.2, 7.3, 8.5, 19.6], "l166m04POn1"),
        (
            [-0.2, 13.4, 15.8, 11.2, 7.5, 1.5, 2.9, -0.1, -4.2, 9.3, 1.5, 15.1],
            "3921Oi00XO001O1O1O1O1O1O1O2M3",
        ),
    ],
)
def test_polygons_equal_pycocotools(polygon, counts):
    """Polygons that cross themselves and the border; counts by pycocotools 2.0.11."""
    size = (12, 16)
    expected = paste({"size": [*size], "counts": counts}, size)
    np.testing.assert_array_equal(paste([polygon], size), expected)


@pytest.mark.parametrize(
    ("segmentation", "text"),
    [
        (None, "expected polygons or run lengths, got null"),
        ([], r"expected polygons or run lengths, got \[\]"),
        ([[1, 2, 3, 4]], "at least 3 points"),
        ([[1, 2, 3, 4, 5, 6, 7]], "at least 3 points"),
        ([["a"] * 6], "at least 3 points"),
        ([[[1, 2], [3, 4], [5, 6]]], "at least 3 points"),
        ([[1e9] * 6], "at least 3 points"),
        ([[float("nan")] * 6], "at least 3 points"),
        ({"size": [6, 4], "counts": [24]}, r"expected size \[4, 6\]"),
        ({"counts": [24]}, r"expected size \[4, 6\]"),
        ({"size": [4, 6]}, "expected run lengths, got null"),
        ({"size": [4, 6], "counts": [-1, 25]}, "expected run lengths, got"),
        ({"size": [4, 6], "counts": [1.5, 22.5]}, "expected run lengths, got"),
        ({"size": [4, 6], "counts": [3, 3]}, "of 24 pixels in all, got 6"),
    ],
)
def test_bad_segmentations(segmentation, text):
    with pytest.raises(AnnotationFileError, match=text):
        draw_segmentation(segmentation, SIZE)


def test_polygons_cost_what_they_cross():
    """Points 900,000 pixels away, which no walk would end soon; by hand."""
    far = 900_000
    tracemalloc.start()
    for _ in range(300):
        whole = paste([[-far, -far, far, -far, far, far, -far, far]])
        left = paste([[-far, 0, 3, 0, 3, 4, -far, 4]])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert whole.all()
    assert left[:, :3].all()
    assert not left[:, 3:].any()
    assert peak < 1 << 20


@pytest.mark.parametrize("block", [1, 3, 1 << 20])
def test_polygons_are_the_same_in_blocks(monkeypatch, block):
    monkeypatch.setattr(coco_polygon, "_BLOCK", block)
    polygon = [11.5, -1.8, 16.4, 19.1, 17.5, 8.8, 12.6, -0.5, 15.6, 8.9, 1.4, -4.4]
    counts = "d21;1O1O1O11ONM61F134"
    expected = paste({"size": [12, 16], "counts": counts}, (12, 16))
    np.testing.assert_array_equal(paste([polygon], (12, 16)), expected)


def test_many_polygons_take_the_memory_of_one():
    size = (1000, 1000)
    tracemalloc.start()
    crop = draw_segmentation([[0, 0, 1000, 0, 1000, 1000, 0, 1000]] * 30, size)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert crop.mask.all()
    assert peak < 6 << 20


def test_long_run_lengths_are_read_in_their_time():
    text = "o" * 1_000_000  # goes on and on
    with pytest.raises(AnnotationFileError, match="expected compressed run lengths"):
        decode_counts(text)
    assert len(decode_counts("1" * 1_000_000)) == 1_000_000
    for wrong in ("1\u20ac", "1/", "1p"):
        with pytest.raises(
            AnnotationFileError, match="expected compressed run lengths"
        ):
            decode_counts(wrong)


@pytest.mark.parametrize(
    ("counts", "size", "text"),
    [
        ([10**6, 10**12 - 10**6], (10**6, 10**6), "at most 1,073,741,824 pixels"),
        ([10**40], (10**20, 10**20), "no picture has 1.* pixels"),
        ([0, 0, 16 << 70], (4, 4), "of 16 pixels in all, got 18889465931478580854784"),
    ],
)
def test_absurd_sizes_are_refused(counts, size, text):
    with pytest.raises(AnnotationFileError, match=text):
        draw_segmentation({"size": [*size], "counts": counts}, size)


def test_numbers_that_no_float_holds_are_refused():
    with pytest.raises(AnnotationFileError, match="got a number that is too long"):
        draw_segmentation({"size": [4, 6], "counts": [10**4999]}, SIZE)
    for number in (10**4999, -(10**400), float("inf"), True, "1", None):
        with pytest.raises(AnnotationFileError, match="at least 3 points"):
            draw_segmentation([[number] * 6], SIZE)
    square = 10**6
    ring = [1, 1, square - 1, 1, square - 1, square - 1, 1, square - 1]
    with pytest.raises(AnnotationFileError, match="at most 1,073,741,824 pixels"):
        draw_segmentation([ring], (square, square))


def test_what_is_odd_is_said():
    found = read_segmentation([[0.1, 0.1, 0.4, 0.1, 0.4, 0.4]], SIZE)
    assert (found.crop, found.has_fractions) == (None, True)
    assert not read_segmentation([[0, 0, 1, 0, 1, 1]], SIZE).has_fractions
    assert not read_segmentation([SQUARE, [0.1] * 6], SIZE).has_fractions
    stray = [SQUARE, [1, 2], [], None, [1, 2, 3, 4, 5]]
    found = read_segmentation(stray, SIZE, is_lenient=True)
    assert found.stray_rings == 4
    assert found.crop.box == (1, 1, 3, 4)
    assert read_segmentation([[1, 2]], SIZE, is_lenient=True).crop is None


def annotation(image, category=10, **extra):
    return {
        "image_id": image,
        "category_id": category,
        "segmentation": [SQUARE],
        "iscrowd": 0,
    } | extra


def test_reads_annotations_of_an_image(tmp_path):
    content = coco_json(
        {"a.png": SIZE, "b.png": SIZE, "c.png": (9, 9)},
        [
            annotation(3, 20),
            annotation(1),
            annotation(3, iscrowd=1),
            annotation(1, 20, segmentation=[[1, 1, 1.1, 1, 1.1, 1.1]]),
        ],
    )
    content = {key: content[key] for key in ("annotations", "categories", "images")}
    coco = open_coco(write(tmp_path, content))
    assert dict(coco.categories) == {10: "dog", 20: "box"}
    assert [image.file_name for image in coco.images] == ["a.png", "b.png", "c.png"]
    read = [coco.objects(i, coco.read(i)) for i in range(3)]
    assert [[o.category for o in objects] for objects in read] == [
        ["dog", "box"],
        [],
        ["box", "dog"],
    ]
    assert [[o.is_crowd for o in objects] for objects in read][2] == [False, True]
    assert read[0][1].crop is None
    assert read[2][0].crop.box == (1, 1, 3, 4)


def test_annotations_keep_the_order_of_the_file(tmp_path):
    entries = [annotation(1 + i % 3) for i in range(600)]
    coco = open_coco(write(tmp_path, coco_json(dict.fromkeys("abc", SIZE), entries)))
    for image in range(3):
        ids = [json.loads(entry)["id"] for entry in coco.read(image)]
        assert ids == list(range(image + 1, 601, 3))


def test_index_problems_are_listed(tmp_path):
    content = coco_json({"a.png": SIZE}, [annotation(1), annotation(7), {"id": 3}])
    content["images"] += [
        {"id": 1, "file_name": "b.png", "height": 4, "width": 6},
        {"id": 2, "file_name": "b.png", "height": 0, "width": 6},
        {"file_name": "c.png"},
        5,
    ]
    content["categories"] += [{"id": 10, "name": "x"}, {"id": 30, "name": "dog"}, {}]
    with pytest.raises(AnnotationFileError) as caught:
        open_coco(write(tmp_path, content))
    text = str(caught.value)
    assert len(caught.value.problems) == 8
    for part in (
        "images: id 1 twice",
        'images[2] ("b.png"): height: expected pixels, a whole number from 1, got 0',
        "images[3]: id, height and width are missing",
        "images[4]: expected an object, got 5",
        "categories[2]: id 10 twice",
        'categories[3]: name "dog" twice',
        "categories[4]: id and name are missing",
        "annotations[2]: image_id is missing",
    ):
        assert part in text


def problems_of(tmp_path, content, **options):
    path = write(tmp_path, content)
    with pytest.raises(AnnotationFileError) as caught:
        open_coco(path, **options)
    return [p.removeprefix(f"{path}: ") for p in caught.value.problems]


def test_annotations_of_images_that_are_not_listed(tmp_path):
    content = coco_json({"a.png": SIZE}, [annotation(1), annotation(7), annotation(7)])
    assert problems_of(tmp_path, content) == [
        "annotations: image_id 7 is not in images; add it or remove the annotations"
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"height": None}, "height: expected pixels, a whole number from 1, got null"),
        ({"width": "80"}, 'width: expected pixels, a whole number from 1, got "80"'),
        ({"height": 1.5, "width": True}, "height: expected pixels, a whole number f"),
        ({"height": 10**6, "width": 10**6}, "expected at most 1,073,741,824 pixels"),
        ({"id": None}, "id: expected a number or text, got null"),
        ({"id": [1]}, "id: expected a number or text, got [1]"),
        ({"file_name": 5}, "file_name: expected text, got 5"),
        ({"file_name": "../a.png"}, "it leads out of its folder (..)"),
        ({"file_name": "b\\..\\..\\a.png"}, "it leads out of its folder (..)"),
        ({"file_name": "/etc/passwd"}, "it is absolute"),
        ({"file_name": "\\\\host\\a.png"}, "it is absolute"),
        ({"file_name": "C:\\a.png"}, "it names a drive"),
        ({"file_name": "a\0.png"}, "it has a NUL character"),
        ({"file_name": "\ud800.png"}, "it has characters that no file name can have"),
        ({"file_name": "\x1b[31m.png"}, "it has control characters"),
        ({"file_name": "./"}, "it is empty"),
        ({"file_name": "x" * 300}, "longer than 255 bytes"),
    ],
)
def test_wrong_keys_of_an_image_are_named_once(tmp_path, change, problem):
    content = coco_json({"a.png": SIZE}, [annotation(1)])
    content["images"][0] |= change
    [got] = problems_of(tmp_path, content)
    assert got.startswith("images[0]")
    assert problem in got
    assert got.isprintable()


def test_missing_keys_are_told_in_one_line(tmp_path):
    content = coco_json(dict.fromkeys("ab", SIZE), [annotation(1), annotation(2)])
    for image in content["images"]:
        del image["height"], image["width"]
    assert problems_of(tmp_path, content) == [
        'images[0] ("a"): height and width are missing',
        'images[1] ("b"): height and width are missing',
    ]


def test_many_problems_end(tmp_path):
    names = dict.fromkeys(map(str, range(3000)), SIZE)
    content = coco_json(names, [annotation(i) for i in range(1, 3001)])
    for image in content["images"]:
        del image["width"]
    *first, last = problems_of(tmp_path, content)
    assert first[0] == 'images[0] ("0"): width is missing'
    assert len(first) == 20
    assert last == "and 2,980 more"


def test_what_is_no_coco_file_is_told(tmp_path):
    [problem] = problems_of(tmp_path, {"shapes": [], "version": "5.0", "flags": {}})
    assert problem == (
        "images: expected a list that is not empty, got none; the file has "
        '["version", "flags"]'
    )
    [problem] = problems_of(tmp_path, {"images": {"a.png": {}}})
    assert problem == 'images: expected a list, got {"a.png": {}}'


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"category_id": [1]}, "category_id: expected a number or text, got [1]"),
        ({"category_id": None}, "category_id: expected a number or text, got null"),
        ({"segmentation": None}, "expected polygons or run lengths, got null"),
        ({"segmentation": []}, "expected polygons or run lengths, got []"),
        ({"segmentation": [[1e400] * 6]}, "at least 3 points"),
        ({"segmentation": [[10**299] * 6]}, "within 1,000,000 pixels, got [1000"),
        ({"segmentation": {"counts": {}, "size": [*SIZE]}}, "run lengths, got {}"),
        ({"iscrowd": []}, "iscrowd: expected 0 or 1, got []"),
    ],
)
def test_wrong_keys_of_an_annotation_are_named(tmp_path, change, problem):
    content = coco_json({"a.png": SIZE}, [annotation(1, **change)])
    text = json.dumps(content).replace("Infinity", "1e400")
    (tmp_path / "coco.json").write_text(text)
    coco = open_coco(tmp_path / "coco.json")
    with pytest.raises(AnnotationFileError) as caught:
        coco.objects(0, coco.read(0))
    [got] = caught.value.problems
    assert got.startswith(f"{coco.path}: annotation 1 of a.png: ")
    assert problem in got


def test_missing_segmentation_says_what_to_do(tmp_path):
    content = coco_json({"a.png": SIZE}, [annotation(1)])
    del content["annotations"][0]["segmentation"]
    coco = open_coco(write(tmp_path, content))
    with pytest.raises(
        AnnotationFileError, match=r"keypoints alone cannot be .*--lenient"
    ):
        coco.objects(0, coco.read(0))


def test_a_file_that_changes_is_told(tmp_path):
    coco = open_coco(write(tmp_path, coco_json({"a.png": SIZE}, [annotation(1)])))
    coco.path.write_bytes(b"\xff" * 1000)
    with pytest.raises(
        AnnotationFileError, match="no JSON any more; has the file changed"
    ):
        coco.objects(0, coco.read(0))


def test_a_lenient_reading_goes_past_what_is_not_needed(tmp_path):
    content = coco_json(
        {"a.png": SIZE, "unused.png": SIZE},
        [
            annotation(1, segmentation=[SQUARE, [1, 2], [1] * 7]),
            annotation(1, segmentation=[]),
            annotation(1, segmentation=[[1, 2]]),
            annotation(1, iscrowd=None),
            annotation(9),
            {"category_id": 10},
        ],
    )
    del content["images"][1]["height"]
    content["categories"].append({"id": 10, "name": 5, "supercategory": None})
    content["categories"].append({"id": 30})
    content["categories"][2]["id"] = 40
    assert len(problems_of(tmp_path, content)) == 5
    coco = open_coco(write(tmp_path, content), is_lenient=True)
    assert coco.left_out.lines() == [
        "1 annotation without an image_id: annotations[5]",
        '1 image with wrong keys, which no annotation is of: images[1] ("unused.png")',
        "2 categories with wrong keys, which no annotation is of: "
        "categories[2], categories[3]",
        "1 annotation of images that are not listed: image_id 9",
    ]
    first, second, third, fourth = coco.objects(0, coco.read(0))
    assert (first.stray_rings, first.crop.box) == (2, (1, 1, 3, 4))
    assert not second.has_segmentation
    assert not third.has_segmentation
    assert (fourth.is_crowd, fourth.has_crowd_flag) == (False, False)


def test_a_lenient_reading_refuses_what_is_needed(tmp_path):
    content = coco_json({"a.png": SIZE}, [annotation(1, 30)])
    del content["images"][0]["height"]
    content["categories"].append({"id": 30})
    assert problems_of(tmp_path, content, is_lenient=True) == [
        'images[0] ("a.png"): height is missing',
        "categories[2]: name is missing",
    ]


@pytest.mark.parametrize("content", [{}, {"images": []}, {"images": 3}])
def test_no_images(tmp_path, content):
    with pytest.raises(AnnotationFileError, match="images: expected"):
        open_coco(write(tmp_path, content))


def test_object_problems_are_listed(tmp_path):
    content = coco_json(
        {"a.png": SIZE},
        [
            annotation(1, 99),
            annotation(1, iscrowd=2),
            annotation(1, segmentation=[]),
            annotation(1),
            annotation(1, []),
        ],
    )
    coco = open_coco(write(tmp_path, content))
    with pytest.raises(AnnotationFileError) as caught:
        coco.objects(0, coco.read(0))
    first, second, third, fourth = caught.value.problems
    assert first.startswith(f"{coco.path}: annotation 1 of a.png: unknown category_id")
    assert "annotation 2 of a.png: iscrowd: expected 0 or 1, got 2" in second
    assert "annotation 5 of a.png" in fourth
    assert "annotation 3 of a.png: segmentation: expected polygons" in third


def same(project_crop, coco_crop):
    np.testing.assert_array_equal(project_crop.mask, coco_crop.mask)
    assert project_crop.box == coco_crop.box


def twins(project, coco):
    """Yields the objects of every image that both have, those of crowds left out."""
    numbers = {image.file_name: i for i, image in enumerate(coco.images)}
    for item in project.items:
        name = Path(item.image).name
        if name not in numbers:
            continue
        annotation = project.parse(item, project.read(item.annotation))
        drawn = [
            (figure.class_title, crop)
            for figure in annotation.figures
            for crop in figure.draw(annotation.size)
        ]
        number = numbers[name]
        objects = coco.objects(number, coco.read(number))
        yield drawn, [o for o in objects if not o.is_crowd]


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize(
    ("folder", "file", "count"),
    [
        ("nuclei", "instances.coco.json", 4948),
        ("coco_mini", "instances_train.coco.json", 731),
        ("coco_mini", "instances_val.coco.json", 619),
    ],
)
def test_equals_the_project(folder, file, count):
    project = open_project(DATA / folder / "project")
    coco = open_coco(DATA / folder / file)
    compared = 0
    for drawn, objects in twins(project, coco):
        assert [title for title, _ in drawn] == [o.category for o in objects]
        for (_, crop), found in zip(drawn, objects, strict=True):
            same(crop, found.crop)
            compared += 1
    assert compared == count
