"""Predictions against a manifest: what is counted, what is refused, and what the result says of itself."""

import json
import sys

import numpy as np
import polars as pl
import pytest
import sklearn.metrics

from cutis.data import manifest_frame
from cutis.errors import LeakError, PredictionsError
from cutis.evaluation import Evaluation, Predictions, evaluate, scored_images, write_evaluation
from cutis.evaluation.evaluate import resamples_made
from cutis.taxonomy import class_set, source_classes

HAM7 = class_set("ham7")


def manifest_of(images: int = 140, **columns) -> pl.DataFrame:
    """Two images a lesion, the seven classes in turn, no split."""
    rows = [
        {
            "image_id": f"i{n}",
            "lesion_id": f"l{n // 2}",
            "source": "test",
            "license": "CC0",
            "diagnosis_node": HAM7.classes[(n // 2) % 7].nodes[0],
            "source_diagnosis": HAM7.ids[(n // 2) % 7],
        }
        for n in range(images)
    ]
    return manifest_frame(rows).with_columns(**columns)


def predictions_for(manifest: pl.DataFrame, seen: str | None = "no", seed: int = 0) -> Predictions:
    truth = np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])
    logits = np.random.default_rng(seed).normal(size=(len(truth), 7))
    logits[np.arange(len(truth)), truth] += 1.2
    odds = np.exp(logits)
    known = None if seen is None else [seen] * len(truth)
    return Predictions(manifest["image_id"].to_list(), odds / odds.sum(axis=1, keepdims=True), HAM7, known)


def quick(predictions: Predictions, manifest: pl.DataFrame, **options) -> Evaluation:
    return evaluate(predictions, manifest, resamples=200, **options)


def test_figures_agree_with_scikit_learn():
    manifest = manifest_of()
    predictions = predictions_for(manifest)
    evaluation = quick(predictions, manifest)
    truth = np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])
    answers = predictions.probabilities.argmax(axis=1)
    overall = evaluation.overall
    assert overall.accuracy.value == pytest.approx(sklearn.metrics.accuracy_score(truth, answers))
    assert overall.balanced_accuracy.value == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, answers))
    assert overall.macro_auc.value == pytest.approx(
        sklearn.metrics.roc_auc_score(truth, predictions.probabilities, multi_class="ovr")
    )
    assert overall.top_k_accuracy[1] == overall.accuracy
    assert list(overall.top_k_accuracy) == [1, 2, 3]
    assert evaluation.confusion.counts == sklearn.metrics.confusion_matrix(truth, answers).tolist()
    for k, each in enumerate(evaluation.by_class):
        assert each.sensitivity == evaluation.confusion.row_share[k][k]
        assert each.images == (truth == k).sum()
        assert each.answered == (answers == k).sum()
        assert each.lesions == 10
        assert each.roc is not None
        area = sklearn.metrics.auc(each.roc.false_positive_rate, each.roc.sensitivity)
        assert area == pytest.approx(each.auc.value)


def test_every_figure_lies_in_its_interval_and_the_order_of_rows_is_nothing():
    manifest = manifest_of()
    predictions = predictions_for(manifest)
    evaluation = quick(predictions, manifest)
    for each in evaluation.by_class:
        for estimate in (each.sensitivity, each.specificity, each.positive_predictive_value, each.auc):
            assert estimate.low <= estimate.value <= estimate.high
    order = np.random.default_rng(0).permutation(len(manifest))
    shuffled = Predictions(
        [predictions.image_ids[row] for row in order],
        predictions.probabilities[order],
        HAM7,
        ["no"] * len(order),
    )
    assert quick(shuffled, manifest).overall == evaluation.overall


def test_the_same_seed_gives_the_same_result_and_another_seed_only_other_intervals():
    manifest = manifest_of()
    predictions = predictions_for(manifest)
    first, again, other = (quick(predictions, manifest, seed=seed).overall.accuracy for seed in (1, 1, 2))
    assert first == again
    assert first.value == other.value
    assert first != other


