"""An evaluation's sections: malignancy, calibration, operating points, prediction sets, other diseases; roll-up."""

import tracemalloc

import numpy as np
import polars as pl
import pytest
import sklearn.metrics

from cutis.data import manifest_frame
from cutis.errors import PredictionsError, TaxonomyError
from cutis.evaluation import (
    Evaluation,
    Predictions,
    average_precision,
    brier_score,
    choose_thresholds,
    decision_curve,
    delong_interval,
    differential_lists,
    evaluate,
    fit_conformal_sets,
    isic2018_scores,
    number_needed_to_biopsy,
    partial_auc_above_sensitivity,
    top_label_calibration_error,
    transfer_cost,
)
from cutis.taxonomy import class_set, source_classes

HAM7 = class_set("ham7")
ILL = np.array([each.malignancy != "benign" for each in HAM7.classes])


def sample(images: int = 210, classes=HAM7, seed: int = 0, lesion: int = 2):
    """A manifest with ``lesion`` images a lesion, the classes in turn, and predictions that are often right."""
    number = (np.arange(images) // lesion) % len(classes.ids)
    nodes = [(each.nodes or ("acne",))[0] for each in classes.classes]
    rows = [
        {
            "image_id": f"i{n}",
            "lesion_id": f"l{n // lesion}" if lesion > 1 else None,
            "source": "test",
            "diagnosis_node": nodes[k],
            "source_diagnosis": nodes[k],
            "sex": "female" if n % 4 < 2 else "male",
        }
        for n, k in enumerate(number)
    ]
    logits = np.random.default_rng(seed).normal(size=(images, len(classes.ids)))
    logits[np.arange(images), number] += 1.2
    odds = np.exp(logits)
    predictions = Predictions(
        [f"i{n}" for n in range(images)], odds / odds.sum(axis=1, keepdims=True), classes, ["no"] * images
    )
    return manifest_frame(rows), predictions, number


def kept(manifest, predictions, rows):
    """The rows of both that are kept."""
    places = rows.arg_true().to_list()
    ids = [predictions.image_ids[row] for row in places]
    return manifest.filter(rows), Predictions(ids, predictions.probabilities[places], HAM7, ["no"] * len(ids))


def quick(predictions, manifest, **options) -> Evaluation:
    return evaluate(predictions, manifest, resamples=200, **options)


def test_class_figures_agree_with_scikit_learn():
    manifest, predictions, truth = sample()
    evaluation = quick(predictions, manifest)
    answers = predictions.probabilities.argmax(axis=1)
    overall = evaluation.overall
    assert overall.matthews_correlation.value == pytest.approx(sklearn.metrics.matthews_corrcoef(truth, answers))
    assert overall.kappa.value == pytest.approx(sklearn.metrics.cohen_kappa_score(truth, answers))
    assert overall.macro_f1.value == pytest.approx(sklearn.metrics.f1_score(truth, answers, average="macro"))
    assert overall.macro_average_precision.value == pytest.approx(
        sklearn.metrics.average_precision_score(np.eye(7)[truth], predictions.probabilities)
    )
    assert overall.geometric_mean.value == pytest.approx(
        np.mean([np.sqrt(each.sensitivity.value * each.specificity.value) for each in evaluation.by_class])
    )
    assert overall.weighted_kappa is None
    for k, each in enumerate(evaluation.by_class):
        assert each.auc.value == pytest.approx(
            sklearn.metrics.roc_auc_score(truth == k, predictions.probabilities[:, k])
        )
        assert each.average_precision.value == pytest.approx(
            average_precision(truth == k, predictions.probabilities[:, k])
        )
        assert each.auc_delong is None  # two images a lesion
        band, roc = each.roc_band, each.roc
        along = np.interp(band.false_positive_rate, roc.false_positive_rate, roc.sensitivity)
        assert np.all(np.array(band.low) <= along + 0.02)
        assert np.all(np.array(band.high) >= along - 0.02)
        assert each.precision_recall.recall[0] == 0
        assert each.precision_recall.recall[-1] == 1
    for figure in ("macro_f1", "kappa", "matthews_correlation", "geometric_mean", "macro_average_precision"):
        found = getattr(overall, figure)
        assert found.low < found.value < found.high


def test_delongs_interval_is_given_for_independent_images():
    manifest, predictions, truth = sample(lesion=1)
    each = quick(predictions, manifest).by_class[4]
    expected = delong_interval(truth == 4, predictions.probabilities[:, 4])
    assert (each.auc_delong.low, each.auc_delong.high) == pytest.approx(expected)
    assert each.auc_delong.value == pytest.approx(each.auc.value)
    assert abs(each.auc_delong.low - each.auc.low) < 0.05


def test_malignancy_is_the_summed_probability_against_benign():
    manifest, predictions, truth = sample()
    section = quick(predictions, manifest).malignancy
    ill, risk = ILL[truth], predictions.probabilities[:, ILL].sum(axis=1)
    called = ILL[predictions.probabilities.argmax(axis=1)]
    assert section.malignant == ["akiec", "bcc", "mel"]
    assert (section.malignant_images, section.benign_images, section.left_out_images) == (90, 120, 0)
    assert section.auc.value == pytest.approx(sklearn.metrics.roc_auc_score(ill, risk))
    assert section.partial_auc.value == pytest.approx(partial_auc_above_sensitivity(ill, risk))
    assert section.sensitivity.value == pytest.approx(called[ill].mean())
    assert section.specificity.value == pytest.approx((~called)[~ill].mean())
    assert section.own_prevalence.prevalence == pytest.approx(ill.mean())
    assert section.own_prevalence.positive_predictive_value.value == pytest.approx(ill[called].mean())
    assert section.own_prevalence.number_needed_to_biopsy.value == pytest.approx(called.sum() / (called & ill).sum())
    few = section.at_prevalence[0]
    assert few.prevalence == 0.02
    assert few.number_needed_to_biopsy.value == pytest.approx(
        number_needed_to_biopsy(section.sensitivity.value, section.specificity.value, 0.02)
    )
    assert few.number_needed_to_biopsy.low < few.number_needed_to_biopsy.value < few.number_needed_to_biopsy.high
    curve = decision_curve(ill, risk, section.decision_curve.threshold)
    np.testing.assert_allclose([each.value for each in section.decision_curve.model], curve.model, atol=1e-12)
    mel = next(each for each in section.class_specificity if each.id == "mel")
    answers = predictions.probabilities.argmax(axis=1)
    assert mel.benign.value == pytest.approx((answers[~ill] != 4).mean())
    assert mel.malignant.value == pytest.approx((answers[ill & (truth != 4)] != 4).mean())


def test_classes_that_do_not_know_malignancy_have_no_such_section():
    manifest, predictions, _ = sample()
    words = predictions.classes.model_copy(
        update={"classes": tuple(each.model_copy(update={"malignancy": "unknown"}) for each in HAM7.classes)}
    )
    evaluation = quick(Predictions(predictions.image_ids, predictions.probabilities, words), manifest)
    assert evaluation.malignancy is None
    assert evaluation.calibration.malignancy is None


def test_calibration_agrees_with_its_plain_functions():
    manifest, predictions, truth = sample()
    section = quick(predictions, manifest).calibration
    assert section.expected_calibration_error.value == pytest.approx(
        top_label_calibration_error(truth, predictions.probabilities)
    )
    assert section.brier_score.value == pytest.approx(brier_score(truth, predictions.probabilities))
    assert section.log_loss.value == pytest.approx(sklearn.metrics.log_loss(truth, predictions.probabilities))
    parts = section.brier_parts
    assert parts.score == pytest.approx(section.brier_score.value)
    assert parts.score == pytest.approx(parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins)
    assert sum(section.top_label.images) == 210
    assert [each.id for each in section.by_class] == list(HAM7.ids)
    assert section.log_loss.low < section.log_loss.value < section.log_loss.high


def test_thresholds_and_prediction_sets_of_other_images_are_measured():
    manifest, predictions, truth = sample()
    _, elsewhere, shown = sample(420, seed=1)
    thresholds = choose_thresholds(shown, elsewhere.probabilities, HAM7, chosen_on="elsewhere")
    conformal = fit_conformal_sets(shown, elsewhere.probabilities, HAM7, calibrated_on="elsewhere")
    evaluation = quick(predictions, manifest, thresholds=thresholds, conformal=conformal)
    points = evaluation.operating_points
    assert points.thresholds.chosen_on == "elsewhere"
    for k, (each, cost) in enumerate(
        zip(points.by_class, transfer_cost(truth, predictions.probabilities, thresholds), strict=True)
    ):
        assert each.sensitivity.value == pytest.approx(
            (predictions.probabilities[truth == k, k] >= each.threshold).mean()
        )
        assert each.transfer == cost
    lists = differential_lists(predictions.probabilities, thresholds)
    found = points.differential
    assert found.truth_listed.value == pytest.approx(
        np.mean([HAM7.ids[k] in each.classes for k, each in zip(truth, lists, strict=True)])
    )
    assert found.truth_first.value == pytest.approx(
        np.mean([HAM7.ids[k] == each.classes[0] for k, each in zip(truth, lists, strict=True)])
    )
    assert found.mean_size.value == pytest.approx(np.mean([len(each.classes) for each in lists]))
    assert found.none_above.value == pytest.approx(np.mean([not each.above for each in lists]))
    assert sum(found.sizes) == 210
    assert found.sizes[0] == sum(not each.above for each in lists)
    held = conformal.sets(predictions.probabilities)[np.arange(210), truth]
    assert evaluation.conformal.overall.coverage.value == pytest.approx(held.mean())
    assert [each.name for each in evaluation.conformal.by_group["sex"]] == ["female", "male"]


def test_rules_of_other_classes_are_refused_and_their_order_is_nothing():
    manifest, predictions, truth = sample()
    thresholds = choose_thresholds(truth, predictions.probabilities, HAM7, chosen_on="x")
    conformal = fit_conformal_sets(truth, predictions.probabilities, HAM7, calibrated_on="x")
    with pytest.raises(PredictionsError, match="thresholds are for akiec"):
        quick(predictions, manifest, thresholds=thresholds, at=class_set("esteva3"))
    with pytest.raises(PredictionsError, match="prediction sets are of akiec"):
        quick(predictions, manifest, conformal=conformal, at=class_set("esteva3"))
    turned = thresholds.model_copy(update={"classes": dict(reversed(thresholds.classes.items()))})
    one, other = (quick(predictions, manifest, thresholds=each).operating_points for each in (thresholds, turned))
    assert one == other


def test_other_diseases_are_counted_with_and_without_their_class():
    classes = class_set("ham7+other")
    manifest, predictions, truth = sample(240, classes)
    section = quick(predictions, manifest).other
    answers = predictions.probabilities.argmax(axis=1)
    without = predictions.probabilities[:, :7].argmax(axis=1)
    rest = truth == 7
    malignant = np.append(ILL, False)
    assert (section.id, section.images) == ("other", int(rest.sum()))
    assert section.called_other.value == pytest.approx((answers[rest] == 7).mean())
    assert section.malignant_without == malignant[without[rest]].sum()
    assert section.malignant_with == malignant[answers[rest]].sum()
    assert section.false_alarms_saved == section.malignant_without - section.malignant_with > 0
    assert section.share_saved.value == pytest.approx(section.false_alarms_saved / rest.sum())
    cancers = malignant[truth]
    assert section.cancers == cancers.sum()
    assert section.cancers_called_other == (answers[cancers] == 7).sum()
    assert section.sensitivity_lost.value == pytest.approx((malignant[without] & ~malignant[answers])[cancers].mean())
    malignancy = quick(predictions, manifest).malignancy
    assert malignancy.left_out_images == rest.sum()


def test_measured_at_coarser_classes():
    manifest, predictions, truth = sample()
    coarse = quick(predictions, manifest, at=class_set("esteva3"))
    assert coarse.classes.ids == ("benign", "malignant")
    assert coarse.predicted_classes == HAM7
    right = ILL[truth] == (predictions.probabilities[:, ILL].sum(axis=1) > 0.5)
    assert coarse.overall.accuracy.value == pytest.approx(right.mean())
    assert coarse == quick(predictions.rolled_up(class_set("esteva3")), manifest).model_copy(
        update={"evaluated_at": coarse.evaluated_at}
    )
    assert quick(predictions, manifest).predicted_classes == HAM7
    graded = quick(predictions, manifest, at=class_set("risk3"))
    assert graded.overall.weighted_kappa.value is not None
    with pytest.raises(TaxonomyError):
        quick(predictions, manifest, at=class_set("melanoma,nevus"))


def test_images_labelled_above_the_classes_are_scored_at_coarser_ones():
    manifest, predictions, _ = sample()
    row = pl.int_range(pl.len())
    vague = manifest.with_columns(
        diagnosis_node=pl.when(row < 4).then(pl.lit("malignant")).otherwise("diagnosis_node"),
        source_diagnosis=pl.when(row < 4).then(pl.lit("malignant")).otherwise("source_diagnosis"),
    )
    assert quick(predictions, vague).images == 206
    assert quick(predictions, vague, at=class_set("esteva3")).images == 210


def test_diagnoses_of_coarse_classes_that_were_left_out_are_not_scored():
    manifest, predictions, _ = sample()
    acne = manifest.with_columns(
        diagnosis_node=pl.when(pl.int_range(pl.len()) < 4).then(pl.lit("acne")).otherwise("diagnosis_node")
    )
    assert quick(predictions, acne, at=class_set("esteva3")).outside_classes.images == 4


def test_isic_2018_is_scored_as_the_challenge_does():
    manifest, predictions, truth = sample()
    probabilities = predictions.probabilities.copy()
    probabilities[:6] = 1 / 7
    tied = Predictions(predictions.image_ids, probabilities, HAM7)
    evaluation = quick(tied, manifest)
    expected = isic2018_scores(np.eye(7)[truth], probabilities, HAM7.ids)
    assert evaluation.challenge.undecided == evaluation.tied_images == 6
    assert evaluation.challenge.balanced_accuracy == expected.balanced_accuracy
    assert evaluation.challenge.per_category["mel"].auc == expected.per_category["mel"].auc
    others, rest = kept(manifest, predictions, manifest["diagnosis_node"] != "dermatofibroma")
    absent = quick(rest, others).challenge
    assert absent.per_category["df"].auc is None
    assert quick(predictions, manifest, at=class_set("esteva3")).challenge is None


def test_subgroups_are_those_with_a_value():
    manifest, predictions, _ = sample()
    found = quick(predictions, manifest).subgroups
    assert [each.column for each in found] == ["sex", "source"]
    assert [group.group for group in found[0].groups] == ["female", "male"]


@pytest.mark.parametrize("images", [1, 2])
def test_one_case_has_figures_and_no_intervals(images):
    manifest, predictions, _ = sample(images)
    evaluation = quick(predictions, manifest)
    assert evaluation.images == images
    assert evaluation.overall.accuracy.value in (0, 1)
    assert evaluation.overall.accuracy.low is None
    assert evaluation.overall.macro_auc.value is None
    assert evaluation.malignancy.auc.value is None
    assert evaluation.malignancy.roc_band is None
    assert evaluation.calibration.log_loss.value > 0
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_all_of_one_class_has_no_curve_and_says_so():
    manifest, predictions, _ = sample(140)
    melanoma = manifest["diagnosis_node"] == "malignant-melanoma"
    only, few = kept(manifest, predictions, melanoma)
    evaluation = quick(few, only)
    assert evaluation.overall.macro_auc.value is None
    assert evaluation.overall.matthews_correlation.value is None
    assert evaluation.overall.balanced_accuracy.value == evaluation.overall.accuracy.value
    assert evaluation.by_class[4].roc is None
    assert evaluation.malignancy.specificity.value is None
    assert evaluation.malignancy.own_prevalence.number_needed_to_biopsy.value == 1
    assert any("No image shows" in each for each in evaluation.warnings)
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_many_classes_keep_their_cells_without_intervals():
    words = tuple(f"w{n:02}" for n in range(61))
    classes = source_classes(words)
    rows = [{"image_id": f"i{n}", "source": "t", "source_diagnosis": words[n % 61]} for n in range(122)]
    values = np.random.default_rng(0).dirichlet(np.ones(61), size=122)
    evaluation = evaluate(
        Predictions([f"i{n}" for n in range(122)], values, classes), manifest_frame(rows), resamples=100
    )
    assert evaluation.confusion.row_share[0][0].low is None
    assert evaluation.by_class[0].sensitivity.low is not None
    assert evaluation.malignancy is None


@pytest.mark.slow
def test_thirty_thousand_rows_need_bounded_memory():
    manifest, predictions, _ = sample(30_000, lesion=1)
    tracemalloc.start()
    evaluation = evaluate(predictions, manifest, resamples=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert evaluation.images == 30_000
    assert peak < 150e6  # 4 KB a row at most, whatever the number of resamples
