"""Pictures on a map never cover one another, lie within the field, and stand for typical images."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.explanation.inset_placement import example_rows, place_insets

FIELD = (-1.3, -1.3, 1.3, 1.3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 24), st.floats(0.1, 0.9), st.floats(0.1, 0.9))
def test_pictures_are_apart_and_within_the_field(seed, count, width, height):
    points = np.random.default_rng(seed).normal(0, 0.4, (200, 2))
    insets = place_insets(points, points[:count], (width, height), FIELD)
    centre = insets.centre[insets.placed]
    assert len(insets.centre) == count
    if count:
        assert len(centre) >= 1
        assert (np.abs(centre) <= 1.3 - np.array([width, height]) / 2 + 1e-9).all()
    gap = np.abs(centre[:, None] - centre[None]) >= np.array([width, height])
    assert gap.any(axis=2)[~np.eye(len(centre), dtype=bool)].all()


def test_a_picture_lies_beside_its_point_and_not_on_the_crowd():
    rng = np.random.default_rng(0)
    crowd = rng.normal(0, 0.15, (500, 2))
    insets = place_insets(crowd, np.array([[0.5, 0.0]]), (0.3, 0.3), FIELD)
    covered = (np.abs(crowd - insets.centre[0]) <= 0.15).all(axis=1).mean()
    assert covered < 0.01
    assert np.hypot(*(insets.centre[0] - [0.5, 0.0])) < 0.5


def test_lines_do_not_cross_where_they_need_not():
    anchors = np.array([[-0.1, 0.0], [0.1, 0.0]])
    insets = place_insets(np.random.default_rng(0).uniform(-0.6, 0.6, (400, 2)), anchors, (0.4, 0.4), FIELD)
    (a, b), (c, d) = insets.centre
    turn = lambda p, q, r: np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))  # noqa: E731
    one, other = (a, b), (c, d)
    crosses = turn(one, anchors[0], other) != turn(one, anchors[0], anchors[1])
    crosses &= turn(other, anchors[1], one) != turn(other, anchors[1], anchors[0])
    assert not crosses


def test_no_room_is_told_and_not_squeezed():
    insets = place_insets(np.zeros((1, 2)), np.zeros((3, 2)), (5.0, 0.1), FIELD)
    assert not insets.placed.any()
    crowded = place_insets(np.zeros((1, 2)), np.zeros((9, 2)), (1.2, 1.2), FIELD)
    assert 1 <= crowded.placed.sum() <= 4


def test_examples_are_typical_and_far_apart():
    places = np.array([[0.0, 0], [1, 0], [10, 0], [5, 0], [0, 50], [0, 51]])
    names = ["a", "a", "a", "a", "b", None]
    agreement = np.array([0.9, 0.9, 0.9, 0.1, 0.2, np.nan])
    chosen = example_rows(places, names, agreement, 2, most=5)
    assert 3 not in chosen[:2]  # none of its neighbours agree
    assert set(chosen.tolist()) in ({0, 2, 4}, {1, 2, 4})
    assert example_rows(places, names, agreement, 2, most=1).tolist() == chosen[:2].tolist()


def test_examples_at_one_place_are_shown_once():
    assert len(example_rows(np.zeros((5, 2)), ["a"] * 5, np.ones(5), 3, most=9)) == 1