def test_it_says_what_it_is_and_can_be_read_again(tmp_path):
    manifest = manifest_of()
    evaluation = quick(predictions_for(manifest), manifest)
    assert (evaluation.images, evaluation.lesions, evaluation.patients) == (140, 70, None)
    assert evaluation.sources == {"test": 140}
    assert evaluation.licenses == ["CC0"]
    assert evaluation.training_data_known
    assert evaluation.intervals.clusters == {"lesion": 70}
    assert evaluation.warnings == []
    write_evaluation(evaluation, tmp_path / "evaluation.json")
    text = (tmp_path / "evaluation.json").read_text()
    assert json.loads(text)["overall"]["accuracy"]["value"] == evaluation.overall.accuracy.value
    assert Evaluation.model_validate_json(text) == evaluation


def test_the_test_subset_is_taken_where_there_is_one_and_excluded_rows_never():
    subsets = pl.Series("subset", ["train"] * 60 + ["excluded"] * 20 + ["test"] * 40 + [None] * 20)
    manifest = manifest_of(subset=subsets)
    evaluation = quick(predictions_for(manifest), manifest)
    assert (evaluation.subset, evaluation.images) == ("test", 40)
    assert evaluation.predictions_not_evaluated == 100
    assert any("20 rows of the manifest belong to no subset" in each for each in evaluation.warnings)
    no_test = manifest_of(subset=pl.Series(["excluded"] * 40 + [None] * 100, dtype=pl.String))
    assert quick(predictions_for(no_test), no_test).images == 100
    by_name = quick(predictions_for(manifest), manifest, subset="train")
    assert by_name.images == 60
    assert any("60 of the images are marked 'train'" in each for each in by_name.warnings)


@pytest.mark.parametrize(
    ("subset", "message"),
    [("excluded", "no subset 'excluded'"), ("val", "no row in subset 'val'"), ("x", "no subset")],
)
def test_a_subset_that_cannot_be_evaluated_is_refused(subset, message):
    manifest = manifest_of(subset=pl.lit("test"))
    with pytest.raises(PredictionsError, match=message):
        quick(predictions_for(manifest), manifest, subset=subset)


def test_predictions_and_manifest_must_match():
    manifest = manifest_of()
    predictions = predictions_for(manifest)
    with pytest.raises(
        PredictionsError,
        match=r"20 of 140 predicted images are not in the manifest: i120, .*i129 and 10 more",
    ):
        quick(predictions, manifest.head(120))
    with pytest.raises(
        PredictionsError, match=r"20 of 140 evaluated images have no prediction: i120, .*i129 and 10 more"
    ):
        quick(predictions_for(manifest.head(120)), manifest)


def test_diagnoses_outside_the_classes_are_counted_and_not_scored():
    manifest = manifest_of()
    predictions = predictions_for(manifest)
    row = pl.int_range(pl.len())
    strange = manifest.with_columns(
        diagnosis_node=pl.when(row < 6).then(None).otherwise("diagnosis_node"),
        source_diagnosis=pl.when(row < 2).then(None).when(row < 6).then(pl.lit("scar")).otherwise("source_diagnosis"),
    )
    evaluation = quick(predictions, strange)
    assert evaluation.images == 134
    assert evaluation.outside_classes.images == 6
    assert evaluation.outside_classes.words == {"scar": 4, "(no diagnosis)": 2}
    assert evaluation.predictions_not_evaluated == 0
    # An image that cannot be scored needs no prediction.
    fewer = Predictions(predictions.image_ids[6:], predictions.probabilities[6:], HAM7, ["no"] * 134)
    assert quick(fewer, strange).overall == evaluation.overall


def test_none_inside_the_classes_is_refused_with_a_way_out():
    manifest = manifest_of()
    other = Predictions(predictions_for(manifest).image_ids, np.full((140, 2), 0.5), source_classes(["wart", "corn"]))
    with pytest.raises(PredictionsError, match=r"none of the 140 .* \(corn, wart\); they show .*--classes"):
        quick(other, manifest)


