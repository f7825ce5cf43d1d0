"""Robustness: corruption errors as in the paper, paired intervals, and what is refused."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cutis.data import manifest_frame
from cutis.errors import LeakError, PredictionsError
from cutis.evaluation import (
    BaselineErrors,
    Predictions,
    corruption_errors,
    draw_cases,
    evaluate_robustness,
    read_robustness,
    relative_corruption_errors,
    write_robustness,
)
from cutis.taxonomy import class_set, source_classes

HAM7 = class_set("ham7")
GRID = [(name, strength) for name in ("blur", "noise") for strength in (1, 3, 5)]


def manifest_of(images=140, **columns):
    rows = [
        {
            "image_id": f"i{n}",
            "lesion_id": f"l{n // 2}",
            "source": "test",
            "diagnosis_node": HAM7.classes[(n // 2) % 7].nodes[0],
            "source_diagnosis": HAM7.ids[(n // 2) % 7],
        }
        for n in range(images)
    ]
    return manifest_frame(rows).with_columns(**columns)


def answers(manifest, noise=0.0, seed=0, gain=2.0, seen="no"):
    truth = np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])
    logits = np.random.default_rng(0).normal(size=(len(truth), 7))
    logits[np.arange(len(truth)), truth] += gain
    logits += noise * np.random.default_rng(seed).normal(size=logits.shape)
    odds = np.exp(logits)
    return Predictions(
        manifest["image_id"].to_list(), odds / odds.sum(axis=1, keepdims=True), HAM7, [seen] * len(truth)
    )


def spoilt(manifest, per_strength=0.5, gain=2.0):
    return {
        (name, s): answers(manifest, per_strength * s * (1 + k), seed=10 * s + k, gain=gain)
        for k, name in enumerate(("blur", "noise"))
        for s in (1, 3, 5)
    }


def quick(clean, corrupted, manifest, **options):
    return evaluate_robustness(clean, corrupted, manifest, **{"resamples": 200, **options})


@pytest.fixture(scope="module")
def result():
    manifest = manifest_of()
    return quick(answers(manifest), spoilt(manifest), manifest, model="ours")


def test_corruption_error_by_hand():
    # Two corruptions, three strengths: CE = (.3 + .4 + .5) / (.4 + .6 + 1.0) = .6 and (.2 + .2 + .2) / (.3 * 3) = 2/3.
    errors = np.array([[0.3, 0.4, 0.5], [0.2, 0.2, 0.2]])
    baseline = BaselineErrors(np.array([[0.4, 0.6, 1.0], [0.3, 0.3, 0.3]]), 0.2)
    np.testing.assert_allclose(corruption_errors(errors, baseline.corrupted), [0.6, 2 / 3])
    # Relative: (1.2 − .3) / (2.0 − .6) and (.6 − .3) / (.9 − .6).
    relative = relative_corruption_errors(errors, np.array(0.1), baseline)
    np.testing.assert_allclose(relative, [0.9 / 1.4, 1.0])


def test_relative_error_is_not_defined_where_the_baseline_loses_nothing():
    baseline = BaselineErrors(np.array([[0.2, 0.2], [0.1, 0.2], [0.2, 0.3]]), 0.2)
    relative = relative_corruption_errors(np.full((3, 2), 0.4), np.array(0.3), baseline)
    assert np.isnan(relative[:2]).all()
    assert relative[2] == pytest.approx(2.0)


shares = st.floats(0.01, 1.0)


@given(arrays(float, (3, 5), elements=shares), arrays(float, (3, 5), elements=shares), st.floats(0.1, 3))
def test_corruption_error_is_a_ratio(errors, baseline, factor):
    np.testing.assert_allclose(corruption_errors(baseline, baseline), 1)
    np.testing.assert_allclose(
        corruption_errors(factor * errors, baseline), factor * corruption_errors(errors, baseline)
    )
    own = np.array([[sum(errors[c]) / sum(baseline[c])] for c in range(3)])[:, 0]
    np.testing.assert_allclose(corruption_errors(errors, baseline), own)
    # Neither the order of strengths nor a stack of resamples in front matters.
    np.testing.assert_allclose(corruption_errors(errors[:, ::-1], baseline), own)
    np.testing.assert_allclose(corruption_errors(np.stack([errors, errors]), baseline), [own, own])


def test_figures_agree_with_scikit_learn():
    manifest = manifest_of()
    clean, corrupted = answers(manifest), spoilt(manifest)
    result = quick(clean, corrupted, manifest)
    truth = np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])
    ill = np.isin(truth, [HAM7.ids.index(each) for each in ("akiec", "bcc", "mel")])
    mel = HAM7.ids.index("mel")
    base = clean.probabilities.argmax(axis=1)
    for each in result.corruptions:
        for at in each.at:
            values = corrupted[each.name, at.strength].probabilities
            told = values.argmax(axis=1)
            risk = values[:, [HAM7.ids.index(k) for k in ("akiec", "bcc", "mel")]].sum(axis=1)
            called = np.isin(told, [HAM7.ids.index(k) for k in ("akiec", "bcc", "mel")])
            balanced = sklearn.metrics.balanced_accuracy_score(truth, told)
            assert at.figures.error.value == pytest.approx(1 - balanced)
            clean_error = 1 - sklearn.metrics.balanced_accuracy_score(truth, base)
            assert at.change.error.value == pytest.approx(1 - balanced - clean_error)
            assert at.figures.malignant_sensitivity.value == pytest.approx(called[ill].mean())
            assert at.figures.malignant_specificity.value == pytest.approx(1 - called[~ill].mean())
            assert at.figures.malignant_auc.value == pytest.approx(sklearn.metrics.roc_auc_score(ill, risk))
            assert at.figures.melanoma_sensitivity.value == pytest.approx((told[truth == mel] == mel).mean())
            auc = sklearn.metrics.roc_auc_score(truth == mel, values[:, mel])
            assert at.figures.melanoma_auc.value == pytest.approx(auc)
            assert at.flipped.value == pytest.approx((told != base).mean())


def test_means_are_over_strengths_and_then_over_all(result):
    errors = np.array([[at.figures.error.value for at in each.at] for each in result.corruptions])
    assert [each.mean.error.value for each in result.corruptions] == pytest.approx(errors.mean(axis=1).tolist())
    assert result.mean.error.value == pytest.approx(errors.mean())
    assert result.mean_change.error.value == pytest.approx(errors.mean() - result.clean.error.value)
    assert result.strengths == [1, 3, 5]
    assert [each.name for each in result.corruptions] == ["blur", "noise"]


def test_the_same_predictions_lose_nothing_for_sure():
    manifest = manifest_of()
    clean = answers(manifest)
    result = quick(clean, dict.fromkeys(GRID, clean), manifest)
    for each in result.corruptions:
        assert (each.mean_change.error.value, each.mean_change.error.low, each.mean_change.error.high) == (0, 0, 0)
        assert each.mean_flipped.value == 0
    assert result.clean.error.low < result.clean.error.high  # chance is there, but it is the same chance


def test_pairing_makes_changes_surer_than_figures(result):
    first = result.corruptions[0].at[0]
    assert first.change.error.high - first.change.error.low < first.figures.error.high - first.figures.error.low


def test_without_a_baseline_there_is_no_corruption_error(result):
    assert result.baseline is None
    assert result.mean_corruption_error.value is None
    assert result.corruptions[0].corruption_error.value is None


def test_against_a_baseline(result, tmp_path):
    manifest = manifest_of()
    write_robustness(result, tmp_path / "base.json")
    base = read_robustness(tmp_path / "base.json")
    assert base == result
    same = quick(answers(manifest), spoilt(manifest), manifest, baseline=base)
    assert same.baseline == "ours"
    assert same.mean_corruption_error.value == pytest.approx(1)
    assert same.relative_mean_corruption_error.value == pytest.approx(1)
    better = quick(answers(manifest, gain=4.0), spoilt(manifest, gain=4.0), manifest, baseline=base)
    errors = [[at.figures.error.value for at in each.at] for each in better.corruptions]
    of_base = [[at.figures.error.value for at in each.at] for each in base.corruptions]
    by_hand = [sum(e) / sum(b) for e, b in zip(errors, of_base, strict=True)]
    assert [each.corruption_error.value for each in better.corruptions] == pytest.approx(by_hand)
    assert better.mean_corruption_error.value == pytest.approx(sum(by_hand) / 2)
    assert better.mean_corruption_error.high < 1


def test_a_baseline_that_loses_nothing_is_told(result):
    manifest = manifest_of()
    clean = answers(manifest)
    flat = quick(clean, dict.fromkeys(GRID, clean), manifest, model="stone")
    told = quick(clean, spoilt(manifest), manifest, baseline=flat)
    assert told.relative_mean_corruption_error.value is None
    assert told.mean_corruption_error.value > 1
    assert any("loses nothing by blur, noise" in each for each in told.warnings)


def test_a_baseline_of_other_images_or_strengths_is_refused(result):
    some = manifest_of(70)
    with pytest.raises(PredictionsError, match=r"'ours' was measured on other images \(140\)"):
        quick(answers(some), spoilt(some), some, baseline=result)
    manifest = manifest_of()
    more = {**spoilt(manifest), ("jpeg", 1): answers(manifest), ("jpeg", 3): answers(manifest)}
    more["jpeg", 5] = answers(manifest)
    with pytest.raises(PredictionsError, match="'ours' has no error for jpeg 1, jpeg 3, jpeg 5"):
        quick(answers(manifest), more, manifest, baseline=result)


def test_rows_may_come_in_any_order():
    manifest = manifest_of()
    clean, corrupted = answers(manifest), spoilt(manifest)
    order = np.random.default_rng(0).permutation(140)
    mixed = {
        at: Predictions([each.image_ids[n] for n in order], each.probabilities[order], HAM7, ["no"] * 140)
        for at, each in corrupted.items()
    }
    one, other = (quick(clean, each, manifest) for each in (corrupted, mixed))
    assert one.corruptions == other.corruptions


def test_refused():
    manifest = manifest_of()
    clean, corrupted = answers(manifest), spoilt(manifest)
    with pytest.raises(PredictionsError, match="no predictions of corrupted images"):
        quick(clean, {}, manifest)
    with pytest.raises(PredictionsError, match="no predictions for noise 5"):
        quick(clean, {at: each for at, each in corrupted.items() if at != ("noise", 5)}, manifest)
    short = Predictions(clean.image_ids[:-1], clean.probabilities[:-1], HAM7)
    with pytest.raises(PredictionsError, match="for blur 3 lack 1 of 140 images: i139"):
        quick(clean, {**corrupted, ("blur", 3): short}, manifest)
    other = Predictions(clean.image_ids, clean.probabilities, source_classes(list("abcdefg")))
    with pytest.raises(PredictionsError, match="for blur 3 tell a, b"):
        quick(clean, {**corrupted, ("blur", 3): other}, manifest)
    with pytest.raises(LeakError, match="was trained on"):
        quick(answers(manifest, seen="lesion"), corrupted, manifest)
    with pytest.raises(PredictionsError, match="10 resamples are too few"):
        quick(clean, corrupted, manifest, resamples=10)


def test_a_class_without_images_and_few_images_are_told():
    manifest = manifest_of().filter(~(manifest_of()["source_diagnosis"].is_in(["df", "mel"])))
    result = quick(answers(manifest), spoilt(manifest), manifest)
    assert result.clean.melanoma_sensitivity.value is None
    assert result.clean.melanoma_auc.value is None
    assert result.images_of_class["df"] == 0
    assert any("No image shows Dermatofibroma, Melanoma" in each for each in result.warnings)
    json_ready = result.model_dump_json()
    assert "NaN" not in json_ready


def test_classes_that_know_no_malignancy():
    manifest = manifest_of()
    classes = source_classes(list(HAM7.ids))
    order = [HAM7.ids.index(each) for each in classes.ids]

    def renamed(each):
        return Predictions(each.image_ids, each.probabilities[:, order], classes)

    result = quick(renamed(answers(manifest)), {at: renamed(p) for at, p in spoilt(manifest).items()}, manifest)
    assert result.clean.malignant_sensitivity.value is None
    assert result.mean_change.malignant_auc.value is None
    assert result.clean.error.value is not None
    assert not result.training_data_known


def test_draw_cases_takes_whole_lesions_of_the_subset():
    manifest = manifest_of(200, subset=np.array(["train"] * 100 + ["test"] * 100))
    drawn = draw_cases(manifest, 31, seed=1)
    assert set(drawn["subset"]) == {"test"}
    assert len(drawn) == 30
    assert drawn["lesion_id"].value_counts()["count"].to_list() == [2] * 15
    assert drawn.equals(draw_cases(manifest, 31, seed=1))
    assert not drawn.equals(draw_cases(manifest, 31, seed=2))
    assert drawn["image_id"].to_list() == [each for each in manifest["image_id"] if each in set(drawn["image_id"])]
    assert len(draw_cases(manifest, None)) == 100
    assert len(draw_cases(manifest, 500, subset="train")) == 100
    assert len(draw_cases(manifest, 1)) == 2  # a case is never cut
    with pytest.raises(PredictionsError, match="0 images cannot be drawn"):
        draw_cases(manifest, 0)
