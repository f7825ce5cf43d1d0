"""Calibration of a bundle: what is fitted on validation images, and that the promise of its sets is kept."""

import dataclasses
from functools import partial

import numpy as np
import polars as pl
import pytest
import torch

from cutis.data import content_key, manifest_frame
from cutis.errors import LeakError, ManifestError
from cutis.evaluation import (
    IsotonicScaling,
    TemperatureScaling,
    VectorScaling,
    conformal_result,
    differential_lists,
    fit_conformal_sets,
    fit_isotonic_scaling,
    fit_temperature_scaling,
)
from cutis.models import (
    Bundle,
    Calibration,
    LesionClassifier,
    Outputs,
    load_bundle,
    predict_manifest,
    save_bundle,
)
from cutis.taxonomy import source_classes
from cutis.training import calibrate
from cutis.training.calibrate import calibrated, conformal_sets

WORDS = ("blue", "brown", "red")
CLASSES = source_classes(list(WORDS))


def sample(images, seed, shares=(0.45, 0.45, 0.1), sharpness=2.5):
    """Class numbers and the logits of a model that is far too sure of itself."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, size=images, p=shares)
    return truth, sharpness * (rng.normal(0, 1, (images, 3)) + 1.6 * np.eye(3)[truth])


def rows_of(truth, images_a_lesion=1, **more):
    return manifest_frame(
        [
            {
                "image_id": f"i{n}",
                "source": "clinic",
                "lesion_id": f"l{n // images_a_lesion}",
                "source_diagnosis": WORDS[k],
            }
            | more
            for n, k in enumerate(truth.tolist())
        ]
    )


@pytest.fixture
def bundle(small_recipe):
    """An untrained bundle that learnt from one image of one lesion."""
    torch.manual_seed(0)
    recipe = small_recipe("loss.logit_adjustment=0", "sampling.balance=0", "model.patient=[]")
    record = rows_of(np.array([0]), image_id="learnt", lesion_id="learnt").with_columns(
        content_key=pl.lit("0" * 32), role=pl.lit("train")
    )
    return Bundle(
        model=LesionClassifier(recipe.model, 3, recipe.image.inference).eval(),
        classes=CLASSES,
        recipe=recipe.model_dump(mode="json"),
        calibration=Calibration(),
        training_record=record,
    )


def outputs_of(logits):
    return Outputs(logits, [f"{n:032x}" for n in range(1, len(logits) + 1)], ["no"] * len(logits))


def test_scaling_thresholds_sets_figures_and_card_are_fitted_on_the_rows(bundle):
    truth, logits = sample(300, seed=1)
    made = calibrated(bundle, rows_of(truth), outputs_of(logits))
    assert made.calibration.scaling == fit_temperature_scaling(logits, truth, prior="training")
    assert made.calibration.prior == "training"
    assert made.calibration.fitted_on == "clinic, validation, 300 images"
    probabilities = made.calibration.probabilities(logits)
    for k, class_id in enumerate(CLASSES.ids):
        at = made.thresholds.classes[class_id]
        assert at.sensitivity == (probabilities[truth == k, k] >= at.value).mean()
    assert differential_lists(probabilities, made.thresholds)[0].classes
    assert made.conformal.coverage == 0.9
    assert sum(made.conformal.calibration_images.values()) == 300
    assert made.evaluation["images"] == 300
    assert f"| blue | {made.thresholds.classes['blue'].value:.3g} | {(truth == 0).sum()} | " in made.card
    assert "These validation images also decided how probabilities are scaled" in made.card
    assert made.about["validation_images"] == 300


@pytest.mark.parametrize(("kind", "type_"), [("vector", VectorScaling), ("isotonic", IsotonicScaling)])
def test_the_kind_of_scaling_can_be_chosen(bundle, kind, type_):
    truth, logits = sample(200, seed=2)
    by_call = calibrated(bundle, rows_of(truth), outputs_of(logits), kind=kind)
    by_recipe = calibrated(
        dataclasses.replace(bundle, recipe=bundle.recipe | {"calibration": kind}), rows_of(truth), outputs_of(logits)
    )
    assert isinstance(by_call.calibration.scaling, type_)
    assert by_recipe.calibration == by_call.calibration


def test_a_bundle_of_an_older_recipe_gets_a_temperature(bundle):
    truth, logits = sample(60, seed=2)
    old = {name: value for name, value in bundle.recipe.items() if name != "calibration"}
    made = calibrated(dataclasses.replace(bundle, recipe=old), rows_of(truth), outputs_of(logits))
    assert isinstance(made.calibration.scaling, TemperatureScaling)
    assert made.recipe == old


def coverage_by_class(sets, scaling, seed):
    truth, logits = sample(6000, seed)
    result = conformal_result(truth, scaling.probabilities(logits), sets)
    return [each.coverage.value for each in result.by_class]


def test_sets_keep_their_promise_where_those_of_the_very_images_fitted_on_do_not():
    fit = partial(fit_isotonic_scaling, prior="training")
    across, same = [], []
    for seed in range(24):
        truth, logits = sample(200, seed)
        scaling = fit(logits, truth)
        sets = conformal_sets(rows_of(truth), truth, logits, CLASSES, fit, coverage=0.9)
        across.append(coverage_by_class(sets, scaling, 1000 + seed))
        twice = fit_conformal_sets(truth, scaling.probabilities(logits), CLASSES, calibrated_on="the same")
        same.append(coverage_by_class(twice, scaling, 1000 + seed))
    assert np.mean(across, axis=0).min() > 0.885
    assert np.mean(same) < 0.89 < 0.9 < np.mean(across)


def test_sets_count_one_image_of_each_lesion():
    truth, logits = sample(60, seed=3)
    truth, logits = np.repeat(truth, 4), np.repeat(logits, 4, axis=0)
    fit = partial(fit_temperature_scaling, prior="training")
    sets = conformal_sets(rows_of(truth, images_a_lesion=4), truth, logits, CLASSES, fit, coverage=0.9)
    assert sets.calibrated_on.startswith("clinic, validation, 60 images, one a lesion")
    again = conformal_sets(rows_of(truth, images_a_lesion=4), truth, logits, CLASSES, fit, coverage=0.9)
    assert again == sets


def test_classes_of_too_few_cases_share_a_promise():
    rng = np.random.default_rng(0)
    truth = np.array([0] * 40 + [1] * 6 + [2] * 5)
    logits = rng.normal(0, 1, (51, 3)) + 2 * np.eye(3)[truth]
    fit = partial(fit_temperature_scaling, prior="training")
    sets = conformal_sets(rows_of(truth), truth, logits, CLASSES, fit, coverage=0.9)
    assert sets.calibration_images == {"blue": 40, "brown": 11, "red": 11}
    assert sets.limits["brown"] == sets.limits["red"]
    assert sets.limits["brown"] is not None
    assert sets.class_conditional
    assert sets.calibrated_on.endswith("brown and red together, as there are too few of each")


def test_where_all_classes_are_rare_the_promise_is_for_all_images():
    truth = np.repeat([0, 1, 2], 8)
    logits = np.random.default_rng(0).normal(0, 1, (24, 3)) + 2 * np.eye(3)[truth]
    fit = partial(fit_temperature_scaling, prior="training")
    sets = conformal_sets(rows_of(truth), truth, logits, CLASSES, fit, coverage=0.9)
    assert not sets.class_conditional
    assert len(set(sets.limits.values())) == 1


def test_a_few_cases_promise_nothing(bundle):
    truth, logits = sample(76, seed=4, shares=(0.4, 0.3, 0.3))
    few = calibrated(bundle, rows_of(truth, images_a_lesion=4), outputs_of(logits))  # 19 lesions
    assert few.conformal is None
    assert few.thresholds is not None
    one_patient = calibrated(bundle, rows_of(truth, patient_id="p"), outputs_of(logits))
    assert one_patient.conformal is None


def test_rows_enter_the_record_once(bundle):
    truth, logits = sample(40, seed=5)
    once = calibrated(bundle, rows_of(truth), outputs_of(logits))
    assert once.training_record["role"].to_list() == ["train"] + ["val"] * 40
    twice = calibrated(once, rows_of(truth), outputs_of(logits))
    assert twice.training_record.equals(once.training_record)


def test_images_labelled_with_no_class_are_left_out(bundle):
    truth, logits = sample(40, seed=6)
    rows = rows_of(truth).with_columns(
        source_diagnosis=pl.when(pl.col("image_id") == "i0").then(pl.lit("wart")).otherwise("source_diagnosis")
    )
    assert calibrated(bundle, rows, outputs_of(logits)).calibration.fitted_on == "clinic, validation, 39 images"


def test_a_saved_bundle_is_calibrated_anew_on_photographs(bundle, discs, tmp_path):
    save_bundle(bundle, tmp_path / "old")
    made = calibrate(load_bundle(tmp_path / "old"), discs, coverage=0.8)
    save_bundle(made, tmp_path / "new")
    back = load_bundle(tmp_path / "new")
    assert back.conformal == made.conformal
    assert back.conformal.coverage == 0.8
    assert back.thresholds == made.thresholds
    assert back.calibration == made.calibration
    assert set(back.training_record.filter(pl.col("role") == "val")["image_id"]) == set(discs["image_id"])
    assert calibrate(back, discs, coverage=0.8).calibration == made.calibration  # validation images may be used again


def test_what_was_learnt_from_and_test_images_are_refused(bundle, discs):
    learnt = discs.filter(pl.col("image_id") == "d3").with_columns(content_key=pl.lit("f" * 32), role=pl.lit("train"))
    taught = dataclasses.replace(bundle, training_record=learnt)
    with pytest.raises(LeakError, match="d2 .lesion l1"):
        calibrate(taught, discs)
    with pytest.raises(ManifestError, match="1 of 48 rows to calibrate on are of subset test or excluded"):
        calibrate(bundle, discs.with_columns(subset=pl.when(pl.col("image_id") == "d3").then(pl.lit("test"))))


def test_too_little_is_told_before_any_work(bundle, discs):
    with pytest.raises(ManifestError, match="none of 48 validation images has a diagnosis of one class"):
        calibrate(bundle, discs.with_columns(source_diagnosis=pl.lit("wart")))
    with pytest.raises(ManifestError, match="'vector' needs two validation lesions or more of each class.*red"):
        calibrate(bundle, discs.filter(pl.col("source_diagnosis") != "red"), kind="vector")


def test_the_score_of_unfamiliarity_is_fitted_on_training_images(bundle, discs, tmp_path):
    record = discs[:24].with_columns(
        content_key=pl.Series([content_key(path) for path in discs["image_path"][:24]]), role=pl.lit("train")
    )
    taught = dataclasses.replace(bundle, training_record=record)
    assert calibrate(taught, discs[24:]).familiarity is None
    made = calibrate(taught, discs[24:], training=discs[:24])
    facts = made.familiarity.facts
    assert (facts.fitted_on, facts.measured_on) == (
        "discs, training, 12 images, one a lesion",
        "discs, validation, 24 images",
    )
    assert made.evaluation["unfamiliarity"]["overall"]["images"] == 24
    assert "How unfamiliar an image is" in made.card
    scores = predict_manifest(made, discs).unfamiliarity
    assert (scores[24:] <= 1).mean() == pytest.approx(23 / 24)  # 95 % of 24, and not fewer
    assert np.median(scores[24:]) == pytest.approx(0, abs=0.3)
    save_bundle(made, tmp_path / "b")
    again = calibrate(load_bundle(tmp_path / "b"), discs[24:44])  # its own images, measured anew
    assert again.familiarity.facts.fitted_on == facts.fitted_on
    assert again.familiarity.facts.measured_on == "discs, validation, 20 images"
    few = calibrate(load_bundle(tmp_path / "b"), discs[24:40])
    assert few.familiarity is None


def test_unfamiliarity_is_fitted_on_nothing_the_model_did_not_learn_from(bundle, discs):
    with pytest.raises(ManifestError, match="did not learn from 4 of 4 rows: d0, d1, d2, d3"):
        calibrate(bundle, discs[24:], training=discs[:4])
