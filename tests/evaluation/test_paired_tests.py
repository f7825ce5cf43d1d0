"""Tests of two classifiers against statsmodels, scipy, published values and plain loops."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from cutis.errors import PredictionsError
from cutis.evaluation import binary_auc
from cutis.evaluation.delong import delong_paired_test
from cutis.evaluation.paired_tests import (
    auc_non_inferiority,
    bootstrap_non_inferiority,
    holm,
    mann_whitney_test,
    mcnemar_test,
    paired_bootstrap,
    paired_permutation,
)


def answers(both, first_only, second_only, neither):
    first = np.repeat([True, True, False, False], [both, first_only, second_only, neither])
    second = np.repeat([True, False, True, False], [both, first_only, second_only, neither])
    return first, second


def share_right(right):
    """The statistic "share of right answers" of weights."""
    return lambda weights: {"accuracy": (right.astype(float) @ weights) / weights.sum(axis=0)}


@given(*[st.integers(0, 60)] * 4)
def test_mcnemar_agrees_with_statsmodels(both, first_only, second_only, neither):
    first, second = answers(both, first_only, second_only, neither)
    test = mcnemar_test(first, second)
    expected = mcnemar([[both, first_only], [second_only, neither]], exact=True).pvalue
    assert (test.first_only, test.second_only) == (first_only, second_only)
    assert test.p == pytest.approx(min(1, expected))
    assert mcnemar_test(first, second, "mid_p").p <= test.p


def test_mcnemar_gives_the_published_values():
    """Airway hyper-responsiveness before and after a transplantation: Fagerland 2013, table 1 (Bentur 2009)."""
    first, second = answers(1, 1, 7, 12)
    assert mcnemar_test(first, second).p == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar_test(first, second, "mid_p").p == pytest.approx(0.0391, abs=5e-5)
    with pytest.raises(PredictionsError, match="no McNemar method"):
        mcnemar_test(first, second, "asymptotic")
    with pytest.raises(PredictionsError, match="3 answers are held against 21"):
        mcnemar_test(first[:3], second)


def test_without_disagreement_there_is_no_difference():
    first, _ = answers(5, 0, 0, 5)
    for method in ("exact", "mid_p"):
        assert mcnemar_test(first, first, method).p == 1


def clustered_answers(seed, cases=40):
    generator = np.random.default_rng(seed)
    size = generator.integers(1, 5, size=cases)
    clusters = np.repeat(np.arange(cases), size)
    ease = generator.normal(size=cases)[clusters]
    first = ease + generator.normal(size=len(clusters)) > -0.3
    second = ease + generator.normal(size=len(clusters)) > -0.9
    return first, second, clusters


def test_the_permutation_is_the_sign_flip_of_cluster_totals():
    first, second, clusters = clustered_answers(0, cases=10)
    totals = np.bincount(clusters, weights=second.astype(float) - first)
    every = [abs(np.dot(signs, totals)) for signs in itertools.product((-1, 1), repeat=10)]
    exact = np.mean(np.array(every) >= abs(totals.sum()) - 1e-9)
    p = paired_permutation(share_right(np.concatenate([first, second])), clusters.tolist(), resamples=20000)["accuracy"]
    assert p == pytest.approx(exact, abs=0.015)


def test_the_permutation_keeps_its_level_where_single_images_would_not():
    """Two equal models, copies of 25 cases: whole cases reject in about 5 %, single images far more often."""
    whole, single = [], []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        clusters = np.repeat(np.arange(25), 6)
        first, second = (generator.random(25) < 0.7)[clusters], (generator.random(25) < 0.7)[clusters]
        both = share_right(np.concatenate([first, second]))
        whole.append(paired_permutation(both, clusters.tolist(), resamples=199, seed=seed)["accuracy"])
        single.append(paired_permutation(both, list(range(150)), resamples=199, seed=seed)["accuracy"])
    assert np.mean(np.array(whole) < 0.05) < 0.1
    assert np.mean(np.array(single) < 0.05) > 0.3


def test_an_auc_is_permuted_image_by_image_as_in_a_loop():
    generator = np.random.default_rng(2)
    positive = np.arange(40) < 15
    first = scipy.stats.rankdata(generator.normal(size=40) + 0.5 * positive)
    second = scipy.stats.rankdata(generator.normal(size=40) + 1.5 * positive)
    truth, scores = np.tile(positive, 2), np.concatenate([first, second])
    p = paired_permutation(
        lambda weights: {"auc": binary_auc(truth, scores, weights)}, list(range(40)), resamples=4000
    )["auc"]
    observed = binary_auc(positive, second) - binary_auc(positive, first)
    reached = 0
    for _ in range(3000):
        swap = generator.random(40) < 0.5
        difference = binary_auc(positive, np.where(swap, first, second)) - binary_auc(
            positive, np.where(swap, second, first)
        )
        reached += abs(difference) >= abs(observed) - 1e-12
    assert p == pytest.approx((reached + 1) / 3001, abs=0.02)
    assert p == pytest.approx(delong_paired_test(positive, first, second).p, abs=0.03)


def test_the_bootstrap_gives_both_the_same_resamples():
    first, second, clusters = clustered_answers(1)
    found = paired_bootstrap(share_right(first), share_right(second), clusters.tolist(), seed=4)["accuracy"]
    assert found.first == pytest.approx(first.mean())
    assert found.difference == pytest.approx(second.mean() - first.mean())
    assert found.low < found.difference < found.high
    assert 0 < found.p < 0.05
    same = paired_bootstrap(share_right(first), share_right(first), clusters.tolist())["accuracy"]
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    # p and interval tell the same story: the interval at the level p just reaches 0.
    at = paired_bootstrap(
        share_right(first), share_right(second), clusters.tolist(), seed=4, confidence=1 - float(found.p)
    )["accuracy"]
    assert abs(at.low) < 0.02


def test_a_difference_that_is_not_defined_has_no_p():
    clusters = list(range(6))

    def nothing(weights):
        return {"x": np.full(weights.shape[1], np.nan)}

    assert np.isnan(paired_bootstrap(nothing, nothing, clusters, resamples=10)["x"].p)
    assert np.isnan(paired_permutation(nothing, clusters, resamples=10)["x"])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels_and_leaves_out_what_was_not_tested(p):
    expected = multipletests(p, method="holm")[1]
    np.testing.assert_allclose(holm(p), expected)
    np.testing.assert_allclose(holm([np.nan, *p]), [np.nan, *expected])


def test_mann_whitney_is_scipys_and_says_how_often_the_first_group_wins():
    readers, models = [0.6, 0.71, 0.68, 0.55], [0.8, 0.7, 0.83]
    test = mann_whitney_test(models, readers)
    assert test.superiority == pytest.approx(11 / 12)
    assert test.p == pytest.approx(scipy.stats.mannwhitneyu(models, readers, method="exact").pvalue)
    with pytest.raises(PredictionsError, match="empty or holds"):
        mann_whitney_test(models, [0.5, np.nan])


def test_non_inferiority_of_an_auc():
    generator = np.random.default_rng(5)
    positive = np.arange(400) < 120
    signal = generator.normal(size=400) + 1.5 * positive
    reference, new = signal + 0.2 * generator.normal(size=400), signal + 0.2 * generator.normal(size=400)
    wide = auc_non_inferiority(positive, reference, new, margin=0.05)
    test = delong_paired_test(positive, new, reference)
    assert wide.non_inferior
    assert wide.p == pytest.approx(scipy.stats.norm.sf((test.difference + 0.05) / test.standard_error))
    assert (wide.p < 0.025) == wide.non_inferior
    worse = auc_non_inferiority(positive, reference, generator.normal(size=400), margin=0.05)
    assert not worse.non_inferior
    assert worse.p > 0.9
    assert auc_non_inferiority(positive, new, new, margin=0.01).non_inferior
    with pytest.raises(PredictionsError, match="margin 0 is not above 0"):
        auc_non_inferiority(positive, reference, new, margin=0)


def test_non_inferiority_by_bootstrap():
    resamples = np.append(np.random.default_rng(6).normal(0.0, 0.01, size=4000), np.nan)
    held = bootstrap_non_inferiority(0.0, resamples, margin=0.03)
    assert held.non_inferior
    assert held.p < 0.025
    assert held.low == pytest.approx(-0.0196, abs=0.002)
    assert not bootstrap_non_inferiority(0.0, resamples, margin=0.01).non_inferior
    with pytest.raises(PredictionsError, match="defined in no resample"):
        bootstrap_non_inferiority(0.0, np.array([np.nan]), margin=0.01)
