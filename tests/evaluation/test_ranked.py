"""Figures from cumulated weights agree with those computed one weighting at a time."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.errors import PredictionsError
from cutis.evaluation import arrays, binary_auc, ranked
from cutis.evaluation.curves import BandReach
from cutis.evaluation.groups import NamedGroups
from cutis.evaluation.ranked import RankedScores, area, area_above, precision_area


@st.composite
def weighted_samples(draw):
    """Positives, scores with ties, whole weights and a block size that cuts them anywhere."""
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    images = draw(st.integers(2, 60))
    positive = generator.permutation(np.arange(images) < draw(st.integers(0, images)))
    scores = generator.integers(draw(st.sampled_from([1, 3, 20, 10**6])), size=images) / 7
    weights = generator.integers(0, 4, size=(images, 3)).astype(np.uint8)
    return positive, scores, weights, draw(st.sampled_from([3, 12, 40])), generator


def in_blocks_of(cells, monkeypatch):
    for room in (ranked, arrays):
        monkeypatch.setattr(room, "CELLS_AT_ONCE", cells)


@settings(max_examples=150)
@given(weighted_samples())
def test_blocks_of_any_size_add_up_to_the_whole(sample):
    positive, scores, weights, cells, _ = sample
    images = RankedScores(positive, scores)
    whole = list(images.blocks(weights.astype(float)))
    assert len(whole) == 1
    both = positive.any() and not positive.all()
    stray = BandReach(positive, scores, images).farthest(weights.astype(float)) if both else None
    with pytest.MonkeyPatch.context() as patched:
        in_blocks_of(cells, patched)
        parts = list(images.blocks(weights))
        for figure in (area, precision_area, lambda at: area_above(at, 0.8)):
            added = np.sum([figure(at) for at in parts], axis=0)
            np.testing.assert_allclose(added, figure(whole[0]), atol=1e-12)
        for name in ("weight", "hits_above", "hits", "alarms_above", "alarms"):
            joined = np.concatenate([getattr(at, name) for at in parts])
            np.testing.assert_array_equal(joined, getattr(whole[0], name))
        if both:
            np.testing.assert_allclose(BandReach(positive, scores, images).farthest(weights), stray, atol=1e-12)


@settings(max_examples=150)
@given(weighted_samples())
def test_a_groups_area_is_that_of_its_images_alone(sample):
    positive, scores, weights, cells, generator = sample
    groupings = [
        NamedGroups([f"g{k}" for k in range(count)], generator.integers(count, size=len(scores)).astype(np.uint8))
        for count in (1, 2, 5)
    ]
    with pytest.MonkeyPatch.context() as patched:
        in_blocks_of(cells, patched)
        found = RankedScores(positive, scores).areas_by_group(weights, groupings)
    for areas, (names, number) in zip(found, groupings, strict=True):
        assert areas.shape == (3, len(names))
        for k in range(len(names)):
            rows = number == k
            alone = binary_auc(positive[rows], scores[rows], weights[rows].astype(float))
            np.testing.assert_allclose(areas[:, k], alone, atol=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(1, 30))
def test_areas_agree_with_scikit_learn_whatever_is_tied(seed, images, levels):
    generator = np.random.default_rng(seed)
    positive = generator.permutation(np.arange(images) < generator.integers(1, images))
    scores = generator.integers(levels, size=images) / levels
    weights = generator.integers(0, 4, size=(images, 6)).astype(float)
    blocks = list(RankedScores(positive, scores).blocks(weights))
    areas, precisions = (np.sum([figure(at) for at in blocks], axis=0) for figure in (area, precision_area))
    np.testing.assert_allclose(areas, binary_auc(positive, scores, weights), atol=1e-12)
    np.testing.assert_allclose(np.sum([area_above(at, 0.0) for at in blocks], axis=0), areas, atol=1e-9)
    for r in range(6):
        each = weights[:, r]
        if not each[positive].any() or not each[~positive].any():
            assert np.isnan(areas[r])
            continue
        assert areas[r] == pytest.approx(sklearn.metrics.roc_auc_score(positive, scores, sample_weight=each))
        expected = sklearn.metrics.average_precision_score(positive, scores, sample_weight=each)
        assert precisions[r] == pytest.approx(expected)


def test_a_curve_does_not_stray_from_itself():
    generator = np.random.default_rng(0)
    positive, scores = generator.random(200) < 0.3, generator.integers(20, size=200) / 20
    reach = BandReach(positive, scores)
    still = reach.farthest(np.column_stack([np.ones(200), np.full(200, 3.0), positive.astype(float)]))
    np.testing.assert_allclose(still[:2], 0, atol=1e-12)
    assert np.isnan(still[2])  # no negatives are left


def test_nothing_can_be_ranked():
    with pytest.raises(PredictionsError, match="no image"):
        RankedScores(np.zeros(0, dtype=bool), np.zeros(0))
