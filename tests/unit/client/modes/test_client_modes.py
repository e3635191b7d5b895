"""The filter that all modes share, and each mode beside the oracle's cases."""

import json

import cv2
import numpy as np
import pytest

from client import AnnotationError, ModeError, Region
from client.image import LoadedImage
from client.modes.bboxes import Bboxes
from client.modes.full_image import FullImage
from client.modes.roi import Roi
from client.modes.sliding_window import SlidingWindow
from client.modes.suppress import Suppression
from client.modes.windows import Windows
from client.rect import Length, Rect, Sides
from client.selection import NameRule, Selection
from client.transport.answer import ServedDetections
from formats import ClassMeta, ProjectMeta, TagMeta
from formats.supervisely.placed_objects import PlacedObject, place_annotation
from tests.fake_server import model_info
from tests.mode_run import run_mode


def detections(scores, names):
    count = len(scores)
    return ServedDetections(
        boxes=np.zeros((count, 4), np.float32),
        mask_boxes=np.zeros((count, 4), np.int32),
        class_ids=np.arange(1, count + 1, dtype=np.int32),
        class_names=tuple(names),
        scores=np.array(scores, np.float32),
        mask_pngs=(b"",) * count,
        image_size=(10, 10),
    )


def test_threshold_keeps_equal_scores():
    selection = Selection(min_score=0.7)
    found = selection.instances(detections([0.8, 0.7, 0.69], ["a", "b", "c"]))
    assert [i.class_name for i in found] == ["a", "b"]


def test_names_are_filtered_before_the_suffix():
    rule = NameRule(frozenset({"b", "c_x"}), "_x")
    found = Selection(classes=rule).instances(detections([0.9] * 3, ["a", "b", "c"]))
    assert [(i.class_name, i.class_id) for i in found] == [("b_x", 2)]


def test_meta_has_the_background_too():
    selection = Selection()
    meta = selection.rename_meta(selection.model_meta(model_info().classes))
    assert [c.title for c in meta.classes] == ["bg", "cat", "dog"]
    assert {c.shape for c in meta.classes} == {"bitmap"}
    assert [(t.name, t.value_type) for t in meta.tags] == [("confidence", "any_number")]


def test_warnings():
    selection = Selection(
        classes=NameRule(frozenset({"cat", "x", "y"})),
        tags=NameRule(frozenset({"score"})),
        min_score=0.7,
    )
    assert selection.warnings(model_info()) == [
        'the model has no class "x", "y" to save; its classes are "bg", "cat", "dog"',
        'the model has no tag "score" to save; its one tag is "confidence"',
    ]
    close = Selection(classes=NameRule(frozenset({"Cat", "dogs"})))
    assert close.warnings(model_info()) == [
        'the model has no class "Cat" (did you mean "cat"?), "dogs" (did you mean '
        '"dog"?) to save; its classes are "bg", "cat", "dog"'
    ]
    assert selection.warnings(model_info(score_threshold=0.71))[-1].startswith(
        "min_confidence_threshold 0.7 has no effect: the model itself drops scores"
    )
    assert Selection().warnings(model_info()) == []


class Finder:
    """Finds each given (class, score, rectangle of the image) that a crop meets."""

    def __init__(self, *things, names=("thing",), masks=True):
        self.things = things
        self.names = names
        self.masks = masks
        self.crops = []

    def detect_crops(self, image, crops):
        self.crops += crops
        return [self._find(crop) for crop in crops]

    def _find(self, crop):
        seen = []
        for name, score, box in self.things:
            inside = Rect(*box).intersect(crop)
            if not inside.is_empty:
                top, left, bottom, right = inside
                shift = (crop.top, crop.left)
                frame = (top - shift[0], left - shift[1])
                seen.append(
                    (name, score, (*frame, bottom - shift[0], right - shift[1]))
                )
        boxes = np.array([box for _, _, box in seen], np.int32).reshape(-1, 4)
        return ServedDetections(
            boxes=boxes.astype(np.float32),
            mask_boxes=boxes,
            class_ids=np.ones(len(seen), np.int32),
            class_names=tuple(name for name, _, _ in seen),
            scores=np.array([score for _, score, _ in seen], np.float32),
            mask_pngs=tuple(full_png(box) if self.masks else None for box in boxes),
            image_size=crop.size,
        )


