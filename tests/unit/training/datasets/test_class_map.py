import json
from pathlib import Path

import pytest

from formats.supervisely.meta import ClassMeta
from training.datasets.classes import make_class_map
from training.errors import TrainingError

SHARED = Path(__file__).resolve().parents[4] / ".." / "shared"
ORACLE = SHARED / "oracle" / "class_indexing.json"
STRICTER = {"ci_08_continue_permuted"}
"""The oracle takes the order of the earlier training, we refuse it."""

PEAR = ClassMeta("pear", "polygon", "#010203")
APPLE = ClassMeta("apple", "bitmap", "#040506")
ZEBRA = ClassMeta("Zebra", "rectangle", "#070809")
FRUIT = (PEAR, APPLE, ZEBRA)
EARLIER = {"class_title_to_idx": {"bg": 0, "Zebra": 1, "apple": 2, "pear": 3}}


def load_cases():
    if not ORACLE.is_file():
        return [pytest.param(None, marks=pytest.mark.skip("needs ../shared"))]
    cases = json.loads(ORACLE.read_text("utf-8"))
    return [pytest.param(case, id=case["id"]) for case in cases]


@pytest.mark.shared
@pytest.mark.parametrize("case", load_cases())
def test_equals_the_oracle(case):
    def make():
        return make_class_map(
            [ClassMeta(c["title"], c["shape"], c["color"]) for c in case["in_classes"]],
            background=case["special_classes"].get("background"),
            neutral=case["special_classes"].get("neutral"),
            weights_init_type=case["weights_init_type"],
            earlier=case["previous_model_config"],
        )

    if "expected_error" in case or case["id"] in STRICTER:
        with pytest.raises(TrainingError):
            make()
        return
    made = make().to_json()
    assert made["class_title_to_idx"] == case["expected"]["class_title_to_idx"]
    assert made["classes"] == case["expected"]["out_classes"]


def test_capitals_come_first():
    classes = make_class_map(FRUIT)
    assert classes.ids == {"bg": 0, "Zebra": 1, "apple": 2, "pear": 3}
    assert classes.titles == ("bg", "Zebra", "apple", "pear")
    assert classes.foreground == ("Zebra", "apple", "pear")
    assert classes.num_classes == 4
    assert [c.title for c in classes.classes] == ["pear", "apple", "Zebra", "bg"]
    assert {c.shape for c in classes.classes} == {"bitmap"}
    assert classes.classes[-1].color == "#222222"


def test_neutral_has_no_id():
    classes = make_class_map(FRUIT, neutral="apple")
    assert classes.ids == {"bg": 0, "Zebra": 1, "pear": 2}
    assert classes.neutral == "apple"


def test_continues_with_gaps():
    earlier = {"class_title_to_idx": {"pear": 9, "bg": 0, "Zebra": 3, "apple": 6}}
    classes = make_class_map(
        FRUIT, weights_init_type="continue_training", earlier=earlier
    )
    assert classes.ids["pear"] == 9
    assert classes.num_classes == 10
    assert classes.titles == ("bg", "Zebra", "apple", "pear")


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (
            {"bg": 0, "pear": 1, "apple": 2, "Zebra": 3},
            r"earlier: bg, pear, apple, Zebra\n  dataset: bg, Zebra, apple, pear\n"
            "the order differs",
        ),
        ({"bg": 0, "Zebra": 1, "apple": 2}, "new: pear; mend the classes"),
        ({**EARLIER["class_title_to_idx"], "x": 4}, "missing: x; mend the classes"),
        ({"bg": 0, "Zebra": 1, "apple": 1, "pear": 3}, "to different ids"),
        ({"bg": 1, "Zebra": 2, "apple": 3, "pear": 4}, '"bg" had id 1'),
        ([], "does not map its classes"),
        ({"bg": 0, "Zebra": True, "apple": 2, "pear": 3}, "does not map its classes"),
    ],
)
def test_refuses_other_classes(before, text):
    with pytest.raises(TrainingError, match=text):
        make_class_map(
            FRUIT,
            weights_init_type="continue_training",
            earlier={"class_title_to_idx": before},
        )


def test_refuses_to_continue_nothing():
    with pytest.raises(TrainingError, match=r"no config\.json of the earlier"):
        make_class_map(FRUIT, weights_init_type="continue_training")


def test_refuses_one_name_for_two():
    with pytest.raises(TrainingError, match='are both "x"'):
        make_class_map(FRUIT, background="x", neutral="x")