@pytest.mark.parametrize("seen", ["image", "lesion", "patient", "group"])
def test_a_model_trained_on_the_test_is_refused(seen):
    manifest = manifest_of(subset=pl.lit("test"), patient_id=pl.lit("p1"))
    predictions = predictions_for(manifest)
    leaking = Predictions(predictions.image_ids, predictions.probabilities, HAM7, ["no"] * 137 + [seen, "no", seen])
    with pytest.raises(LeakError, match=rf"2 of 140 evaluated images show \(2 by {seen}\): i137.*, i139"):
        quick(leaking, manifest)
    elsewhere = manifest.with_columns(
        subset=pl.when(pl.int_range(pl.len()) < 136).then(pl.lit("test")).otherwise(pl.lit("excluded"))
    )
    assert quick(leaking, elsewhere).training_data_known


def test_a_manifest_that_leaks_is_refused_whoever_predicted():
    subsets = pl.Series(["train"] * 71 + ["test"] * 69)  # image 70 and 71 show one lesion
    manifest = manifest_of(subset=subsets)
    with pytest.raises(LeakError, match="l35"):
        quick(predictions_for(manifest, seen=None), manifest)


def test_what_the_model_saw_may_be_unknown_and_is_then_said():
    manifest = manifest_of()
    evaluation = quick(predictions_for(manifest, seen=None), manifest)
    assert not evaluation.training_data_known
    assert evaluation.warnings[0].startswith("For 140 of the 140 images it is not known")
    predictions = predictions_for(manifest)
    partly = Predictions(predictions.image_ids, predictions.probabilities, HAM7, ["no"] * 139 + [None])
    assert not quick(partly, manifest).training_data_known


