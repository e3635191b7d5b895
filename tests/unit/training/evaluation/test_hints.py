"""Hints before a training that finds nothing, and after one that found nothing."""

from __future__ import annotations

import pytest

from formats.supervisely.meta import BITMAP, ClassMeta
from tests.unit.training.evaluation_cases import evaluate, found, rectangle, sample
from training.config.train_config import read_config
from training.datasets.classes import missing_neutral
from training.evaluation.hints import nothing_found, start_hints

THING = rectangle(10, 20, 50, 120)
LONG, SHORT = 1000, 10
SGD = read_config({})
ADAMW = read_config({"optimizer": {"name": "adamw"}})


@pytest.mark.parametrize(
    ("config", "steps", "images", "told"),
    [
        (SGD, LONG, 20, "with SGD and 20 images a network"),
        (SGD, SHORT, 20, "with SGD and 20 images and in 10 steps a network"),
        (ADAMW, SHORT, 20, "in 10 steps a network"),
        (SGD, SHORT, 5000, "in 10 steps a network"),
    ],
)
def test_trainings_that_seldom_find_anything(config, steps, images, told):
    (text,) = start_hints(config, steps, images, has_weights=False)
    assert text.startswith(f"from random weights {told}")
    assert "--weights mask_rcnn_coco.h5" in text
    assert "examples/configs/few_photos.json" in text
    assert not start_hints(config, steps, images, has_weights=True)


def test_trainings_that_need_no_hint():
    assert not start_hints(ADAMW, LONG, 20, has_weights=False)
    assert not start_hints(SGD, LONG, 5000, has_weights=False)


def test_evaluations_that_found_nothing():
    nothing = evaluate((sample([(1, THING)]), found()))
    config = {
        "settings": SGD.settings(),
        "training": {"first_weights": None, "step": 10, "epoch": 2.0},
    }
    (text,) = nothing_found(nothing, config)
    assert text == (
        "nothing of 1 object was found (no detection with a score of 0.05): "
        "train from trained weights (--weights mask_rcnn_coco.h5) in place of random "
        'ones; or train with "optimizer": {"name": "adamw"} and "backbone": "small", '
        "as in examples/configs/few_photos.json; or train longer than 10 steps (epochs)"
    )
    wrong = evaluate((sample([(1, THING)]), found((1, 0.5, rectangle(0, 0, 9, 9)))))
    (text,) = nothing_found(wrong, {})
    assert "(1 detection, none right at IoU 0.5): check that the config" in text
    config = {
        "settings": ADAMW.settings(),
        "training": {"first_weights": "a.h5", "step": 9000},
    }
    (text,) = nothing_found(wrong, config)
    assert text.endswith(": train longer (epochs), or on more images")


def test_evaluations_that_need_no_hint():
    assert not nothing_found(evaluate((sample(), found())), {})
    right = evaluate((sample([(1, THING)]), found((1, 0.9, THING))))
    assert not nothing_found(right, {})


def test_neutral_class_that_a_set_lacks():
    classes = [ClassMeta(title, BITMAP, "#010203") for title in ("cat", "fog")]
    assert missing_neutral(None, classes, "p") == []
    assert missing_neutral("fog", classes, "p") == []
    assert missing_neutral("fogg", classes, "p") == [
        'p: has no class "fogg", which is named as the neutral one, so no pixel is '
        'neutral; did you mean "fog"?'
    ]
    assert missing_neutral("neutral", classes, "p")[0].endswith("no pixel is neutral")
