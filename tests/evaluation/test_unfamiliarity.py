"""Scores of unfamiliarity against scikit-learn and plain sums; the measures against a plain search."""

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.covariance
import sklearn.metrics
from hypothesis import given

from cutis.errors import PredictionsError
from cutis.evaluation.unfamiliarity import (
    energy,
    false_positive_rate_at,
    fit_mahalanobis,
    fit_neighbours,
    one_minus_largest_probability,
    unfamiliarity_result,
)


def features(images: int = 300, seed: int = 0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=images)
    mixing = np.random.default_rng(9).normal(size=(8, 8))
    return (generator.normal(size=(images, 8)) + 4 * np.eye(8)[labels]) @ mixing, labels


def test_energy_and_largest_probability():
    logits = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, 0.0]])
    np.testing.assert_allclose(energy(logits), [-np.log(np.exp([1, 2, 3]).sum()), -1000])
    np.testing.assert_allclose(energy(logits, 2.0)[0], -2 * np.log(np.exp([0.5, 1, 1.5]).sum()))
    np.testing.assert_allclose(one_minus_largest_probability([[0.7, 0.3], [0.5, 0.5]]), [0.3, 0.5])


def test_mahalanobis_agrees_with_scikit_learns_shrunk_covariance():
    values, labels = features()
    fitted = fit_mahalanobis(values, labels)
    means = np.stack([values[labels == k].mean(axis=0) for k in range(3)])
    reference = sklearn.covariance.LedoitWolf(assume_centered=True).fit(values - means[labels])
    new, _ = features(seed=1)
    expected = np.stack([reference.mahalanobis(new - mean) for mean in means], axis=1).min(axis=1)
    np.testing.assert_allclose(fitted.scores(new), expected, rtol=1e-8)


def test_neighbour_distance_is_the_kth_smallest_and_a_training_image_is_its_own_nearest():
    values, _ = features(50)
    new, _ = features(7, seed=1)
    unit, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (values, new))
    distances = np.sort(np.linalg.norm(other[:, None] - unit[None], axis=2), axis=1)
    np.testing.assert_allclose(fit_neighbours(values, 5).scores(new), distances[:, 4], atol=1e-7)
    np.testing.assert_allclose(fit_neighbours(values, 1).scores(3 * values), 0, atol=1e-6)


def test_strange_images_score_higher():
    values, labels = features()
    strange = features(100, seed=2)[0] + 30 * np.random.default_rng(3).normal(size=8)
    usual, _ = features(100, seed=4)
    for fitted in (fit_mahalanobis(values, labels), fit_neighbours(values)):
        result = unfamiliarity_result(fitted.scores(usual), fitted.scores(strange), resamples=100)
        assert result.auroc.value > 0.95
        assert result.fpr95.value < 0.3


def test_features_without_spread_in_a_direction_still_give_finite_scores():
    values, labels = features()
    values = np.hstack([values, np.zeros((len(values), 1))])
    assert np.isfinite(fit_mahalanobis(values, labels).scores(values)).all()
    with pytest.raises(PredictionsError, match="vary"):
        fit_mahalanobis(np.ones((4, 2)), [0, 0, 1, 1])
    with pytest.raises(PredictionsError, match="one image"):
        fit_mahalanobis([[1.0, 2.0]], [0])


@st.composite
def scored(draw):
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    images = draw(st.integers(2, 60))
    strange = generator.random(images) < 0.5
    strange[0], strange[1] = True, False
    return strange, generator.integers(draw(st.sampled_from([2, 10, 1000])), size=images).astype(float)


@given(scored(), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_the_false_positive_rate_is_that_of_the_smallest_limit_that_accepts_enough(sample, accepted):
    strange, scores = sample
    limit = next(each for each in np.sort(scores) if (scores[~strange] <= each).mean() >= accepted - 1e-12)
    assert false_positive_rate_at(strange, scores, accepted) == pytest.approx((scores[strange] <= limit).mean())


@given(scored(), st.integers(0, 2**32))
def test_a_weight_is_as_many_copies(sample, seed):
    strange, scores = sample
    weights = np.random.default_rng(seed).integers(0, 3, size=(len(scores), 4)).astype(float)
    rates = false_positive_rate_at(strange, scores, weights=weights)
    for r in range(4):
        copies = np.repeat(np.arange(len(scores)), weights[:, r].astype(int))
        np.testing.assert_allclose(rates[r], false_positive_rate_at(strange[copies], scores[copies]))


def test_measures_with_intervals_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    known, strange = generator.normal(size=200), generator.normal(1, size=80)
    result = unfamiliarity_result(known, strange, resamples=300)
    truth = np.repeat([0, 1], [200, 80])
    assert result.auroc.value == pytest.approx(sklearn.metrics.roc_auc_score(truth, np.append(known, strange)))
    for each in (result.auroc, result.fpr95):
        assert each.low < each.value < each.high
    # In pairs of copies: as wide as each once, so that a patient's many photographs add no certainty.
    paired = unfamiliarity_result(
        np.repeat(known, 2), np.repeat(strange, 2), clusters=[n // 2 for n in range(560)], resamples=300
    )
    assert paired.auroc == result.auroc


def test_constant_scores_are_worth_nothing_and_all_unfamiliar_pass():
    result = unfamiliarity_result(np.ones(20), np.ones(10), resamples=100)
    assert (result.auroc.value, result.fpr95.value) == (0.5, 1)


def test_nan_empty_sets_and_features_of_another_network_are_refused():
    assert np.isnan(false_positive_rate_at(np.array([True]), np.array([1.0])))
    for known, strange in (([1.0], []), ([], [1.0]), ([np.nan], [1.0])):
        with pytest.raises(PredictionsError):
            unfamiliarity_result(known, strange)
    with pytest.raises(PredictionsError):
        energy([[np.nan, 0.0]])
    values, labels = features(20)
    with pytest.raises(PredictionsError, match="dimensions"):
        fit_mahalanobis(values, labels).scores(values[:, :3])
    with pytest.raises(PredictionsError, match="neighbours"):
        fit_neighbours(values, 21)
    with pytest.raises(PredictionsError, match="clusters"):
        unfamiliarity_result([1.0], [2.0], clusters=["a"])
