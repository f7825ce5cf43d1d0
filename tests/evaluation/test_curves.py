"""Curves of a score against scikit-learn and ISIC 2024's rule; bands by whether they hold the true curve."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from cutis.errors import PredictionsError
from cutis.evaluation import binary_auc, roc_curve
from cutis.evaluation.curves import (
    average_precision,
    bootstrap_band,
    kolmogorov_smirnov_band,
    partial_auc_above_sensitivity,
    precision_recall_curve,
)


def isic_2024(positive, scores, weights=None, least=0.8):
    """The organisers' rule: labels and scores flipped, the area up to a false-positive rate of 1 − least."""
    most = 1 - least
    fpr, tpr, _ = sklearn.metrics.roc_curve(~positive, -scores, sample_weight=weights, drop_intermediate=False)
    kept = fpr <= most
    x = np.append(fpr[kept], most)
    y = np.append(tpr[kept], np.interp(most, fpr, tpr))
    return sklearn.metrics.auc(x, y)


@st.composite
def samples(draw):
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    count = draw(st.integers(4, 80))
    positive = generator.permutation(np.arange(count) < draw(st.integers(1, count - 1)))
    scores = generator.integers(draw(st.integers(1, 60)), size=count) / 64 + 0.3 * positive
    weights = generator.integers(0, 4, size=(count, 5)).astype(float)
    weights[np.flatnonzero(positive)[0]] += 1
    weights[np.flatnonzero(~positive)[0]] += 1
    return positive, scores, weights


@settings(max_examples=80, deadline=None)
@given(samples())
def test_areas_agree_with_scikit_learn_and_the_isic_2024_rule_with_every_weighting(sample):
    positive, scores, weights = sample
    precision = average_precision(positive, scores, weights)
    partial = partial_auc_above_sensitivity(positive, scores, weights)
    for r in range(5):
        expected = sklearn.metrics.average_precision_score(positive, scores, sample_weight=weights[:, r])
        assert precision[r] == pytest.approx(expected)
        assert partial[r] == pytest.approx(isic_2024(positive, scores, weights[:, r]), abs=1e-9)
    assert average_precision(positive, scores) == pytest.approx(
        sklearn.metrics.average_precision_score(positive, scores)
    )
    whole = partial_auc_above_sensitivity(positive, scores, weights, least=0)
    np.testing.assert_allclose(whole, binary_auc(positive, scores, weights), atol=1e-12)


def test_the_partial_area_agrees_with_scikit_learns_mcclish_area_scaled_back():
    generator = np.random.default_rng(3)
    positive = generator.random(500) < 0.1
    scores = generator.normal(size=500) + 1.5 * positive
    most = 0.2
    scaled = sklearn.metrics.roc_auc_score(~positive, -scores, max_fpr=most)
    expected = most**2 / 2 + (most - most**2 / 2) * 2 * (scaled - 0.5)  # as ISIC 2024 told entrants to compute it
    assert partial_auc_above_sensitivity(positive, scores) == pytest.approx(expected)
    assert partial_auc_above_sensitivity(positive, positive * 1.0) == pytest.approx(0.2)
    assert partial_auc_above_sensitivity(positive, np.zeros(500)) == pytest.approx(0.02)


def test_the_precision_recall_curve_is_scikit_learns():
    generator = np.random.default_rng(4)
    positive = generator.random(60) < 0.3
    scores = generator.integers(15, size=60) / 15 + 0.2 * positive
    curve = precision_recall_curve(positive, scores)
    precision, recall, threshold = sklearn.metrics.precision_recall_curve(positive, scores)
    np.testing.assert_allclose(curve.precision, precision[::-1])
    np.testing.assert_allclose(curve.recall, recall[::-1])
    np.testing.assert_allclose(curve.threshold[1:], threshold[::-1])


def test_without_positives_or_negatives_there_is_no_figure():
    none, every = np.zeros(3, dtype=bool), np.ones(3, dtype=bool)
    scores = np.array([0.1, 0.2, 0.3])
    assert np.isnan(average_precision(none, scores))
    assert average_precision(every, scores) == 1
    assert np.isnan(partial_auc_above_sensitivity(none, scores))
    assert np.isnan(partial_auc_above_sensitivity(every, scores))
    assert np.isnan(precision_recall_curve(none, scores).recall).all()
    some = np.array([True, False, False])
    assert np.isnan(average_precision(some, scores, np.array([[0.0], [1], [1]])))[0]
    with pytest.raises(PredictionsError, match="no image"):
        average_precision(none[:0], scores[:0])
    with pytest.raises(PredictionsError, match="not from 0 to below 1"):
        partial_auc_above_sensitivity(some, scores, least=1)


def cases(seed, count=60, copies=1):
    """Two normal distributions 1.2 apart: the true curve is Φ(1.2 + Φ⁻¹(x))."""
    generator = np.random.default_rng(seed)
    positive = np.arange(count) < count // 3
    case = 0.8 * generator.normal(size=count) + 1.2 * positive
    each = np.repeat(np.arange(count), copies)
    return positive[each], case[each] + 0.6 * generator.normal(size=count * copies), each.tolist()


def holds(band):
    x = band.false_positive_rate
    with np.errstate(divide="ignore"):
        truth = norm.cdf(1.2 + norm.ppf(x))
    return bool(np.all((band.low <= truth + 1e-9) & (truth <= band.high + 1e-9)))


def test_bands_hold_the_whole_true_curve_about_as_often_as_they_say():
    kept = [holds(kolmogorov_smirnov_band(*cases(seed)[:2], confidence=0.8)) for seed in range(200)]
    assert np.mean(kept) > 0.8
    kept = [holds(bootstrap_band(*cases(seed, copies=3), resamples=150, confidence=0.8)) for seed in range(120)]
    assert 0.68 < np.mean(kept) < 0.92  # 3 standard errors of a simulation of 120 are 0.11
    naive = []
    for seed in range(60):
        positive, scores, clusters = cases(seed, copies=3)
        naive.append(holds(bootstrap_band(positive, scores, list(range(len(clusters))), resamples=150, confidence=0.8)))
    assert np.mean(naive) < np.mean(kept)


@pytest.mark.parametrize("kind", ["kolmogorov_smirnov", "bootstrap"])
def test_a_band_surrounds_its_own_curve_and_rises(kind):
    positive, scores, clusters = cases(0, copies=2)
    band = (
        kolmogorov_smirnov_band(positive, scores)
        if kind == "kolmogorov_smirnov"
        else bootstrap_band(positive, scores, clusters, resamples=200)
    )
    own = roc_curve(positive, scores)
    at = np.interp(own.false_positive_rate, band.false_positive_rate, band.low)
    assert np.all(at <= own.sensitivity)
    assert np.all(np.interp(own.false_positive_rate, band.false_positive_rate, band.high) >= own.sensitivity)
    assert np.all(np.diff(band.low) >= 0)
    assert np.all(np.diff(band.high) >= 0)
    assert band.false_positive_rate[[0, -1]].tolist() == [0, 1]
    assert band.low.min() >= 0
    assert band.high.max() <= 1


def test_a_band_needs_both_kinds_and_two_cases():
    scores = np.array([0.1, 0.2])
    with pytest.raises(PredictionsError, match="positives and negatives"):
        kolmogorov_smirnov_band(np.array([True, True]), scores)
    with pytest.raises(PredictionsError, match="two clusters"):
        bootstrap_band(np.array([True, False]), scores, ["a", "a"])
