"""Every figure against scikit-learn, with ties and absent classes, and against identities."""

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings

from cutis.evaluation import (
    accuracy,
    balanced_accuracy,
    binary_auc,
    confusion_matrix,
    macro_auc,
    macro_mean,
    negative_predictive_value,
    one_vs_rest_auc,
    positive_predictive_value,
    predicted_class,
    roc_curve,
    sensitivity,
    specificity,
    top_k_accuracy,
)
from cutis.evaluation.metrics import corners


@st.composite
def samples(draw):
    """Truth and probabilities: coarse, so that many tie; few images, so that classes are absent."""
    classes = draw(st.integers(2, 6))
    images = draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    truth = generator.integers(classes, size=images)
    scores = generator.integers(1, draw(st.sampled_from([3, 10, 1000])), size=(images, classes)).astype(float)
    scores[np.arange(images), truth] += draw(st.sampled_from([0.0, 1.0, 3.0]))
    return truth, scores / scores.sum(axis=1, keepdims=True)


@st.composite
def weighted_samples(draw):
    """A sample with resample counts, N×3."""
    truth, probabilities = draw(samples())
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    return truth, probabilities, generator.integers(0, 4, size=(len(truth), 3)).astype(float)


@given(samples())
def test_confusion_matrix_and_its_figures_agree_with_scikit_learn(sample):
    truth, probabilities = sample
    classes = probabilities.shape[1]
    answers = predicted_class(probabilities)
    confusion = confusion_matrix(truth, answers, classes)
    labels = np.arange(classes)
    np.testing.assert_array_equal(confusion, sklearn.metrics.confusion_matrix(truth, answers, labels=labels))
    assert accuracy(confusion) == pytest.approx(sklearn.metrics.accuracy_score(truth, answers))
    recall = sklearn.metrics.recall_score(truth, answers, labels=labels, average=None, zero_division=np.nan)
    precision = sklearn.metrics.precision_score(truth, answers, labels=labels, average=None, zero_division=np.nan)
    np.testing.assert_allclose(sensitivity(confusion), recall)
    np.testing.assert_allclose(positive_predictive_value(confusion), precision)
    assert balanced_accuracy(confusion) == pytest.approx(np.nanmean(recall))
    for k in range(classes):
        negative = sklearn.metrics.recall_score(truth != k, answers != k, zero_division=np.nan)
        np.testing.assert_allclose(specificity(confusion)[k], negative)
        predictive = sklearn.metrics.precision_score(truth != k, answers != k, zero_division=np.nan)
        np.testing.assert_allclose(negative_predictive_value(confusion)[k], predictive)


@given(samples())
def test_auc_agrees_with_scikit_learn(sample):
    truth, probabilities = sample
    areas = one_vs_rest_auc(truth, probabilities)
    for k, area in enumerate(areas):
        if 0 < (truth == k).sum() < len(truth):
            assert area == pytest.approx(sklearn.metrics.roc_auc_score(truth == k, probabilities[:, k]))
        else:
            assert np.isnan(area)
    if not np.isnan(areas).all():
        assert macro_auc(truth, probabilities) == pytest.approx(np.nanmean(areas))


@given(samples())
def test_top_k_accuracy_grows_from_accuracy_to_one(sample):
    truth, probabilities = sample
    classes = probabilities.shape[1]
    by_k = [float(top_k_accuracy(truth, probabilities, k)) for k in range(1, classes + 1)]
    assert by_k[0] == pytest.approx(float((predicted_class(probabilities) == truth).mean()))
    assert by_k == sorted(by_k)
    assert by_k[-1] == 1


def test_top_k_accuracy_agrees_with_scikit_learn_where_no_scores_tie():
    generator = np.random.default_rng(0)
    truth = generator.integers(7, size=300)
    probabilities = generator.dirichlet(np.ones(7), size=300)
    for k in (1, 2, 3):
        expected = sklearn.metrics.top_k_accuracy_score(truth, probabilities, k=k, labels=np.arange(7))
        assert top_k_accuracy(truth, probabilities, k) == pytest.approx(expected)


@settings(max_examples=50)
@given(weighted_samples())
def test_a_weight_is_as_many_copies_of_the_image(sample):
    truth, probabilities, weights = sample
    classes = probabilities.shape[1]
    answers = predicted_class(probabilities)
    confusions = confusion_matrix(truth, answers, classes, weights)
    areas = one_vs_rest_auc(truth, probabilities, weights)
    top2 = top_k_accuracy(truth, probabilities, 2, weights)
    for r in range(weights.shape[1]):
        copies = np.repeat(np.arange(len(truth)), weights[:, r].astype(int))
        np.testing.assert_allclose(confusions[r], confusion_matrix(truth[copies], answers[copies], classes))
        np.testing.assert_allclose(areas[r], one_vs_rest_auc(truth[copies], probabilities[copies]))
        np.testing.assert_allclose(top2[r], top_k_accuracy(truth[copies], probabilities[copies], 2))


@given(samples())
def test_auc_of_reversed_scores_is_the_complement_and_order_is_all_that_counts(sample):
    truth, probabilities = sample
    positive, scores = truth == 0, probabilities[:, 0]
    area = binary_auc(positive, scores)
    np.testing.assert_allclose(binary_auc(positive, -scores), 1 - area)
    np.testing.assert_allclose(binary_auc(positive, np.exp(scores)), area)


@given(samples())
def test_roc_curve_agrees_with_scikit_learn_and_its_area_is_the_auc(sample):
    truth, probabilities = sample
    positive, scores = truth == 0, probabilities[:, 0]
    curve = roc_curve(positive, scores)
    if positive.all() or not positive.any():
        assert np.isnan(binary_auc(positive, scores))
        return
    rate, hit, threshold = sklearn.metrics.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, rate)
    np.testing.assert_allclose(curve.sensitivity, hit)
    np.testing.assert_allclose(curve.threshold, threshold)
    assert sklearn.metrics.auc(curve.false_positive_rate, curve.sensitivity) == pytest.approx(
        binary_auc(positive, scores)
    )
    kept = corners(curve.false_positive_rate, curve.sensitivity, len(curve.threshold))
    assert sklearn.metrics.auc(curve.false_positive_rate[kept], curve.sensitivity[kept]) == pytest.approx(
        binary_auc(positive, scores)
    )


def test_a_long_roc_curve_is_thinned_to_200_points_that_keep_its_ends_and_area():
    generator = np.random.default_rng(1)
    positive = generator.random(20_000) < 0.3
    scores = generator.normal(size=20_000) + positive
    curve = roc_curve(positive, scores)
    kept = corners(curve.false_positive_rate, curve.sensitivity, 200)
    rate, hit = curve.false_positive_rate[kept], curve.sensitivity[kept]
    assert len(curve.threshold) > 10_000
    assert len(kept) <= 200
    assert (rate[0], hit[0], rate[-1], hit[-1]) == (0, 0, 1, 1)
    assert sklearn.metrics.auc(rate, hit) == pytest.approx(float(binary_auc(positive, scores)), abs=2e-3)


def test_an_absent_class_has_no_figure_and_no_part_in_the_mean():
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)
    np.testing.assert_array_equal(sensitivity(confusion), [0.5, 1.0, np.nan])
    assert balanced_accuracy(confusion) == 0.75
    assert np.isnan(macro_mean(np.array([np.nan, np.nan])))


def test_a_tied_maximum_goes_to_the_first_class():
    assert predicted_class(np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])).tolist() == [0, 1]
