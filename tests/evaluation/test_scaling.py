"""Scaling: recovers what was distorted, agrees with scikit-learn and netcal, and survives JSON."""

import numpy as np
import pytest
import sklearn.isotonic
import sklearn.linear_model
from pydantic import TypeAdapter
from scipy.special import softmax

from cutis.errors import PredictionsError
from cutis.evaluation.calibration import log_loss, top_label_calibration_error
from cutis.evaluation.scaling import (
    Scaling,
    TemperatureScaling,
    fit_isotonic_scaling,
    fit_temperature_scaling,
    fit_vector_scaling,
    logits_of,
)

FITS = (fit_temperature_scaling, fit_vector_scaling, fit_isotonic_scaling)


def drawn(images: int, seed: int = 0):
    """Logits whose softmax is the truth's distribution."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(images, 3))
    probabilities = softmax(logits, axis=1)
    truth = (probabilities.cumsum(axis=1) < generator.random((images, 1))).sum(axis=1)
    return logits, truth


def fixed(images: int = 400):
    i = np.arange(images)
    truth = (i * 7 + i // 5) % 3
    logits = np.stack([np.sin(1.3 * i * (k + 1) + k) for k in range(3)], axis=1) * 2
    logits[i, truth] += 1.0
    return logits, truth


def test_the_temperature_agrees_with_netcal():
    """netcal 1.4.0 multiplies logits by 0.51754089 on these numbers."""
    fitted = fit_temperature_scaling(*fixed())
    assert 1 / fitted.temperature == pytest.approx(0.51754089, abs=2e-3)
    np.testing.assert_allclose(
        fitted.probabilities(fixed()[0])[:2],
        [[0.25306789, 0.36036168, 0.38657044], [0.60903269, 0.23841348, 0.15255383]],
        atol=2e-3,
    )


def test_a_known_temperature_is_recovered():
    logits, truth = drawn(8000)
    assert fit_temperature_scaling(3 * logits, truth).temperature == pytest.approx(3, rel=0.05)
    assert fit_temperature_scaling(logits / 2, truth, prior="uniform").temperature == pytest.approx(0.5, rel=0.05)


def test_a_known_scale_and_shift_are_recovered():
    logits, truth = drawn(8000)
    scale, shift = np.array([1.0, 2.0, 0.5]), np.array([0.0, 1.0, -1.0])
    fitted = fit_vector_scaling((logits - shift) / scale, truth)
    np.testing.assert_allclose(fitted.scale, scale, rtol=0.12)
    np.testing.assert_allclose(fitted.shift, shift, atol=0.12)
    assert fitted.shift[0] == 0


def test_vector_scaling_of_two_classes_agrees_with_a_logistic_regression():
    logits, truth = drawn(1000)
    two = logits[truth < 2][:, :2]
    kept = truth[truth < 2]
    fitted = fit_vector_scaling(two, kept)
    model = sklearn.linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(two, kept)
    np.testing.assert_allclose(fitted.probabilities(two), model.predict_proba(two), atol=1e-4)


def test_isotonic_curves_are_scikit_learns():
    logits, truth = drawn(500)
    fitted = fit_isotonic_scaling(logits, truth)
    before = softmax(logits, axis=1)
    curves = [
        sklearn.isotonic.IsotonicRegression(y_min=1 / 502, y_max=501 / 502, out_of_bounds="clip").fit(
            before[:, k], truth == k
        )
        for k in range(3)
    ]
    new = drawn(50, seed=1)[0]
    after = np.stack([curve.predict(softmax(new, axis=1)[:, k]) for k, curve in enumerate(curves)], axis=1)
    np.testing.assert_allclose(fitted.probabilities(new), after / after.sum(axis=1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize("fit", FITS)
def test_overconfident_logits_become_calibrated_on_new_images_and_json_keeps_the_map(fit):
    logits, truth = drawn(4000)
    fitted = fit(3 * logits, truth)
    new, answers = drawn(4000, seed=1)
    raw, scaled = softmax(3 * new, axis=1), fitted.probabilities(3 * new)
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    assert top_label_calibration_error(answers, scaled) < 0.03 < top_label_calibration_error(answers, raw)
    assert log_loss(answers, scaled) < log_loss(answers, raw)
    stored = TypeAdapter(Scaling).validate_json(fitted.model_dump_json())
    assert stored == fitted
    np.testing.assert_array_equal(stored.probabilities(new), fitted.probabilities(new))


def test_a_uniform_prior_weighs_classes_alike():
    logits, truth = drawn(3000)
    kept = (truth != 0) | (np.arange(3000) % 10 == 0)
    for fit in (fit_temperature_scaling, fit_vector_scaling, fit_isotonic_scaling):
        own = truth[kept]
        even = fit(logits[kept], own, prior="uniform").probabilities(logits[kept])
        counted = fit(logits[kept], own, prior="training").probabilities(logits[kept])
        counts = np.bincount(own)
        weights = (1 / counts[own])[:, None]
        assert log_loss(own, even, weights)[0] <= log_loss(own, counted, weights)[0] + 1e-6


def test_an_absent_class_needs_the_temperature_and_bounds_hold():
    logits, truth = drawn(200)
    truth = np.minimum(truth, 1)
    assert isinstance(fit_temperature_scaling(logits, truth), TemperatureScaling)
    for fit in (fit_vector_scaling, fit_isotonic_scaling):
        with pytest.raises(PredictionsError, match="2"):
            fit(logits, truth)
    perfect = 5 * np.eye(3)
    assert 0.05 <= fit_temperature_scaling(perfect, [0, 1, 2]).temperature < 0.2  # the loss is 0 from there down
    assert np.isfinite(fit_vector_scaling(perfect, [0, 1, 2]).probabilities(perfect)).all()
    assert fit_temperature_scaling(np.zeros((5, 3)), [0, 1, 2, 0, 1]).temperature > 0


def test_isotonic_curves_never_say_never():
    fitted = fit_isotonic_scaling(logits_of([[0.8, 0.2], [0.2, 0.8]]), [0, 1])
    np.testing.assert_allclose(fitted.probabilities(logits_of([[0.0, 1.0], [0.9, 0.1]])), [[0.25, 0.75], [0.75, 0.25]])


def test_logits_of_probabilities_and_nan():
    probabilities = np.array([[0.2, 0.8], [0.0, 1.0]])
    np.testing.assert_allclose(softmax(logits_of(probabilities), axis=1), probabilities, atol=1e-11)
    for fit in FITS:
        with pytest.raises(PredictionsError, match="NaN"):
            fit([[np.nan, 0.0], [0.0, 1.0]], [0, 1])