def test_clusters_are_patients_where_known_else_lesions_else_images():
    row = pl.int_range(pl.len())
    manifest = manifest_of().with_columns(
        # of lesion 0, only the first image names the patient, who also has lesion 1
        patient_id=pl.when((row == 0) | (row == 2) | (row == 3)).then(pl.lit("p")).otherwise(None),
        lesion_id=pl.when(row >= 130).then(None).otherwise("lesion_id"),
    )
    evaluation = quick(predictions_for(manifest), manifest)
    assert evaluation.intervals.clusters == {"patient": 1, "lesion": 63, "image": 10}
    # Two data sets may use one id for two lesions.
    two = manifest_of().with_columns(source=pl.when(row < 70).then(pl.lit("a")).otherwise(pl.lit("b")))
    two = two.with_columns(lesion_id=pl.format("l{}", (row % 70) // 2))
    assert quick(predictions_for(two), two).intervals.clusters == {"lesion": 70}


def test_an_absent_class_has_no_figures_and_is_said():
    manifest = manifest_of().filter(pl.col("source_diagnosis") != "df")
    evaluation = quick(predictions_for(manifest), manifest)
    absent = evaluation.by_class[HAM7.ids.index("df")]
    assert absent.images == 0
    assert absent.sensitivity.value is None
    assert absent.auc.low is None
    assert absent.roc is None
    assert absent.specificity.value is not None
    assert any("No image shows Dermatofibroma" in each for each in evaluation.warnings)
    present = [each.sensitivity.value for each in evaluation.by_class if each.images]
    assert evaluation.overall.balanced_accuracy.value == pytest.approx(np.mean(present))


def test_one_lesion_gives_figures_without_intervals():
    manifest = manifest_of(2)
    evaluation = quick(predictions_for(manifest), manifest)
    assert evaluation.overall.accuracy.value is not None
    assert evaluation.overall.accuracy.low is None
    assert evaluation.overall.macro_auc.value is None
    assert any("only 1 independent case" in each for each in evaluation.warnings)


def test_a_rare_class_tells_in_how_many_resamples_it_was_missing():
    manifest = manifest_of().filter((pl.col("source_diagnosis") != "df") | (pl.col("lesion_id") == "l3"))
    rare = quick(predictions_for(manifest), manifest).by_class[HAM7.ids.index("df")]
    assert (rare.images, rare.lesions) == (2, 1)
    assert 40 < rare.sensitivity.undefined_resamples < 110  # about 1/e of 200
    assert rare.specificity.undefined_resamples == 0


def test_tied_answers_are_counted():
    manifest = manifest_of()
    predictions = predictions_for(manifest)
    probabilities = predictions.probabilities.copy()
    probabilities[:5] = 1 / 7
    evaluation = quick(Predictions(predictions.image_ids, probabilities, HAM7, ["no"] * 140), manifest)
    assert evaluation.tied_images == 5
    assert any("In 5 images" in each for each in evaluation.warnings)


@pytest.mark.parametrize("options", [{"resamples": 5}, {"confidence": 95}])
def test_senseless_settings_are_refused(options):
    manifest = manifest_of()
    with pytest.raises(PredictionsError):
        evaluate(predictions_for(manifest), manifest, **options)


def test_scored_images_stand_in_the_manifests_order():
    manifest = manifest_of()
    predictions = predictions_for(manifest.reverse())
    scored = scored_images(predictions, manifest)
    assert scored.frame["image_id"].to_list() == manifest["image_id"].to_list()
    np.testing.assert_array_equal(scored.probabilities, predictions.probabilities[::-1])
    assert scored.truth.tolist() == [(n // 2) % 7 for n in range(140)]


def test_very_many_images_have_fewer_resamples_and_it_is_said(monkeypatch):
    assert [resamples_made(2000, n) for n in (1, 10**6, 2 * 10**6, 10**7, 10**9)] == [2000, 2000, 1000, 200, 200]
    assert resamples_made(100, 10**9) == 100
    module = sys.modules["cutis.evaluation.evaluate"]
    monkeypatch.setattr(module, "MOST_RESAMPLED", 140 * 250)
    manifest = manifest_of()
    few = evaluate(predictions_for(manifest), manifest, resamples=300)
    assert (few.intervals.resamples, few.intervals.resamples_asked) == (250, 300)
    assert any("rest on 250 resamples, not on the 300 asked for: there are 140 images" in each for each in few.warnings)
    all_of_them = evaluate(predictions_for(manifest), manifest, resamples=250)
    assert all_of_them.overall == few.overall
    assert all_of_them.intervals.resamples_asked is None
    assert all_of_them.warnings == []


def test_millions_of_leaks_are_counted_and_a_few_are_listed():
    manifest = manifest_of()
    predictions = predictions_for(manifest, seen="lesion")
    told = quick(predictions, manifest, allow_leak="to see").leakage
    assert (told.leaks, told.by_kind, len(told.examples)) == (140, {"seen in training": 140}, 20)
    assert told.examples[0].told == "i0 (lesion l0): the model was trained on its lesion"


def test_batches_and_blocks_of_any_size_give_the_same_figures(monkeypatch):
    manifest = manifest_of(
        sex=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("male")).otherwise(pl.lit("female"))
    )
    predictions = predictions_for(manifest)
    whole = quick(predictions, manifest)
    for name, number in (("arrays", 90), ("ranked", 90)):
        monkeypatch.setattr(sys.modules[f"cutis.evaluation.{name}"], "CELLS_AT_ONCE", number)
    monkeypatch.setattr(sys.modules["cutis.evaluation.intervals"], "_COUNTS_AT_ONCE", 140 * 30)
    parts = quick(predictions, manifest)
    same(json.loads(whole.model_dump_json()), json.loads(parts.model_dump_json()))


def same(one, other):
    """Equal but for rounding, whatever is in it; the time of day apart."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one.keys() - {"evaluated_at"}:
            same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for each, its in zip(one, other, strict=True):
            same(each, its)
    else:
        assert one == (pytest.approx(other, abs=1e-12) if isinstance(one, float) else other)
