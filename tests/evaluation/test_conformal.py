"""Prediction sets: equal to mapie's, covering as promised in simulation, honest where images are too few."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from mapie.classification import SplitConformalClassifier

from cutis.errors import PredictionsError
from cutis.evaluation.conformal import (
    ConformalSets,
    conformal_limit,
    conformal_result,
    conformity_scores,
    fit_conformal_sets,
)
from cutis.taxonomy import class_set

THREE = class_set("isic2017")


def sample(images: int, seed: int = 0, rare: float = 0.1):
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, size=images, p=[rare, 0.9 - rare, 0.1])
    logits = generator.normal(size=(images, 3)) + np.array([0, 1, 0])
    logits[np.arange(images), truth] += 1.5
    odds = np.exp(logits)
    return truth, odds / odds.sum(axis=1, keepdims=True)


class Fixed:
    """A classifier whose probabilities are its input, as mapie wants one."""

    classes_ = np.arange(3)

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(axis=1)

    def __sklearn_is_fitted__(self):
        return True


class NoChance(np.random.RandomState):
    """mapie draws how much of the true class counts; without chance its APS score is the mass before that class."""

    def uniform(self, low=0.0, high=1.0, size=None):
        return np.ones(size)


def mapies(score, truth, probabilities, new, coverage):
    classifier = SplitConformalClassifier(
        Fixed(), confidence_level=coverage, conformity_score=score, prefit=True, random_state=NoChance()
    )
    classifier.conformalize(probabilities, truth)
    options = {"include_last_label": True} if score == "aps" else {}
    return classifier.predict_set(new, conformity_score_params=options)[1][:, :, 0]


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("score", ["lac", "aps"])
def test_sets_agree_with_mapie(score, coverage):
    truth, probabilities = sample(200)
    new = sample(300, seed=1)[1]
    ours = fit_conformal_sets(
        truth, probabilities, THREE, coverage=coverage, score=score, class_conditional=False, calibrated_on="x"
    )
    np.testing.assert_array_equal(ours.sets(new), mapies(score, truth, probabilities, new, coverage))


def test_class_conditional_limits_are_mapies_of_each_class_alone():
    truth, probabilities = sample(600)
    new = sample(300, seed=1)[1]
    ours = fit_conformal_sets(truth, probabilities, THREE, calibrated_on="x")
    for k in range(3):
        own = truth == k
        expected = mapies("lac", truth[own], probabilities[own], new, 0.9)[:, k]
        np.testing.assert_array_equal(ours.sets(new)[:, k], expected)


@given(st.lists(st.floats(0, 1), min_size=0, max_size=120), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_the_limit_is_the_smallest_score_that_keeps_the_promise(scores, coverage):
    limit = conformal_limit(np.array(scores), coverage)
    enough = math.ceil(round((len(scores) + 1) * coverage, 9))
    if enough > len(scores):
        assert limit == math.inf
    else:
        assert sum(each <= limit for each in scores) >= enough
        assert sum(each < limit for each in scores) < enough


def test_nine_images_promise_ninety_percent_and_eight_do_not():
    assert conformal_limit(np.arange(9) / 10, 0.9) == 0.8
    assert conformal_limit(np.arange(8) / 10, 0.9) == math.inf


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_coverage_is_kept_in_finite_samples_for_every_class(score):
    """Over 400 calibrations on about 30 images of a class, mean coverage is 90 % or a little more."""
    truth, probabilities = sample(400 * 300, seed=3)
    test_truth, test_probabilities = sample(4000, seed=4)
    own = conformity_scores(test_probabilities, score)[np.arange(4000), test_truth]
    covered = np.zeros((400, 3))
    for r in range(400):
        rows = slice(r * 300, (r + 1) * 300)
        sets = fit_conformal_sets(truth[rows], probabilities[rows], THREE, score=score, calibrated_on="x")
        for k, limit in enumerate(sets.limits.values()):
            covered[r, k] = 1 if limit is None else (own[test_truth == k] <= limit).mean()
    error = covered.std(axis=0) / 20 + 0.01  # of 400 calibrations, and of the finite test set
    assert (covered.mean(axis=0) > 0.9 - 2 * error).all()
    assert (covered.mean(axis=0) < 0.9 + 0.04 + 2 * error).all()


def test_marginal_sets_leave_the_rare_class_uncovered_and_conditional_ones_do_not():
    truth, probabilities = sample(10_000, rare=0.05)
    held_out = sample(10_000, seed=1, rare=0.05)
    results = {
        conditional: conformal_result(
            *held_out, fit_conformal_sets(truth, probabilities, THREE, class_conditional=conditional, calibrated_on="x")
        )
        for conditional in (False, True)
    }
    assert results[False].overall.coverage.value == pytest.approx(0.9, abs=0.02)
    assert results[False].by_class[0].coverage.value < 0.8
    assert "less often" in results[False].by_class[0].warning
    assert results[True].by_class[0].coverage.value == pytest.approx(0.9, abs=0.06)
    assert results[True].by_class[0].warning is None


def test_a_class_with_too_few_images_is_always_in_and_said_to_be():
    truth, probabilities = sample(400)
    keep = (truth != 0) | (np.cumsum(truth == 0) <= 5)
    sets = fit_conformal_sets(truth[keep], probabilities[keep], THREE, calibrated_on="x")
    assert sets.always_included == ("melanoma",)
    assert sets.calibration_images["melanoma"] == 5
    new = sample(200, seed=1)
    assert sets.sets(new[1])[:, 0].all()
    result = conformal_result(*new, sets)
    assert result.by_class[0].coverage.value == 1
    assert "5 calibration images" in result.by_class[0].warning
    assert ConformalSets.model_validate_json(sets.model_dump_json()) == sets


def test_sizes_singletons_empty_sets_and_groups_are_counted():
    sets = ConformalSets(
        score="lac",
        coverage=0.9,
        class_conditional=False,
        limits=dict.fromkeys(THREE.ids, 0.5),
        calibration_images=dict.fromkeys(THREE.ids, 100),
        calibrated_on="by hand",
    )
    probabilities = [[0.6, 0.3, 0.1], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.1, 0.9, 0.0]]
    result = conformal_result([0, 1, 2, 0], probabilities, sets, groups={"skin_type": ["I", "I", "VI", "VI"]})
    assert result.sizes == [1, 2, 1, 0]
    assert (result.singletons, result.singletons_right, result.empty) == (0.5, 0.5, 0.25)
    assert result.overall.mean_size == 1
    assert result.overall.coverage.value == 0.5
    assert [(each.name, each.coverage.value) for each in result.by_group["skin_type"]] == [("I", 1), ("VI", 0)]
    assert [each.coverage.value for each in result.by_class] == [0.5, 1, 0]
    assert result.overall.coverage.low < 0.5 < result.overall.coverage.high
    copies = conformal_result(
        [0, 1, 2, 0] * 4, probabilities * 4, sets, clusters=[0, 1, 2, 3] * 4
    ).overall.coverage  # fmt: skip
    naive = conformal_result([0, 1, 2, 0] * 4, probabilities * 4, sets).overall.coverage
    assert copies.high - copies.low > 1.5 * (naive.high - naive.low)
    one = conformal_result([0], probabilities[:1], sets)
    assert (one.overall.coverage.value, one.by_class[1].coverage.value) == (1, None)
    assert one.by_class[1].warning == "no image"


def test_summed_scores_never_leave_a_set_empty():
    sets = fit_conformal_sets(*sample(300), THREE, score="aps", coverage=0.5, calibrated_on="x")
    assert sets.sets(np.array([[0.999, 0.001, 0.0]])).sum() == 1
    np.testing.assert_allclose(conformity_scores(np.array([[0.2, 0.5, 0.3]]), "aps"), [[0.8, 0.0, 0.5]])


def test_strange_input_is_refused():
    truth, probabilities = sample(20)
    sets = fit_conformal_sets(truth, probabilities, THREE, coverage=0.5, calibrated_on="x")
    for call in (
        lambda: fit_conformal_sets(truth, probabilities, THREE, coverage=1.0, calibrated_on="x"),
        lambda: fit_conformal_sets(truth, probabilities, class_set("ham7"), calibrated_on="x"),
        lambda: fit_conformal_sets([0], [[np.nan, 0.5, 0.5]], THREE, calibrated_on="x"),
        lambda: sets.sets(np.full((1, 7), 1 / 7)),
        lambda: sets.sets(np.zeros((0, 3))),
        lambda: conformal_result(truth, probabilities, sets, groups={"sex": ["a"]}),
        lambda: conformal_result(truth, probabilities, sets, clusters=["a"]),
    ):
        with pytest.raises(PredictionsError):
            call()
