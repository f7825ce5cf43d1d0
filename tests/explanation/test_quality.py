import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from cutis.errors import ImageError
from cutis.explanation.quality import (
    about_the_centre,
    agreement,
    centre_map,
    mask_share,
    pointing_game,
    random_map,
    rank_correlation,
    structural_similarity,
)

SEEDS = st.integers(0, 10_000)


def drawn(seed, count=3, height=10, width=14):
    random = np.random.default_rng(seed)
    maps = random.standard_normal((count, height, width)).astype(np.float32)
    return maps, random.random(maps.shape) < 0.3


def test_the_share_is_of_the_positive_attribution_alone():
    maps = np.array([[[3.0, 1.0], [-8.0, 0.0]]], dtype=np.float32)
    masks = np.array([[[True, False], [True, False]]])
    assert mask_share(maps, masks) == pytest.approx([0.75])


def test_a_flat_map_has_the_masks_share_of_the_image_and_an_empty_one_has_none():
    masks = np.zeros((2, 4, 5), dtype=bool)
    masks[:, 1:3, 1:4] = True
    maps = np.stack([np.ones((4, 5)), -np.ones((4, 5))]).astype(np.float32)
    assert mask_share(maps, masks)[0] == pytest.approx(masks[0].mean())
    assert np.isnan(mask_share(maps, masks)[1])
    assert not pointing_game(maps, masks)[1]


@settings(max_examples=30)
@given(SEEDS, st.floats(0.01, 100))
def test_inside_and_outside_make_the_whole_whatever_the_scale(seed, scale):
    maps, masks = drawn(seed)
    inside = mask_share(maps, masks)
    assert inside + mask_share(maps, ~masks) == pytest.approx(np.ones(3))
    assert mask_share(maps * np.float32(scale), masks) == pytest.approx(inside, abs=1e-5)


def test_the_pointing_game_asks_for_the_maximum_and_for_most_of_a_shared_one():
    masks = np.zeros((3, 2, 4), dtype=bool)
    masks[:, :, :2] = True
    one = np.array([[0, 1, 0, 0], [0, 0, 0.9, 0.9]])  # a single maximum inside
    most = np.array([[1, 1, 1, 0], [0, 0, 0, 0]])  # two of three
    half = np.array([[1, 1, 1, 1], [0, 0, 0, 0]])
    assert pointing_game(np.stack([one, most, half]).astype(np.float32), masks).tolist() == [True, True, False]


def test_shapes_that_differ_are_refused():
    for check in (mask_share, pointing_game, rank_correlation):
        with pytest.raises(ImageError, match="shape"):
            check(np.ones((2, 3, 4), np.float32), np.ones((2, 4, 3), bool))


def test_the_centre_has_its_maximum_in_the_middle_and_is_symmetric():
    centre = centre_map(31, 41)
    assert np.unravel_index(centre.argmax(), centre.shape) == (15, 20)
    assert centre[:, ::-1] == pytest.approx(centre)
    assert centre[::-1] == pytest.approx(centre)
    # One standard deviation is a quarter of a side.
    assert centre_map(400, 400)[200, 300] == pytest.approx(np.exp(-0.5), abs=0.01)


def test_random_maps_follow_their_seed_and_prefer_no_place():
    assert np.array_equal(random_map(24, 32, 5), random_map(24, 32, 5))
    maps = np.stack([random_map(24, 32, seed) for seed in range(200)])
    assert maps.min() == 0
    assert maps.max() == 1
    masks = np.zeros(maps.shape, dtype=bool)
    masks[:, 8:16, 10:22] = True
    assert mask_share(maps, masks).mean() == pytest.approx(masks[0].mean(), abs=0.02)
    assert pointing_game(maps, masks).mean() == pytest.approx(masks[0].mean(), abs=0.08)


@settings(max_examples=20)
@given(SEEDS)
def test_about_the_centre_keeps_the_values_and_lets_them_fall_outwards(seed):
    maps, _ = drawn(seed, height=9, width=9)
    arranged = about_the_centre(maps)
    assert np.array_equal(np.sort(arranged.reshape(3, -1)), np.sort(maps.reshape(3, -1)))
    assert (arranged[:, 4, 4] == maps.max(axis=(1, 2))).all()
    assert (np.diff(arranged[:, 4, 4:], axis=1) <= 0).all()
    # What is arranged so already stays as it is.
    assert np.array_equal(about_the_centre(arranged), arranged)


def test_rank_correlation_is_spearmans_ties_included():
    maps, _ = drawn(1, count=4)
    others = np.round(maps + drawn(2, count=4)[0]).astype(np.float32)
    expected = [spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(maps, others, strict=True)]
    assert rank_correlation(maps, others) == pytest.approx(expected)
    assert rank_correlation(maps, np.exp(maps)) == pytest.approx(np.ones(4))
    assert rank_correlation(maps, -maps) == pytest.approx(-np.ones(4))


def test_a_constant_map_agrees_with_none():
    maps, _ = drawn(3, count=1)
    assert rank_correlation(maps, np.ones_like(maps)).tolist() == [0.0]


def test_structural_similarity_ignores_the_scale_of_a_map_and_falls_with_noise():
    smooth = np.stack([random_map(30, 40, seed) for seed in range(3)])
    assert structural_similarity(smooth, 7 * smooth) == pytest.approx(np.ones(3))
    noisy = smooth + 0.2 * np.random.default_rng(0).standard_normal(smooth.shape).astype(np.float32)
    assert (structural_similarity(smooth, noisy) < 0.6).all()
    assert (structural_similarity(smooth, smooth[[1, 2, 0]]) < 0.9).all()


def test_agreement_is_of_every_pair():
    maps, _ = drawn(4)
    found = agreement({"a": maps, "b": -maps, "c": maps})
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found["a", "b"] == pytest.approx(-np.ones(3))
    assert found["a", "c"] == pytest.approx(np.ones(3))
