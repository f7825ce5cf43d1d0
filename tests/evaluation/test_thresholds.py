"""Thresholds: each rule against a search over all of them, the lists they make, and what is refused."""

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from pydantic import ValidationError

from cutis.errors import PredictionsError
from cutis.evaluation.clinical import malignant_classes
from cutis.evaluation.thresholds import (
    ThresholdRule,
    Thresholds,
    called_classes,
    choose_threshold,
    choose_thresholds,
    differential_lists,
    malignant_specificity,
    rates_at,
)
from cutis.taxonomy import ClassSet, DiagnosisClass, class_set

FOUR = ClassSet(
    name="four",
    source="test",
    classes=(
        DiagnosisClass(id="mel", name="Melanoma", malignancy="malignant"),
        DiagnosisClass(id="nv", name="Nevus", malignancy="benign"),
        DiagnosisClass(id="bcc", name="Basal cell carcinoma", malignancy="malignant"),
        DiagnosisClass(id="bkl", name="Keratosis", malignancy="benign"),
    ),
)


@st.composite
def two_sided(draw):
    """Truth with both kinds and scores with many ties."""
    images = draw(st.integers(2, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    positive = generator.random(images) < 0.4
    positive[0], positive[1] = True, False
    levels = draw(st.sampled_from([2, 6, 1000]))
    return positive, generator.integers(levels, size=images) / levels


def rates(positive, scores, threshold):
    return (scores[positive] >= threshold).mean(), (scores[~positive] < threshold).mean()


def every_threshold(scores):
    return [*np.unique(scores), np.inf]


@given(two_sided())
def test_youden_finds_the_best_sum_and_of_equals_the_most_sensitive(sample):
    positive, scores = sample
    found = rates(positive, scores, choose_threshold(positive, scores))
    everything = [rates(positive, scores, each) for each in every_threshold(scores)]
    best = max(sum(each) for each in everything)
    assert sum(found) == pytest.approx(best)
    assert found[0] == pytest.approx(max(each[0] for each in everything if sum(each) > best - 1e-9))


@given(two_sided(), st.sampled_from([0.0, 0.5, 0.9, 1.0]))
def test_a_wanted_rate_is_kept_and_the_other_is_as_large_as_can_be(sample, target):
    positive, scores = sample
    everything = [rates(positive, scores, each) for each in every_threshold(scores)]
    for kind, kept, other in (("sensitivity", 0, 1), ("specificity", 1, 0)):
        found = rates(positive, scores, choose_threshold(positive, scores, ThresholdRule(kind=kind, target=target)))
        assert found[kept] >= target - 1e-12
        assert found[other] == pytest.approx(max(each[other] for each in everything if each[kept] >= target - 1e-12))


@given(two_sided(), st.sampled_from([(1, 1, None), (20, 1, 0.02), (1, 5, None), (0, 1, 0.5)]))
def test_the_cost_rule_finds_the_least_expected_cost(sample, setting):
    positive, scores = sample
    miss, alarm, prevalence = setting
    share = positive.mean() if prevalence is None else prevalence

    def cost(threshold):
        hit, correct = rates(positive, scores, threshold)
        return share * miss * (1 - hit) + (1 - share) * alarm * (1 - correct)

    rule = ThresholdRule(kind="cost", cost_of_miss=miss, cost_of_alarm=alarm, prevalence=prevalence)
    assert cost(choose_threshold(positive, scores, rule)) == pytest.approx(min(map(cost, every_threshold(scores))))


def test_youden_agrees_with_scikit_learns_curve():
    generator = np.random.default_rng(2)
    positive = generator.random(500) < 0.2
    scores = generator.normal(size=500) + positive
    alarm, hit, threshold = sklearn.metrics.roc_curve(positive, scores, drop_intermediate=False)
    assert choose_threshold(positive, scores) == threshold[np.argmax(hit - alarm)]


def test_constant_scores_call_everything_or_nothing_as_the_rule_asks():
    positive, scores = np.array([True, False, False]), np.full(3, 0.3)
    assert rates(positive, scores, choose_threshold(positive, scores)) == (1, 0)
    all_specific = choose_threshold(positive, scores, ThresholdRule(kind="specificity", target=0.9))
    assert rates(positive, scores, all_specific) == (0, 1)
    assert 0.3 < all_specific < 0.3 + 1e-9


@pytest.mark.parametrize(
    ("positive", "scores"),
    [
        ([True, True], [0.1, 0.2]),
        ([False], [0.1]),
        ([True, False], [0.1, float("nan")]),
        ([True, False], [0.1]),
        ([], []),
    ],
)
def test_one_kind_no_image_and_nan_are_refused(positive, scores):
    with pytest.raises(PredictionsError):
        choose_threshold(np.array(positive, dtype=bool), np.array(scores))


@pytest.mark.parametrize("rule", [{"kind": "sensitivity"}, {"kind": "youden", "target": 0.9}, {"target": 2}])
def test_a_rule_without_its_target_or_with_a_strange_one_is_refused(rule):
    with pytest.raises(ValidationError):
        ThresholdRule(**rule)


@given(two_sided())
def test_rates_over_thresholds_are_those_counted_one_by_one(sample):
    positive, scores = sample
    at = np.array([0.0, 0.25, 0.5, 0.75, 1.0, np.inf])
    expected = np.array([rates(positive, scores, each) for each in at]).T
    np.testing.assert_allclose(np.stack(rates_at(positive, scores, at)), expected)


def test_rates_of_an_absent_kind_are_nan():
    hit, correct = rates_at([True], [0.4], [0.3, 0.5])
    np.testing.assert_array_equal(hit, [1, 0])
    assert np.isnan(correct).all()


def chosen(values: dict[str, float | None]) -> Thresholds:
    return Thresholds.model_validate(
        {
            "rule": {},
            "chosen_on": "by hand",
            "classes": {
                class_id: {"value": value, "sensitivity": None, "specificity": None, "images": 0, "others": 0}
                for class_id, value in values.items()
            },
        }
    )


def test_thresholds_are_chosen_a_class_and_survive_json():
    generator = np.random.default_rng(0)
    truth = generator.integers(3, size=200)  # nobody has bkl
    logits = generator.normal(size=(200, 4))
    logits[np.arange(200), truth] += 1
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    thresholds = choose_thresholds(truth, probabilities, FOUR, chosen_on="validation")
    for k, class_id in enumerate(FOUR.ids[:3]):
        each = thresholds.classes[class_id]
        assert each.value == choose_threshold(truth == k, probabilities[:, k])
        assert (each.sensitivity, each.specificity) == rates(truth == k, probabilities[:, k], each.value)
        assert (each.images, each.others) == ((truth == k).sum(), (truth != k).sum())
    absent = thresholds.classes["bkl"]
    assert (absent.value, absent.sensitivity, absent.images) == (None, None, 0)
    assert not called_classes(probabilities, thresholds)[:, 3].any()
    assert Thresholds.model_validate_json(thresholds.model_dump_json()) == thresholds


def test_the_list_holds_all_classes_above_their_thresholds_in_order():
    thresholds = chosen({"mel": 0.1, "nv": 0.5, "bcc": 0.2, "bkl": 0.2})
    probabilities = np.array([[0.15, 0.55, 0.1, 0.2], [0.08, 0.45, 0.18, 0.19]])
    by_ratio = differential_lists(probabilities, thresholds)
    assert by_ratio[0] == (("mel", "nv", "bkl"), True)  # 1.5, 1.1 and 1.0 times their thresholds
    assert differential_lists(probabilities, thresholds, order="probability")[0] == (("nv", "bkl", "mel"), True)
    # Nothing is above: the nearest stands alone, and the list says so.
    assert by_ratio[1] == (("bkl",), False)
    assert differential_lists(probabilities, thresholds, order="probability")[1] == (("nv",), False)


def test_a_class_without_threshold_is_never_listed_and_one_of_zero_always():
    thresholds = chosen({"mel": None, "nv": 0.0, "bcc": 0.9, "bkl": 0.9})
    assert differential_lists(np.array([[1.0, 0.0, 0.0, 0.0]]), thresholds) == [(("nv",), True)]


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_lists_hold_what_is_called_each_class_once(seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(4), size=20)
    thresholds = chosen({"mel": 0.1, "nv": 0.5, "bcc": 0.3, "bkl": 0.2})
    called = called_classes(probabilities, thresholds)
    for each, row in zip(differential_lists(probabilities, thresholds), called, strict=True):
        assert each.above == row.any()
        if each.above:
            assert sorted(each.classes) == sorted(np.array(FOUR.ids)[row])


def test_specificity_among_benign_and_among_other_malignant_images():
    """Five images: mel, nv, nv, bcc, bkl. Melanoma is called in the first, second and fourth."""
    truth = np.array([0, 1, 1, 2, 3])
    called = np.zeros((5, 4), dtype=bool)
    called[[0, 1, 3], 0] = True
    called[3, 2] = True
    mel, bcc = malignant_specificity(truth, called, malignant_classes(FOUR), FOUR)
    assert (mel.class_id, mel.sensitivity) == ("mel", 1)
    assert mel.specificity_benign == pytest.approx(2 / 3)
    assert mel.specificity_malignant == 0
    assert (bcc.sensitivity, bcc.specificity_benign, bcc.specificity_malignant) == (1, 1, 1)
    alone = malignant_specificity(truth[:1], called[:1], malignant_classes(FOUR), FOUR)[0]
    assert (alone.sensitivity, alone.specificity_benign, alone.specificity_malignant) == (1, None, None)


def test_tables_of_other_classes_are_refused():
    with pytest.raises(PredictionsError, match="4 classes"):
        called_classes(np.zeros((2, 3)), chosen(dict.fromkeys(FOUR.ids, 0.5)))
    with pytest.raises(PredictionsError, match="between 0 and 1"):
        choose_thresholds([0, 1], [[2.0, 0], [0, 1]], class_set("isic2017"), chosen_on="x")
