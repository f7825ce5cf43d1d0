"""ISIC 2018 task 3 against the organisers' own package, figure for figure."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isic_challenge_scoring import ClassificationMetric, ClassificationScore, metrics
from isic_challenge_scoring.load_csv import parse_truth_csv

from cutis.errors import PredictionsError
from cutis.evaluation.challenge import isic2018_scores, isic2018_scores_of_files

CATEGORIES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
TARGETS = {
    "balanced_accuracy": ClassificationMetric.BALANCED_ACCURACY,
    "auc": ClassificationMetric.AUC,
    "average_precision": ClassificationMetric.AVERAGE_PRECISION,
}
FIGURES = {"auc_above_80_sensitivity": "auc_sens_80", "average_precision": "ap"}


def official(truth, probabilities, score_weights, validation_weights, target):
    weights = pd.DataFrame({"score_weight": score_weights, "validation_weight": validation_weights})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package uses what numpy and pandas deprecate
        return ClassificationScore(
            pd.DataFrame(truth, columns=list(CATEGORIES)),
            pd.DataFrame(probabilities, columns=list(CATEGORIES)),
            weights,
            TARGETS[target],
        )


def assert_same(ours, theirs):
    np.testing.assert_allclose(ours.overall, theirs.overall, atol=1e-9)
    np.testing.assert_allclose(ours.validation, theirs.validation, atol=1e-9)
    np.testing.assert_allclose(ours.balanced_accuracy, theirs.aggregate["balanced_accuracy"], atol=1e-9)
    for figure in vars(ours.macro_average):
        name = FIGURES.get(figure, figure)
        np.testing.assert_allclose(getattr(ours.macro_average, figure), theirs.macro_average[name], atol=1e-9)
        for category in CATEGORIES:
            expected = theirs.per_category.loc[category, name]
            np.testing.assert_allclose(getattr(ours.per_category[category], figure), expected, atol=1e-9)


def entry(seed, count, levels=None):
    """Truth and predictions; ``levels`` rounds them, so that scores and maxima tie."""
    generator = np.random.default_rng(seed)
    shown = np.append(np.arange(7), generator.choice(7, size=count - 7, p=[0.11, 0.67, 0.05, 0.03, 0.11, 0.01, 0.02]))
    logits = generator.normal(size=(count, 7)) * 1.5
    logits[np.arange(count), shown] += 2
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    if levels:
        probabilities = np.round(probabilities * levels) / levels
    return np.eye(7)[shown], probabilities


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(14, 120),
    st.sampled_from([None, 3, 10]),
    st.booleans(),
    st.sampled_from(list(TARGETS)),
)
def test_every_figure_is_the_official_one(seed, count, levels, weighted, target):
    truth, probabilities = entry(seed, count, levels)
    generator = np.random.default_rng(seed + 1)
    score, validation = np.ones(count), np.ones(count)
    if weighted:
        score = np.where(np.arange(count) < 7, 1.0, generator.choice([0.0, 0.5, 1, 2], size=count))
        validation = (generator.random(count) < 0.4).astype(float)
    validation[:2] = 1  # both kinds of two categories
    ours = isic2018_scores(
        truth, probabilities, CATEGORIES, score_weights=score, validation_weights=validation, target=target
    )
    assert_same(ours, official(truth, probabilities, score, validation, target))


def test_a_file_of_the_size_of_the_challenge_gives_the_official_figures(tmp_path):
    truth, probabilities = entry(0, 1512)
    probabilities = np.round(probabilities, 6)
    images = [f"ISIC_{34524 + n:07d}" for n in range(1512)]
    assert "ISIC_0035068" in images  # the image that the organisers withdrew
    validation = (np.arange(1512) % 7 == 0).astype(float)
    true = pd.DataFrame(truth, columns=list(CATEGORIES)).assign(
        image=images, score_weight=1.0, validation_weight=validation
    )
    true = true[["image", *CATEGORIES, "score_weight", "validation_weight"]]
    true.to_csv(tmp_path / "truth.csv", index=False)
    predicted = pd.DataFrame(probabilities, columns=list(CATEGORIES)).assign(image=[f"{each}.jpg" for each in images])
    predicted[["image", *reversed(CATEGORIES)]].sample(frac=1, random_state=0).to_csv(tmp_path / "p.csv", index=False)
    with (tmp_path / "truth.csv").open() as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        true_probabilities, weights = parse_truth_csv(stream)
    theirs = official(true_probabilities.to_numpy(), probabilities, *weights.to_numpy().T, target="balanced_accuracy")
    assert weights.score_weight["ISIC_0035068"] == 0
    assert_same(isic2018_scores_of_files(tmp_path / "truth.csv", tmp_path / "p.csv"), theirs)


@pytest.mark.parametrize(
    ("shown", "answered", "expected"),
    [  # the organisers' tests/test_metrics_multiclass.py
        ([0, 1, 0], [0, 0, 0], 1 / 2),
        ([0, 1, 0, 0], [0, 0, 0, 1], 1 / 3),
        ([0, 1, 0, 0], [1, 0, 1, 1], 0),
        ([0, 1], [0, 1], 1),
        ([1], [1], 1),
    ],
)
def test_balanced_accuracy_of_the_organisers_own_cases(shown, answered, expected):
    scores = isic2018_scores(np.eye(7)[shown], np.eye(7)[answered], CATEGORIES)
    assert scores.balanced_accuracy == pytest.approx(expected)


def test_a_tied_maximum_is_undecided_and_wrong():
    probabilities = np.eye(7)[[0, 1, 2]]
    probabilities[1] = [0.4, 0.4, 0.2, 0, 0, 0, 0]
    probabilities[2] = 0
    scores = isic2018_scores(np.eye(7)[[0, 1, 2]], probabilities, CATEGORIES)
    assert scores.undecided == 2
    assert scores.balanced_accuracy == pytest.approx(1 / 3)


def test_the_area_above_80_sensitivity_of_the_organisers_own_cases():
    for scores in ([0.2, 0.4, 0.6, 0.8], [0.3, 0.7, 0.3, 0.7], [0.8, 0.6, 0.4, 0.2]):
        truth = np.array([[0.0, 1], [0, 1], [1, 0], [1, 0]])
        probabilities = np.column_stack([scores, 1 - np.array(scores)])
        ours = isic2018_scores(truth, probabilities, ("A", "B")).per_category["A"].auc_above_80_sensitivity
        once = pd.Series(np.ones(4))
        expected = metrics.auc_above_sensitivity(pd.Series(truth[:, 0]), pd.Series(scores), once, 0.8)
        assert ours == pytest.approx(expected, abs=1e-12)


def test_an_absent_category_has_the_officials_free_ones_and_no_auc():
    truth, probabilities = np.eye(7)[[0, 1, 0, 1]], np.eye(7)[[0, 1, 1, 1]]
    scores = isic2018_scores(truth, probabilities, CATEGORIES)
    absent = scores.per_category["DF"]
    assert (absent.sensitivity, absent.ppv, absent.dice, absent.average_precision) == (1, 1, 1, 0)
    assert np.isnan([absent.auc, absent.auc_above_80_sensitivity]).all()
    assert scores.balanced_accuracy == pytest.approx(0.75)
    assert scores.macro_average.auc == pytest.approx(0.75)


def test_weights_stay_with_their_image_whatever_the_order_of_the_file(tmp_path):
    truth, probabilities = entry(3, 60)
    images = [f"i{n:02d}" for n in range(60)]
    table = pd.DataFrame(truth, columns=list(CATEGORIES)).assign(
        image=images, score_weight=np.arange(60) % 3, validation_weight=1.0
    )
    pd.DataFrame(probabilities, columns=list(CATEGORIES)).assign(image=images).to_csv(tmp_path / "p.csv", index=False)
    table.to_csv(tmp_path / "sorted.csv", index=False)
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "shuffled.csv", index=False)
    sorted_, shuffled = (
        isic2018_scores_of_files(tmp_path / f"{name}.csv", tmp_path / "p.csv") for name in ("sorted", "shuffled")
    )
    assert vars(shuffled.macro_average) == pytest.approx(vars(sorted_.macro_average))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="DF"), "1 columns are missing: DF"),
        (lambda t: t.assign(OTHER=0.0), "1 columns are too many: OTHER"),
        (lambda t: t.iloc[1:], "1 images are missing: i00"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "1 images are there twice: i00"),
        (lambda t: t.assign(image="x" + t.image), "20 images are missing"),
        (
            lambda t: t.assign(MEL=[1.2, *t.MEL[1:]]),
            "missing or not between 0 and 1: i00",
        ),
        (lambda t: t.assign(MEL=["high", *t.MEL[1:]]), "not between 0 and 1: i00"),
        (lambda t: t.assign(MEL=[None, *t.MEL[1:]]), "values that are missing"),
        (lambda t: t.rename(columns={"image": "id"}), "column 'image' is missing"),
    ],
)
def test_files_that_do_not_fit_are_refused_with_what_is_wrong(tmp_path, change, message):
    truth, probabilities = entry(5, 20)
    images = [f"i{n:02d}" for n in range(20)]
    pd.DataFrame(truth, columns=list(CATEGORIES)).assign(image=images).to_csv(tmp_path / "truth.csv", index=False)
    table = pd.DataFrame(probabilities, columns=list(CATEGORIES)).assign(image=images)
    change(table).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(PredictionsError, match=message) as caught:
        isic2018_scores_of_files(tmp_path / "truth.csv", tmp_path / "p.csv")
    assert "p.csv" in str(caught.value)