def full_png(box):
    mask = np.full((box[2] - box[0], box[3] - box[1]), 255, np.uint8)
    return cv2.imencode(".png", mask)[1].tobytes()


def blank(height=60, width=80):
    return LoadedImage(
        "p", (height, width), pixels=np.zeros((height, width, 3), np.uint8)
    )


def boxes(outcome):
    return [e.mask_box for e in outcome.entries if not isinstance(e, (Region, dict))]


def windows(size, overlap, **nms):
    suppression = Suppression(**nms) if nms else None
    return SlidingWindow(Selection(), Windows(size, overlap), suppression)


ZERO = Length(0)


def test_negative_bounds():
    roi = Roi(bounds=Sides(left=Length(-1, is_percent=True)))
    assert Finder().crops == []
    with pytest.raises(ModeError, match="expected bounds of 0 or more at the top and"):
        run_mode(roi, blank(60, 100), Finder())
    finder = Finder()
    run_mode(roi, blank(60, 99), finder)
    assert finder.crops == [Rect(0, 0, 60, 99)]
    run_mode(Roi(bounds=Sides(right=Length(-9))), blank(60, 80), finder)
    assert finder.crops[-1] == Rect(0, 0, 60, 80)


def test_roi_beyond_the_image():
    bounds = Sides(top=Length(70), bottom=Length(-50))
    with pytest.raises(ModeError, match="leave nothing of a picture of 80 x 60"):
        run_mode(Roi(bounds=bounds), blank(), Finder())


META = ProjectMeta.from_json(
    {
        "classes": [
            {"title": "cat", "shape": "rectangle", "color": "#010203", "hotkey": "c"},
            {"title": "pose", "shape": "graph", "color": "#010203"},
        ],
        "tags": [],
        "projectSettings": {"multiView": {}},
    }
)


def given(*objects, size=(60, 80)):
    height, width = size
    content = {
        "size": {"height": height, "width": width},
        "tags": [],
        "objects": objects,
    }
    content["objects"] = list(objects)
    return place_annotation(content, META).objects


def cat(*points, **extra):
    points = {"exterior": [list(p) for p in points], "interior": []}
    return {"classTitle": "cat", "tags": [], "points": points} | extra


def test_boxes_off_the_image_are_kept_without_a_look():
    finder = Finder()
    padding = Sides(left=Length(-200), right=Length(300))
    outcome = run_mode(
        Bboxes(padding=padding), blank(), finder, given(cat((1, 2), (5, 6)))
    )
    assert finder.crops == []
    assert outcome.entries == (cat((1, 2), (5, 6)),)


def test_shapes_without_a_box():
    pose = {"classTitle": "pose", "tags": [], "nodes": {}}
    everything = given(pose, cat((1, 2), (5, 6)))
    with pytest.raises(ModeError, match='class "pose" have a shape without a box'):
        run_mode(Bboxes(), blank(), Finder(), everything)
    finder = Finder()
    only = Bboxes(sources=NameRule(frozenset({"cat"})))
    assert run_mode(only, blank(), finder, everything).entries[0] == pose
    assert finder.crops == [Rect(2, 1, 7, 6)]
    assert run_mode(FullImage(), blank(), finder, everything).entries[0] is pose


HOSTILE = "a\x1b[2J\n" + "x" * 90
SHOWN = '"a\\u001b[2J\\n' + "x" * 44 + "..."


