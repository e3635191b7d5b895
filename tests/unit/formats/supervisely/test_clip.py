import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats import AnnotationFileError
from formats.supervisely import clip
from formats.supervisely.clip import Polygon, clip_line, clip_polygon

SIZE = (10, 20)  # x up to 19, y up to 9


def ring(points):
    """Points in an order that does not depend on where the ring starts, or its turn."""
    at = points.index(min(points))
    turned = points[at:] + points[:at]
    return min(turned, turned[:1] + turned[:0:-1])


def rings(polygons):
    return sorted(
        (ring(p.exterior), sorted(ring(hole) for hole in p.holes)) for p in polygons
    )


def test_corner_is_cut():
    # The hypotenuse passes (0, 4) and (12, 0).
    [part] = clip_polygon(Polygon([(-6, 6), (15, -1), (-6, -1)], []), SIZE)
    assert ring(part.exterior) == ring([(0, 4), (12, 0), (0, 0)])


def test_crossings_round_half_to_even():
    # The sides cross x = 0 at y = 0.5 and y = 1.5.
    [part] = clip_polygon(Polygon([(-1, 0), (1, 1), (-1, 2)], []), SIZE)
    assert ring(part.exterior) == ring([(0, 0), (1, 1), (0, 2)])


def test_falls_into_parts():
    # A "U" on its side, its back outside.
    shape = [(-5, 1), (5, 1), (5, 3), (-2, 3), (-2, 6), (5, 6), (5, 8), (-5, 8)]
    assert rings(clip_polygon(Polygon(shape, []), SIZE)) == [
        (ring([(0, 1), (5, 1), (5, 3), (0, 3)]), []),
        (ring([(0, 6), (5, 6), (5, 8), (0, 8)]), []),
    ]


@pytest.mark.parametrize("start", range(5))
@pytest.mark.parametrize("step", [1, -1])
def test_parts_that_touch_at_the_border_fall_apart(start, step):
    # Both reach down to (10, 9) on the border, between two crossings of it.
    shape = [(2, 2), (10, 9), (18, 2), (18, 15), (2, 15)]
    shape = (shape[start:] + shape[:start])[::step]
    assert rings(clip_polygon(Polygon(shape, []), SIZE)) == [
        (ring([(2, 2), (10, 9), (2, 9)]), []),
        (ring([(10, 9), (18, 2), (18, 9)]), []),
    ]


def test_cut_hole_opens():
    polygon = Polygon(
        [(-9, 0), (9, 0), (9, 9), (-9, 9)], [[(-3, 3), (3, 3), (3, 6), (-3, 6)]]
    )
    assert rings(clip_polygon(polygon, SIZE)) == [
        (
            ring([(0, 0), (9, 0), (9, 9), (0, 9), (0, 6), (3, 6), (3, 3), (0, 3)]),
            [],
        )
    ]


def test_whole_holes_stay_with_their_part():
    shape = [(-9, 0), (9, 0), (9, 4), (-2, 4), (-2, 5), (9, 5), (9, 9), (-9, 9)]
    upper, lower = [(4, 1), (6, 1), (6, 3)], [(4, 6), (6, 6), (6, 8)]
    polygon = Polygon(shape, [lower, upper, [(-8, 1), (-7, 1), (-7, 2)]])
    assert rings(clip_polygon(polygon, SIZE)) == [
        (ring([(0, 0), (9, 0), (9, 4), (0, 4)]), [ring(upper)]),
        (ring([(0, 5), (9, 5), (9, 9), (0, 9)]), [ring(lower)]),
    ]


def test_outside_nothing_is_left():
    assert clip_polygon(Polygon([(-5, 0), (-1, 5), (-5, 9)], []), SIZE) == []
    assert clip_polygon(Polygon([(20, 0), (30, 5), (20, 9)], []), SIZE) == []
    assert clip_polygon(Polygon([(-5, 0), (0, 5), (-5, 9)], []), SIZE) == []


def test_line_falls_into_parts():
    line = [(2, 2), (2, -4), (6, -4), (6, 4), (9, 4)]
    assert clip_line(line, SIZE) == [[(2, 2), (2, 0)], [(6, 0), (6, 4), (9, 4)]]
    assert clip_line([(-3, -3), (-3, 30)], SIZE) == []
    assert clip_line([(-2, 2), (2, -2)], SIZE) == []


points = st.tuples(st.integers(-15, 35), st.integers(-15, 25))


@settings(deadline=None)
@given(st.lists(points, min_size=1, max_size=9), st.lists(points, min_size=1))
def test_whatever_comes_is_inside(exterior, hole):
    for part in clip_polygon(Polygon(exterior, [hole]), SIZE):
        for x, y in [*part.exterior, *(p for h in part.holes for p in h)]:
            assert 0 <= x < SIZE[1]
            assert 0 <= y < SIZE[0]


def test_many_crossings_of_the_border():
    """Each tooth of the comb is a part of its own."""
    teeth = 3000
    comb = [
        point
        for i in range(teeth)
        for point in [(-5, 4 * i), (5, 4 * i + 1), (-5, 4 * i + 2)]
    ]
    assert len(clip_polygon(Polygon(comb, []), (4 * teeth, 20))) == teeth


def test_holes_of_several_parts_are_found_in_bounded_steps(monkeypatch):
    # Two bars that meet left of the image, the lower one with three holes.
    bars = [(-5, 0), (9, 0), (9, 3), (-2, 3), (-2, 5), (9, 5), (9, 9), (-5, 9)]
    holes = [[(x, 7), (x + 1, 7), (x, 8)] for x in (1, 4, 7)]
    upper, lower = clip_polygon(Polygon(bars, holes), SIZE)
    assert (upper.holes, lower.holes) == ([], holes)
    monkeypatch.setattr(clip, "_MOST_STEPS", 5)
    with pytest.raises(AnnotationFileError, match="points with 3 holes is too tangled"):
        clip_polygon(Polygon(bars, holes), SIZE)
