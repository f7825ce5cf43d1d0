"""DeLong against published values (pROC on its aSAH data), the definition written out, and scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.errors import PredictionsError
from cutis.evaluation.delong import (
    delong_auc,
    delong_covariance,
    delong_interval,
    delong_paired_test,
    delong_unpaired_test,
)

# Subarachnoid haemorrhage, 113 patients, 41 with a poor outcome first (Turck 2010; data set aSAH of R package pROC).
# Each marker's ranks, equal where no patient of the other outcome lies between: DeLong needs no more than these.
POOR = np.arange(113) < 41
RANKS = """
2 1 3 4 4 4 4 1 4 1 0 1 4 3 3 1 4 4 4 1 4 1 4 1 3 4 3 3 0 3 3 1 1 4 4 1 1 4 4 4 4 0 0 0 0 4 0 1 1 0 1 1 0 0 0 1 0 1
0 0 2 3 0 3 0 4 4 0 0 1 3 0 0 1 1 0 1 0 1 1 0 0 0 0 1 0 1 0 0 2 1 3 1 0 3 0 0 4 3 1 1 0 0 0 2 0 1 1 3 3 0 0 0

8 5 11 7 25 30 28 2 19 4 2 23 21 27 30 15 30 30 30 2 30 17 0 4 13 30 15 30 3 15 8 5 6 13 30 9 30 18 30 30 25 8 9 5 1
26 12 5 5 1 3 1 4 6 2 12 2 6 8 12 1 11 9 20 4 29 26 11 2 24 26 6 3 4 3 1 8 5 9 10 1 1 4 1 4 3 11 4 3 19 6 16 2 5 18
2 1 14 22 5 10 3 9 5 2 1 12 10 26 12 10 29 27

37 24 28 35 3 9 18 43 47 43 43 14 32 39 5 7 30 1 51 39 16 18 22 30 41 26 39 7 49 34 3 12 39 3 11 43 20 32 45 18 35 0
8 6 17 4 34 4 38 29 38 36 46 10 4 23 4 4 50 25 13 13 38 2 6 4 12 27 6 33 44 6 4 23 10 6 27 42 40 15 21 48 4 36 13 17
17 33 2 36 23 10 17 38 17 21 6 13 17 42 8 23 26 44 19 23 10 42 15 31 40 4 29
"""
WFNS, S100B, NDKA = np.array(RANKS.split(), dtype=float).reshape(3, 113)


def written_out(positive, scores):
    """AUCs and covariance straight from the definition: every positive against every negative."""
    ours, others = scores[positive].T, scores[~positive].T
    won = (ours[:, :, None] > others[:, None, :]) + 0.5 * (ours[:, :, None] == others[:, None, :])
    m, n = won.shape[1:]
    v10, v01 = won.mean(axis=2), won.mean(axis=1)
    areas = won.mean(axis=(1, 2))
    count = len(areas)
    covariance = np.empty((count, count))
    for a in range(count):
        for b in range(count):
            s10 = ((v10[a] - areas[a]) * (v10[b] - areas[b])).sum() / (m - 1)
            s01 = ((v01[a] - areas[a]) * (v01[b] - areas[b])).sum() / (n - 1)
            covariance[a, b] = s10 / m + s01 / n
    return areas, covariance


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 30), st.integers(2, 30), st.integers(2, 40), st.integers(0, 10**6))
def test_fast_midranks_give_the_definition_ties_included(m, n, levels, seed):
    generator = np.random.default_rng(seed)
    positive = generator.permutation(np.arange(m + n) < m)
    scores = generator.integers(levels, size=(m + n, 3)) / levels
    areas, covariance = delong_covariance(positive, scores)
    expected_areas, expected = written_out(positive, scores)
    np.testing.assert_allclose(areas, expected_areas, atol=1e-12)
    np.testing.assert_allclose(covariance, expected, atol=1e-12)
    assert areas[0] == pytest.approx(sklearn.metrics.roc_auc_score(positive, scores[:, 0]), abs=1e-12)
    assert delong_auc(positive, scores[:, 1]) == pytest.approx((areas[1], covariance[1, 1]))


@pytest.mark.parametrize(
    ("first", "second", "z", "p", "low", "high"),
    [  # pROC, tests/testthat/test-roc.test.R
        (WFNS, S100B, 2.20898359144091, 0.0271757822291882, 0.0104061769564846, 0.174214419249478),
        (WFNS, NDKA, 2.79777591868904, 0.00514557970691098, 0.0634011709339876, 0.3600405634833566),
        (NDKA, S100B, -1.39077002573558, 0.164295175223054, -0.2876917446341914, 0.0488706064228094),
    ],
)
def test_the_paired_test_gives_the_published_values(first, second, z, p, low, high):
    test = delong_paired_test(POOR, first, second)
    assert (test.statistic, test.p, test.low, test.high) == pytest.approx((z, p, low, high), abs=1e-10)
    turned = delong_paired_test(POOR, second, first)
    assert (turned.statistic, turned.p) == pytest.approx((-z, p))


@pytest.mark.parametrize(
    ("first", "second", "t", "p"),
    [
        (WFNS, S100B, 1.43490640926908, 0.152825378808796),
        (WFNS, NDKA, 3.10125096778969, 0.00220950791756457),
        (NDKA, S100B, -1.55995743389685, 0.120192832430845),
    ],
)
def test_the_unpaired_test_gives_the_published_values(first, second, t, p):
    test = delong_unpaired_test(POOR, first, POOR, second)
    assert (test.statistic, test.p) == pytest.approx((t, p), abs=1e-10)


def test_the_interval_gives_the_published_values():
    assert delong_interval(POOR, NDKA) == pytest.approx((0.501244999271703, 0.722670989888189), abs=1e-12)


def test_the_logit_interval_stays_within_0_and_1_where_the_plain_one_is_cut():
    positive = np.arange(40) < 6
    scores = np.where(positive, 1.0, 0.0) + np.where(np.arange(40) == 5, -0.5, 0) + np.where(np.arange(40) == 7, 0.7, 0)
    area, variance = delong_auc(positive, scores)
    low, high = delong_interval(positive, scores, logit=True)
    assert delong_interval(positive, scores)[1] == 1.0
    assert 0.5 < low < area < high < 1
    # On the logit scale it is symmetric, with the delta method's standard error.
    logit = np.log([low / (1 - low), area / (1 - area), high / (1 - high)])
    np.testing.assert_allclose(np.diff(logit), 1.959964 * variance**0.5 / (area * (1 - area)), rtol=1e-6)


def test_identical_curves_do_not_differ():
    test = delong_paired_test(POOR, NDKA, 2 * NDKA + 1)
    assert (test.difference, test.statistic, test.p) == (0, 0, 1)


def test_what_has_no_variance_has_no_interval():
    apart = np.arange(10) < 5
    assert delong_auc(apart, -np.arange(10.0)) == (1.0, 0.0)
    assert np.isnan(delong_interval(apart, -np.arange(10.0))).all()
    area, variance = delong_auc(np.arange(10) < 1, -np.arange(10.0))
    assert area == 1
    assert np.isnan(variance)
    assert np.isnan(delong_auc(np.zeros(4, dtype=bool), np.arange(4.0))).all()
    assert np.isnan(delong_paired_test(np.ones(4, dtype=bool), np.arange(4.0), np.arange(4.0)).p)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(PredictionsError, match="1 images have a score that is not a number"):
        delong_auc(np.array([True, False, True]), np.array([0.1, np.nan, 0.3]))
    with pytest.raises(PredictionsError, match="shape"):
        delong_covariance(np.array([True, False]), np.zeros((3, 2)))