def test_names_in_messages_are_escaped_and_bounded():
    titles = [HOSTILE, *(f"c{number}" for number in range(24))]
    project = ProjectMeta(tuple(ClassMeta(t, "rectangle", "#000000") for t in titles))
    asked = [f"z{letter}" for letter in "abcdefghijklmnopqrstuv"]
    mode = Bboxes(sources=NameRule(frozenset({*asked, HOSTILE[:-1]})))
    (told,) = mode.warnings(project)
    assert told.startswith(
        f'from_classes: the project has no class {SHOWN} (did you mean {SHOWN}?), "za"'
    )
    assert '"zs", and 3 more; its classes are "a' in told
    assert told.endswith('"c18", and 5 more')
    pose = {"classTitle": HOSTILE, "tags": [], "nodes": {}}
    with pytest.raises(ModeError) as caught:
        Bboxes().plan((60, 80), [PlacedObject(HOSTILE, pose, None)])
    assert f"bboxes: objects of the class {SHOWN} have a shape" in str(caught.value)
    saving = Bboxes(sources=NameRule(None, ""), saves=True)
    with pytest.raises(AnnotationError) as caught:
        saving.output_meta(project, ProjectMeta())
    assert caught.value.problems[0].startswith(
        f"class {SHOWN} would be there twice: a class of the project and the class of "
        f"saved boxes of {SHOWN}; give the new one"
    )


def test_objects_keep_what_the_client_does_not_know():
    entry = cat((1, 2), (5, 6), id=7, createdAt="x")
    (placed,) = given(entry)
    assert placed.content is entry
    merged = FullImage().output_meta(META, ProjectMeta()).to_json()
    assert merged["projectSettings"] == {"multiView": {}}
    assert merged["classes"][0]["hotkey"] == "c"


def test_clashes_name_both():
    model = ProjectMeta(
        (ClassMeta("c", "bitmap", "#000000"),),
        (TagMeta("score", "any_number", "#000000"),),
    )
    selection = Selection(classes=NameRule(None, "at"), tags=NameRule(None, ""))
    mode = Roi(selection, class_name="pose")
    tagged = ProjectMeta(META.classes, model.tags)
    with pytest.raises(AnnotationError) as caught:
        mode.output_meta(tagged, model)
    first, second, third = caught.value.problems
    assert first.startswith(
        'class "cat" would be there twice: a class of the project and the model\'s '
        'class "c" with the suffix "at"; give'
    )
    assert "a class of the project and the class of the saved region" in second
    assert 'tag of the project and the model\'s tag "score"; give' in third


def test_very_many_clashes_end():
    titles = [ClassMeta(f"c{number}", "bitmap", "#000000") for number in range(3000)]
    meta = ProjectMeta(tuple(titles))
    with pytest.raises(AnnotationError) as caught:
        FullImage().output_meta(meta, meta)
    assert len(caught.value.problems) == 21
    assert "--suffix on the command line" in caught.value.problems[0]
    assert caught.value.problems[20] == "and 2,980 more names would be there twice"


def test_window_larger_than_the_image():
    message = "at least 81 x 10 pixels, the size of a window, got 80 x 60"
    with pytest.raises(ModeError, match=message):
        run_mode(windows((10, 81), (0, 0)), blank(), Finder())


def test_masks_of_all_windows_are_kept():
    finder = Finder(("thing", 0.9, (10, 10, 20, 70)))
    outcome = run_mode(windows((60, 40), (0, 0)), blank(), finder)
    assert boxes(outcome) == [(10, 10, 20, 40), (10, 40, 20, 70)]
    assert all(instance.mask_crop.all() for instance in outcome.entries)


@pytest.mark.parametrize("overlap", [0, 4, 20])
@pytest.mark.parametrize("masks", [True, False])
def test_cut_objects_are_joined(overlap, masks):
    things = [
        ("thing", 0.9, (5, 2, 20, 78)),
        ("thing", 0.8, (30, 3, 40, 11)),
        ("other", 0.7, (5, 2, 20, 78)),
        ("thing", 0.6, (45, 20, 58, 70)),
    ]
    finder = Finder(*things, masks=masks)
    mode = windows((60, 40), (0, overlap), iou_threshold=0.3, joins=True)
    found = run_mode(mode, blank(), finder).entries
    assert sorted((e.class_name, e.confidence, e.mask_box) for e in found) == sorted(
        things
    )
    assert all(e.mask_crop.all() for e in found)
    assert {e.image_size for e in found} == {(60, 80)}
    assert sorted(e.box for e in found) == sorted(box for _, _, box in things)
    assert {e.mask_png is None for e in found} == {not masks}


