"""Net benefit against dcurves' values and by hand; biopsies; costs."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from cutis.errors import PredictionsError
from cutis.evaluation.clinical import (
    biopsies_avoided,
    decision_curve,
    expected_cost,
    least_cost_class,
    malignancy_probability,
    malignant_classes,
    number_needed_to_biopsy,
)
from cutis.evaluation.metrics import confusion_matrix
from cutis.taxonomy import class_set, source_classes

AT = [0.05, 0.1, 0.2, 0.35, 0.5, 0.7]


def sample(images: int = 400):
    """Numbers that no generator makes: the reference values below were computed on them by dcurves 1.1.7."""
    i = np.arange(images)
    truth = (i * 7 + i // 5) % 3
    logits = np.stack([np.sin(1.3 * i * (k + 1) + k) for k in range(3)], axis=1) * 2
    logits[i, truth] += 1.0
    odds = np.exp(logits)
    return truth == 1, (odds / odds.sum(axis=1, keepdims=True))[:, 1]


DCURVES = {
    None: {
        "model": [
            0.3446052631578948,
            0.2916666666666667,
            0.23937500000000006,
            0.1965384615384615,
            0.115,
            -0.0008333333333332832,
        ],
        "all": [0.368421052631579, 0.33333333333333337, 0.25, 0.07692307692307698, -0.2, -1.0],
    },
    0.05: {
        "model": [
            0.006041666666666674,
            -0.034027777777777775,
            -0.07307291666666665,
            -0.09714743589743588,
            -0.13510416666666666,
            -0.16173611111111105,
        ],
        "all": [0.0, -0.05555555555555555, -0.1875, -0.4615384615384615, -0.9, -2.1666666666666665],
    },
}


@pytest.mark.parametrize("prevalence", [None, 0.05])
def test_net_benefit_agrees_with_dcurves(prevalence):
    curve = decision_curve(*sample(), AT, prevalence=prevalence)
    np.testing.assert_allclose(curve.model, DCURVES[prevalence]["model"], atol=1e-12)
    np.testing.assert_allclose(curve.treat_all, DCURVES[prevalence]["all"], atol=1e-12)


def test_net_benefit_by_hand():
    """Vickers' sum: at 20 %, a false positive weighs a quarter."""
    positive = np.array([True, True, False, False, False])
    curve = decision_curve(positive, [0.9, 0.1, 0.5, 0.2, 0.0], [0.0, 0.2])
    np.testing.assert_allclose(curve.model, [2 / 5, (1 - 2 / 4) / 5])
    np.testing.assert_allclose(curve.treat_all, [2 / 5, (2 - 3 / 4) / 5])
    np.testing.assert_allclose(biopsies_avoided(curve), [np.nan, (1 / 10 - 1 / 4) * 4])


@given(st.integers(0, 2**32))
def test_a_weight_is_as_many_copies_and_own_prevalence_is_no_prevalence(seed):
    generator = np.random.default_rng(seed)
    positive = np.append([True, False], generator.random(20) < 0.3)
    risk = generator.integers(10, size=22) / 10
    weights = generator.integers(0, 3, size=(22, 2)).astype(float)
    weights[0] += 1
    curve = decision_curve(positive, risk, AT, weights=weights)
    for r in range(2):
        copies = np.repeat(np.arange(22), weights[:, r].astype(int))
        np.testing.assert_allclose(curve.model[r], decision_curve(positive[copies], risk[copies], AT).model)
    plain, stated = (decision_curve(positive, risk, AT, prevalence=p) for p in (None, positive.mean()))
    np.testing.assert_allclose(plain.model, stated.model, atol=1e-12)
    np.testing.assert_allclose(plain.treat_all, stated.treat_all, atol=1e-12)


def test_a_prevalence_needs_both_kinds_and_strange_values_are_refused():
    assert np.isnan(decision_curve([True], [0.4], [0.2], prevalence=0.1).model).all()
    for positive, risk, at, prevalence in (
        ([True], [1.2], [0.2], None),
        ([True], [float("nan")], [0.2], None),
        ([True], [0.5], [1.0], None),
        ([True], [0.5], [0.2], 5),
        ([], [], [0.2], None),
    ):
        with pytest.raises(PredictionsError):
            decision_curve(positive, risk, at, prevalence=prevalence)


def test_number_needed_to_biopsy_is_one_in_the_predictive_value():
    assert number_needed_to_biopsy(1.0, 1.0, 0.01) == 1
    assert number_needed_to_biopsy(0.9, 0.8, 0.1) == pytest.approx((0.09 + 0.18) / 0.09)
    assert np.isnan(number_needed_to_biopsy(0.0, 0.8, 0.1))
    np.testing.assert_allclose(number_needed_to_biopsy([1, 1], [0.5, 0.5], [0.5, 0.1]), [1.5, 5.5])
    with pytest.raises(PredictionsError, match="percentages"):
        number_needed_to_biopsy(90, 0.8, 0.1)


def test_expected_cost_at_the_images_own_and_at_another_prevalence():
    costs = [[0, 10], [1, 0]]
    confusion = np.array([[[8.0, 2], [5, 5]], [[10, 0], [0, 10]]])
    np.testing.assert_allclose(expected_cost(confusion, costs), [25 / 20, 0])
    np.testing.assert_allclose(expected_cost(confusion, costs, [0.1, 0.9]), [0.1 * 2 + 0.9 * 0.5, 0])
    absent = confusion_matrix(np.array([1]), np.array([0]), 2)
    assert expected_cost(absent, costs) == 1
    assert np.isnan(expected_cost(absent, costs, [0.5, 0.5]))
    for bad in ([[0, 1]], [[0, np.nan], [1, 0]]):
        with pytest.raises(PredictionsError):
            expected_cost(confusion, bad)
    with pytest.raises(PredictionsError, match="sum to 1"):
        expected_cost(confusion, costs, [0.5, 0.6])


def test_the_least_cost_answer_beats_every_other_on_calibrated_probabilities():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(3), size=20_000)
    truth = (probabilities.cumsum(axis=1) < generator.random((20_000, 1))).sum(axis=1)
    costs = np.array([[0, 20, 20], [1, 0, 2], [1, 2, 0]])
    best = expected_cost(confusion_matrix(truth, least_cost_class(probabilities, costs), 3), costs)
    for other in (probabilities.argmax(axis=1), np.zeros(20_000, dtype=int)):
        assert best < expected_cost(confusion_matrix(truth, other, 3), costs)
    even = 1 - np.eye(3)
    np.testing.assert_array_equal(least_cost_class(probabilities, even), probabilities.argmax(axis=1))


def test_malignant_classes_and_their_summed_probability():
    ham = class_set("ham7")
    assert [each for each, ill in zip(ham.ids, malignant_classes(ham), strict=True) if ill] == ["akiec", "bcc", "mel"]
    strict = malignant_classes(ham, premalignant=False)
    assert [each for each, ill in zip(ham.ids, strict, strict=True) if ill] == ["bcc", "mel"]
    np.testing.assert_allclose(malignancy_probability(np.full((1, 7), 1 / 7), malignant_classes(ham)), [3 / 7])
    with pytest.raises(PredictionsError, match="not known"):
        malignant_classes(source_classes(["a", "b"]))
