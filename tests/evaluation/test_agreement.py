"""Figures of a confusion matrix against scikit-learn, one matrix or many at once."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.errors import PredictionsError
from cutis.evaluation import confusion_matrix, negative_predictive_value, positive_predictive_value
from cutis.evaluation.agreement import (
    cohen_kappa,
    f1_score,
    geometric_mean,
    inference_class_accuracy,
    matthews_correlation,
    negative_predictive_value_at,
    positive_predictive_value_at,
)


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 6), st.integers(12, 60), st.integers(0, 10**6))
def test_figures_agree_with_scikit_learn_with_every_weighting(classes, count, seed):
    generator = np.random.default_rng(seed)
    truth = np.append(np.arange(classes), generator.integers(classes, size=count))
    answers = np.where(generator.random(len(truth)) < 0.6, truth, generator.integers(classes, size=len(truth)))
    answers[:2] = [0, 1]
    weights = generator.integers(1, 4, size=(len(truth), 3)).astype(float)
    confusion = confusion_matrix(truth, answers, classes, weights)
    for r in range(3):
        given = {"sample_weight": weights[:, r]}
        expected = sklearn.metrics.f1_score(truth, answers, average=None, labels=range(classes), **given)
        np.testing.assert_allclose(f1_score(confusion)[r], expected)
        expected = sklearn.metrics.matthews_corrcoef(truth, answers, **given)
        assert matthews_correlation(confusion)[r] == pytest.approx(expected)
        for weighting in (None, "linear", "quadratic"):
            expected = sklearn.metrics.cohen_kappa_score(truth, answers, weights=weighting, **given)
            assert cohen_kappa(confusion, weighting)[r] == pytest.approx(expected)
            assert cohen_kappa(confusion[r], weighting) == pytest.approx(expected)


def test_the_geometric_mean_is_the_root_of_sensitivity_times_specificity():
    confusion = np.array([[8.0, 2.0], [6.0, 24.0]])
    np.testing.assert_allclose(geometric_mean(confusion), np.sqrt(0.8 * 0.8))


def test_constants_correlate_with_nothing_and_absent_classes_have_no_f1():
    only = np.array([[5.0, 0.0], [0.0, 0.0]])
    assert np.isnan(matthews_correlation(only))
    assert np.isnan(cohen_kappa(only))
    np.testing.assert_allclose(f1_score(only), [1, np.nan])
    with pytest.raises(PredictionsError, match="no kappa weighting 'cubic'"):
        cohen_kappa(only, "cubic")


def test_predictive_values_at_the_samples_own_prevalence_are_those_of_the_sample():
    confusion = np.array([[80.0, 20.0], [45.0, 855.0]])
    sensitivity, specificity, prevalence = 0.8, 0.95, 0.1
    assert positive_predictive_value_at(prevalence, sensitivity, specificity) == pytest.approx(
        positive_predictive_value(confusion)[0]
    )
    assert negative_predictive_value_at(prevalence, sensitivity, specificity) == pytest.approx(
        negative_predictive_value(confusion)[0]
    )
    at = positive_predictive_value_at([0.0, 0.01, 1.0], sensitivity, specificity)
    np.testing.assert_allclose(at, [0, 0.008 / (0.008 + 0.0495), 1])
    with pytest.raises(PredictionsError, match="not from 0 to 1"):
        positive_predictive_value_at(2, 0.8, 0.9)


def test_inference_classes_gather_the_probability_of_their_training_classes():
    # Two melanoma classes and a nevus: the nevus is most probable alone, the melanomas together.
    probabilities = np.array([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8], [0.2, 0.1, 0.7], [0.4, 0.1, 0.5]])
    truth = np.array([0, 0, 1, 1])
    assert inference_class_accuracy(truth, probabilities, [0, 0, 1]) == pytest.approx(0.5)
    weights = np.array([[1.0, 3], [1, 1], [1, 1], [1, 0]])
    expected = [(0.5 + 0.5) / 2, (0.75 + 1) / 2]
    np.testing.assert_allclose(inference_class_accuracy(truth, probabilities, [0, 0, 1], weights), expected)
    with pytest.raises(PredictionsError, match="do not fit 3 training classes"):
        inference_class_accuracy(truth, probabilities, [0, 2, 2])