def test_a_joined_mask_is_that_of_its_parts():
    mode = windows((60, 40), (0, 4), joins=True)
    thing = Finder(("thing", 0.9, (5, 2, 20, 78)))
    [found] = run_mode(mode, blank(), thing).entries
    [again] = run_mode(mode, blank(), thing).entries
    assert [part.mask_box[1::2] for part in found.parts] == [
        (2, 40),
        (36, 76),
        (40, 78),
    ]
    assert found.mask_png == b""
    assert found.crop.box == found.mask_box == (5, 2, 20, 78)
    assert (found, hash(found)) == (again, hash(again))
    moved = found.moved((100, 200), (400, 500))
    assert moved.crop.box == moved.mask_box == (105, 202, 120, 278)
    assert moved.mask[105:120, 202:278].all()
    assert moved.mask.sum() == found.mask.sum() == 15 * 76
    assert moved.to_object(None)["bitmap"]["origin"] == [202, 105]


def test_joined_boxes_are_whole_boxes():
    """Without masks a box is all that is known, whatever of it the windows saw."""
    finder = Finder(("thing", 0.9, (5, 2, 20, 78)), masks=False)
    mode = windows((60, 40), (0, 4), joins=True)
    [found] = run_mode(mode, blank(), finder).entries
    assert (found.parts, found.mask_png) == ((), None)
    assert found.crop.mask.all()
    assert found.to_object(None)["points"]["exterior"] == [[2, 5], [77, 19]]


def test_an_object_over_four_windows_is_one():
    finder = Finder(("thing", 0.9, (10, 10, 50, 70)))
    for overlap in ((0, 0), (10, 10)):
        mode = windows((32, 45), overlap, joins=True)
        assert boxes(run_mode(mode, blank(), finder)) == [(10, 10, 50, 70)]


def test_neighbours_are_not_joined():
    """Cut at one border both, but where the windows meet they are elsewhere."""
    finder = Finder(
        ("thing", 0.9, (5, 20, 15, 40)),
        ("thing", 0.8, (25, 40, 35, 60)),
        ("thing", 0.7, (14, 40, 24, 60)),
    )
    mode = windows((60, 40), (0, 0), iou_threshold=0.3, joins=True)
    assert len(boxes(run_mode(mode, blank(), finder))) == 3


def test_whole_objects_are_left_to_the_suppression():
    finder = Finder(("thing", 0.9, (20, 36, 28, 44)))
    mode = windows((60, 60), (0, 40), iou_threshold=1.0, joins=True)
    assert len(boxes(run_mode(mode, blank(), finder))) == 2
    mode = windows((60, 60), (0, 40), iou_threshold=0.9, joins=True)
    assert len(boxes(run_mode(mode, blank(), finder))) == 1


def test_overlap_of_masks():
    """Boxes that overlap by a third, masks by nothing."""
    left, right = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    left[:, :5], right[:, 5:] = 255, 255
    pngs = [cv2.imencode(".png", mask)[1].tobytes() for mask in (left, right)]
    found = ServedDetections(
        boxes=np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32),
        mask_boxes=np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.int32),
        class_ids=np.array([1, 1], np.int32),
        class_names=("a", "a"),
        scores=np.array([0.9, 0.8], np.float32),
        mask_pngs=tuple(pngs),
        image_size=(10, 10),
    )
    instances = Selection().instances(found)
    assert len(Suppression(0.5).apply(instances)) == 1
    assert len(Suppression(0.5, uses_masks=True).apply(instances)) == 2
    assert Suppression().apply([]) == []


def test_chains_leave_the_best():
    finder = Finder(
        ("thing", 0.9, (0, 0, 10, 20)),
        ("thing", 0.8, (0, 8, 10, 28)),
        ("thing", 0.7, (0, 16, 10, 36)),
    )
    outcome = run_mode(windows((60, 80), (0, 0), iou_threshold=0.3), blank(), finder)
    assert boxes(outcome) == [(0, 0, 10, 20)]


def test_objects_that_stick_out_are_cut():
    placed = given(cat((-5, 50), (10, 70)), cat((100, 0), (120, 5)))
    assert json.loads(json.dumps(placed[0].content))["points"]["exterior"] == [
        [0, 50],
        [10, 59],
    ]
    assert [p.box for p in placed] == [(50, 0, 60, 11)]
