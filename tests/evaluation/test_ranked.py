"""Figures from cumulated weights agree with those computed one weighting at a time."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.errors import PredictionsError
from cutis.evaluation import binary_auc
from cutis.evaluation.curves import BandReach
from cutis.evaluation.ranked import RankedScores, area, area_above, precision_area


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.integers(1, 30))
def test_areas_agree_with_scikit_learn_whatever_is_tied(seed, images, levels):
    generator = np.random.default_rng(seed)
    positive = generator.permutation(np.arange(images) < generator.integers(1, images))
    scores = generator.integers(levels, size=images) / levels
    weights = generator.integers(0, 4, size=(images, 6)).astype(float)
    at = RankedScores(positive, scores).cumulated(weights)
    areas, precisions = area(at), precision_area(at)
    np.testing.assert_allclose(areas, binary_auc(positive, scores, weights), atol=1e-12)
    np.testing.assert_allclose(area_above(at, 0.0), areas, atol=1e-9)
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
