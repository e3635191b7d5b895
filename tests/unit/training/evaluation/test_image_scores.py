from __future__ import annotations

import pytest

from tests.unit.training.evaluation_cases import found, rectangle, sample, scorer
from training.evaluation.image_scores import Verdict, best_f1

OBJECT = rectangle(10, 20, 50, 120)
NEAR = rectangle(10, 20, 50, 82)  # IoU 0.62 with it
OTHER = rectangle(100, 100, 150, 150)
STRAY = rectangle(160, 200, 190, 290)


def verdicts(*rows):
    return [Verdict(i, *row, False) for i, row in enumerate(rows, 1)]


def test_threshold_of_the_best_f1():
    rows = verdicts((0.9, 1), (0.8, 0), (0.7, 2), (0.2, 0), (0.1, 0))
    assert best_f1(rows, 2) == (0.8, 0.7)  # 2 right of 3, 2 of 2 found
    assert best_f1(rows, 10) == (pytest.approx(4 / 13, abs=1e-6), 0.7)


def test_equal_scores_are_taken_together():
    assert best_f1(verdicts((0.5, 1), (0.5, 0)), 1) == (
        pytest.approx(2 / 3, abs=1e-6),
        0.5,
    )


def test_nothing_to_find_nothing_found():
    assert best_f1([], 0) == (None, None)
    assert best_f1([], 3) == (0.0, None)
    assert best_f1(verdicts((0.5, 0)), 3) == (0.0, None)
    assert best_f1([Verdict(1, 0.9, 0, True)], 1) == (0.0, None)


def test_images():
    collected = scorer()
    crowd = (1, rectangle(0, 0, 9, 300))
    collected.add(
        sample([(1, OBJECT), (2, OTHER)], [crowd]),
        found(
            (1, 0.9, NEAR),
            (1, 0.8, STRAY),
            (1, 0.7, rectangle(0, 0, 5, 5)),
            (2, 0.3, STRAY),
        ),
    )
    collected.add(sample(), found())
    collected.add(sample([(1, OTHER)]), found((1, 0.95, OTHER)))
    collected.add(sample(), found((2, 0.6, OTHER)))
    score = collected.finish()
    assert score.evaluation.f1 == pytest.approx(2 * 2 / (2 + 3), abs=1e-6)
    assert score.evaluation.f1_score_threshold == pytest.approx(0.9)
    first, empty, whole, made_up = score.images
    assert (first.found, first.wrong, first.missed) == ((1,), (), (2,))
    assert first.quality == pytest.approx(0.62 / 1.5)
    assert (empty.quality, whole.quality) == (None, 1)
    # Below the threshold of the best F1, so it is not there.
    assert (made_up.quality, made_up.wrong) == (None, ())


def test_wrong_and_ignored_detections():
    collected = scorer()
    crowd = (1, rectangle(0, 0, 9, 300))
    in_crowd = rectangle(0, 0, 5, 5)
    rows = found((1, 0.9, in_crowd), (1, 0.8, STRAY), (1, 0.7, OBJECT), (1, 0.6, NEAR))
    collected.add(sample([(1, OBJECT), (1, OTHER)], [crowd]), rows)
    (image,) = collected.finish().images
    assert (image.found, image.wrong, image.ignored) == ((3,), (2,), (1,))
    assert image.missed == (2,)
    assert image.quality == pytest.approx(1 / 2)


def test_things_under_a_wrong_class():
    collected = scorer()
    collected.add(
        sample([(1, OBJECT), (1, OTHER)]),
        found((2, 0.9, NEAR), (2, 0.95, OBJECT), (2, 0.5, OTHER)),
    )
    collected.add(sample([(1, STRAY)]), found((1, 0.4, STRAY)))
    first, _ = collected.finish().images
    assert first.missed == (1, 2)
    assert sorted(first.wrong) == [1, 2, 3]
    assert first.confused == ((2, 1), (3, 2))


def test_duplicates_and_what_is_too_far_off_are_not_confused():
    collected = scorer()
    too_small = rectangle(100, 100, 150, 124)  # IoU 0.48 with the other
    collected.add(
        sample([(1, OBJECT), (1, OTHER)]),
        found((1, 0.9, OBJECT), (2, 0.8, NEAR), (2, 0.7, too_small)),
    )
    collected.add(sample([(1, STRAY)]), found((1, 0.6, STRAY)))
    first, _ = collected.finish().images
    assert (sorted(first.wrong), first.missed) == ([2, 3], (2,))
    assert first.confused == ()
