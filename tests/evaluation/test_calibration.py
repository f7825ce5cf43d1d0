"""Calibration figures against netcal's values, scikit-learn and sums by hand."""

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics
from hypothesis import given, settings

from cutis.errors import PredictionsError
from cutis.evaluation.calibration import (
    ReliabilityCurve,
    brier_parts,
    brier_score,
    classwise_calibration_error,
    expected_calibration_error,
    log_loss,
    maximum_calibration_error,
    reliability_curve,
    top_label,
    top_label_calibration_error,
)


def sample(images: int = 400):
    """Numbers that no generator makes: the reference values below were computed on them by netcal 1.4.0."""
    i = np.arange(images)
    truth = (i * 7 + i // 5) % 3
    logits = np.stack([np.sin(1.3 * i * (k + 1) + k) for k in range(3)], axis=1) * 2
    logits[i, truth] += 1.0
    odds = np.exp(logits)
    return truth, odds / odds.sum(axis=1, keepdims=True)


@st.composite
def events(draw):
    """Events and probabilities: coarse ones tie, few images leave bins empty or one kind absent."""
    images = draw(st.integers(1, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    levels = draw(st.sampled_from([1, 4, 1000]))
    return generator.random(images) < 0.4, generator.integers(levels + 1, size=images) / levels


def test_errors_agree_with_netcal():
    truth, probabilities = sample()
    positive, said = truth == 1, probabilities[:, 1]
    right, confident = top_label(truth, probabilities)
    assert top_label_calibration_error(truth, probabilities, bins=10, binning="width") == pytest.approx(
        0.13101598630801567
    )
    assert top_label_calibration_error(truth, probabilities, bins=10) == pytest.approx(0.17883926129167027)
    assert maximum_calibration_error(right, confident, bins=10, binning="width") == pytest.approx(0.24135896611740915)
    assert maximum_calibration_error(right, confident, bins=10) == pytest.approx(0.4478165914178892)
    assert expected_calibration_error(positive, said, binning="width") == pytest.approx(0.16724047259721106)
    assert expected_calibration_error(positive, said, bins=10) == pytest.approx(0.14333097879949533)
    assert classwise_calibration_error(truth, probabilities, bins=10)[1] == pytest.approx(0.14333097879949533)


@pytest.mark.parametrize(("binning", "strategy"), [("mass", "quantile"), ("width", "uniform")])
@settings(max_examples=60)
@given(events())
def test_reliability_curve_agrees_with_scikit_learn(binning, strategy, sample):
    positive, said = sample
    if len(set(said)) < 2:
        return  # scikit-learn refuses quantiles of one value
    curve = reliability_curve(positive, said, bins=7, binning=binning)
    if len(np.unique(np.quantile(said, np.linspace(0, 1, 8)))) == 8 or binning == "width":
        share, mean = sklearn.calibration.calibration_curve(positive, said, n_bins=7, strategy=strategy, pos_label=True)
        np.testing.assert_allclose(curve.share, share)
        np.testing.assert_allclose(curve.mean_probability, mean)
    assert sum(curve.images) == len(said)
    gaps = np.abs(np.array(curve.share) - curve.mean_probability)
    ece = float((gaps * np.array(curve.images)).sum() / len(said))
    assert expected_calibration_error(positive, said, bins=7, binning=binning) == pytest.approx(ece, abs=1e-12)
    assert maximum_calibration_error(positive, said, bins=7, binning=binning) == pytest.approx(gaps.max(), abs=1e-12)


def test_equal_mass_bins_hold_equally_many_and_intervals_hold_the_share():
    generator = np.random.default_rng(0)
    said = generator.beta(0.3, 3, size=1000)
    curve = reliability_curve(generator.random(1000) < said, said)
    assert curve.images == [100] * 10
    for low, share, high in zip(curve.share_low, curve.share, curve.share_high, strict=True):
        assert low <= share <= high
    # Calibrated by construction: nearly all intervals hold what was said.
    inside = [a <= b <= c for a, b, c in zip(curve.share_low, curve.mean_probability, curve.share_high, strict=True)]
    assert sum(inside) >= 8
    assert ReliabilityCurve.model_validate_json(curve.model_dump_json()) == curve


def test_one_image_constant_probabilities_and_one_kind_have_figures():
    curve = reliability_curve([True], [0.8])
    assert (curve.images, curve.share, curve.mean_probability) == ([1], [1.0], [0.8])
    assert expected_calibration_error([True], [0.8]) == pytest.approx(0.2)
    constant = reliability_curve([True, False, False, False], [0.25] * 4)
    assert (constant.images, constant.share) == ([4], [0.25])
    assert expected_calibration_error([True, False, False, False], [0.25] * 4) == 0
    assert expected_calibration_error([False] * 3, [0.1, 0.2, 0.3]) == pytest.approx(0.2)


@given(st.integers(0, 2**32))
def test_a_weight_is_as_many_copies_in_every_figure_without_bins_of_its_own(seed):
    generator = np.random.default_rng(seed)
    truth, probabilities = generator.integers(3, size=25), generator.dirichlet(np.ones(3), size=25)
    weights = generator.integers(0, 3, size=(25, 3)).astype(float)
    weights[0] += 1
    brier, loss = brier_score(truth, probabilities, weights), log_loss(truth, probabilities, weights)
    wide = top_label_calibration_error(truth, probabilities, binning="width", weights=weights)
    each = classwise_calibration_error(truth, probabilities, binning="width", weights=weights)
    assert each.shape == (3, 3)
    for r in range(3):
        copies = np.repeat(np.arange(25), weights[:, r].astype(int))
        t, p = truth[copies], probabilities[copies]
        assert brier[r] == pytest.approx(brier_score(t, p))
        assert loss[r] == pytest.approx(log_loss(t, p))
        assert wide[r] == pytest.approx(top_label_calibration_error(t, p, binning="width"))
        np.testing.assert_allclose(each[r], classwise_calibration_error(t, p, binning="width"))
    assert np.isnan(expected_calibration_error(truth == 0, probabilities[:, 0], weights=np.zeros((25, 1)))).all()


def test_scores_agree_with_scikit_learn():
    truth, probabilities = sample()
    assert log_loss(truth, probabilities) == pytest.approx(sklearn.metrics.log_loss(truth, probabilities))
    assert brier_score(truth, probabilities) == pytest.approx(
        sklearn.metrics.brier_score_loss(truth, probabilities, scale_by_half=False)
    )
    assert brier_score([0, 1], [[0.0, 1.0], [1.0, 0.0]]) == 2
    never = log_loss([0], [[0.0, 1.0]])
    assert never == pytest.approx(-np.log(np.finfo(float).eps))


def test_brier_parts_by_hand():
    """Two forecasts: 0.2 said four times and true once, 0.8 said twice and true both times."""
    said = [0.2, 0.2, 0.2, 0.2, 0.8, 0.8]
    happened = [True, False, False, False, True, True]
    parts = brier_parts(happened, said)
    assert parts.reliability == pytest.approx((4 * 0.05**2 + 2 * 0.2**2) / 6)
    assert parts.resolution == pytest.approx((4 * 0.25**2 + 2 * 0.5**2) / 6)
    assert parts.uncertainty == 0.25
    assert parts.within_bins == pytest.approx(0, abs=1e-15)


@given(events(), st.sampled_from([None, 1, 5]))
def test_brier_parts_sum_to_the_score(sample, bins):
    positive, said = sample
    parts = brier_parts(positive, said, bins=bins)
    assert parts.score == pytest.approx(np.mean((said - positive) ** 2))
    assert parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins == pytest.approx(parts.score)
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0
    if bins is None:
        assert parts.within_bins == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("truth", "probabilities"),
    [([0], [[np.nan, 1]]), ([0], [[1.5, -0.5]]), ([2], [[0.5, 0.5]]), ([], np.zeros((0, 2))), ([0, 1], [[0.5, 0.5]])],
)
def test_nan_strange_values_and_no_image_are_refused(truth, probabilities):
    for figure in (brier_score, log_loss, top_label_calibration_error, classwise_calibration_error):
        with pytest.raises(PredictionsError):
            figure(truth, probabilities)
    with pytest.raises(PredictionsError):
        reliability_curve([True], [0.5], bins=0)
