"""Two predictions on the same images: what is compared, what is refused, and the paragraph it makes."""

import numpy as np
import polars as pl
import pytest
import sklearn.metrics

from cutis.data import manifest_frame
from cutis.errors import LeakError, PredictionsError
from cutis.evaluation import Predictions, evaluate
from cutis.evaluation.comparison import Comparison, compare
from cutis.evaluation.comparison_wording import comparison_paragraph, p_words
from cutis.evaluation.paired_tests import holm
from cutis.taxonomy import class_set, source_classes

HAM7 = class_set("ham7")


def manifest_of(images: int = 210, a_lesion: int = 2, **columns) -> pl.DataFrame:
    """``a_lesion`` images a lesion, the seven classes in turn."""
    rows = [
        {
            "image_id": f"i{n}",
            "lesion_id": f"l{n // a_lesion}",
            "source": "test",
            "license": "CC0",
            "diagnosis_node": HAM7.classes[(n // a_lesion) % 7].nodes[0],
            "source_diagnosis": HAM7.ids[(n // a_lesion) % 7],
        }
        for n in range(images)
    ]
    return manifest_frame(rows).with_columns(**columns)


def truth_of(manifest):
    return np.array([HAM7.ids.index(each) for each in manifest["source_diagnosis"]])


def predictions_for(manifest, skill: float = 1.2, seed: int = 0, seen: str | None = "no") -> Predictions:
    truth = truth_of(manifest)
    logits = np.random.default_rng(seed).normal(size=(len(truth), 7))
    logits[np.arange(len(truth)), truth] += skill
    odds = np.exp(logits)
    known = None if seen is None else [seen] * len(truth)
    return Predictions(manifest["image_id"].to_list(), odds / odds.sum(axis=1, keepdims=True), HAM7, known)


def quick(*args, **options) -> Comparison:
    return compare(*args, resamples=options.pop("resamples", 300), **options)


def test_figures_are_those_of_each_alone_and_their_difference():
    manifest = manifest_of()
    first, second = predictions_for(manifest), predictions_for(manifest, 1.6, seed=1)
    comparison = quick(first, second, manifest)
    one, other = (evaluate(each, manifest, resamples=100) for each in (first, second))
    for figure in ("balanced_accuracy", "accuracy", "macro_auc"):
        found = getattr(comparison, figure)
        assert found.first == pytest.approx(getattr(one.overall, figure).value)
        assert found.second == pytest.approx(getattr(other.overall, figure).value)
        assert found.difference.value == pytest.approx(found.second - found.first)
        assert found.difference.low <= found.difference.value <= found.difference.high
        assert found.non_inferiority is None
    for each, alone in zip(comparison.by_class, other.by_class, strict=True):
        assert each.auc.second == pytest.approx(alone.auc.value)
    np.testing.assert_allclose(
        [each.p_holm for each in comparison.by_class], holm([each.auc.p for each in comparison.by_class])
    )
    truth = truth_of(manifest)
    right = [each.probabilities.argmax(axis=1) == truth for each in (first, second)]
    table = comparison.right_answers
    expected = sklearn.metrics.confusion_matrix(right[0], right[1])
    assert [[table.neither, table.second_only], [table.first_only, table.both]] == expected.tolist()
    assert table.p_mid < table.p_exact
    assert comparison.intervals.clusters == {"lesion": 105}
    assert (comparison.images, comparison.lesions, comparison.patients) == (210, 105, None)


def test_a_model_does_not_differ_from_itself():
    manifest = manifest_of()
    comparison = quick(predictions_for(manifest), predictions_for(manifest), manifest, margin=0.01)
    for figure in (comparison.balanced_accuracy, comparison.accuracy, comparison.macro_auc):
        assert (figure.difference.value, figure.difference.low, figure.difference.high, figure.p) == (0, 0, 0, 1)
        assert figure.non_inferiority.non_inferior
    assert {each.p_holm for each in comparison.by_class} == {1.0}
    assert comparison.right_answers.p_exact == 1


def test_a_better_model_is_found_and_a_worse_one_is_not_non_inferior():
    manifest = manifest_of()
    weak, strong = predictions_for(manifest, 0.6), predictions_for(manifest, 2.5, seed=1)
    comparison = quick(weak, strong, manifest, margin=0.02)
    assert comparison.balanced_accuracy.p < 0.01
    assert comparison.balanced_accuracy.difference.low > 0
    assert comparison.balanced_accuracy.non_inferiority.non_inferior
    turned = quick(strong, weak, manifest, margin=0.02)
    assert turned.accuracy.difference.value == pytest.approx(-comparison.accuracy.difference.value)
    assert turned.accuracy.p == comparison.accuracy.p
    assert not turned.accuracy.non_inferiority.non_inferior


def test_calibration_plays_no_part_in_an_aucs_p():
    """The same ranks in every class, at another temperature: no difference in AUC, p = 1."""
    manifest = manifest_of()
    first = predictions_for(manifest)
    tenth = (first.probabilities + 9 / 7) / 10  # keeps the order in each class
    second = Predictions(first.image_ids, tenth / tenth.sum(axis=1, keepdims=True), HAM7, first.seen)
    assert {each.auc.p for each in quick(first, second, manifest).by_class} == {1.0}


def test_copies_of_each_image_add_no_evidence():
    once = manifest_of(140, a_lesion=1)
    first, second = predictions_for(once), predictions_for(once, 1.7, seed=3)
    single = quick(first, second, once, resamples=1000)
    manifest = manifest_of(560, a_lesion=4)
    four = [
        Predictions(manifest["image_id"].to_list(), np.repeat(each.probabilities, 4, axis=0), HAM7, ["no"] * 560)
        for each in (first, second)
    ]
    copied = quick(*four, manifest, resamples=1000)
    assert copied.accuracy.difference == single.accuracy.difference
    assert copied.accuracy.p == pytest.approx(single.accuracy.p, abs=0.03)
    assert copied.macro_auc.p == pytest.approx(single.macro_auc.p, abs=0.03)
    assert copied.right_answers.p_exact < single.right_answers.p_exact
    assert any("McNemar" in each for each in copied.warnings)


def test_the_seed_fixes_the_result_and_the_order_of_rows_is_nothing():
    manifest = manifest_of()
    first, second = predictions_for(manifest), predictions_for(manifest, 1.6, seed=1)
    order = np.random.default_rng(0).permutation(len(manifest))
    shuffled = Predictions(
        [second.image_ids[row] for row in order], second.probabilities[order], HAM7, ["no"] * len(order)
    )
    one, other = (quick(first, each, manifest).model_dump(exclude={"compared_at"}) for each in (second, shuffled))
    assert one == other
    assert Comparison.model_validate_json(quick(first, second, manifest).model_dump_json()).images == 210


def test_a_class_that_no_image_shows_has_no_figures():
    manifest = manifest_of().filter(pl.col("source_diagnosis") != HAM7.ids[2])
    comparison = quick(predictions_for(manifest), predictions_for(manifest, seed=1), manifest)
    absent = comparison.by_class[2]
    assert (absent.images, absent.auc.first, absent.auc.p, absent.p_holm) == (0, None, None, None)
    assert absent.auc.difference.value is None
    assert any("No image shows" in each for each in comparison.warnings)
    assert "correction for 6 classes" in comparison_paragraph(comparison)


def test_predictions_that_do_not_match_are_refused():
    manifest = manifest_of()
    first = predictions_for(manifest)
    short = predictions_for(manifest.head(200))
    with pytest.raises(PredictionsError, match=r"the second model: 10 of 210 evaluated images have no prediction"):
        quick(first, short, manifest)
    words = source_classes(HAM7.ids[:-1])
    fewer = Predictions(first.image_ids, np.full((210, 6), 1 / 6), words)
    with pytest.raises(PredictionsError, match=r"tells .* apart, cutis"):
        quick(fewer, first, manifest, names=("theirs", "cutis"))
    same_ids = Predictions(first.image_ids, first.probabilities, source_classes(HAM7.ids))
    with pytest.raises(PredictionsError, match="the same ids to different classes"):
        quick(first, same_ids, manifest)
    with pytest.raises(LeakError):
        quick(first, predictions_for(manifest, seen="lesion"), manifest)
    one_case = manifest.with_columns(lesion_id=pl.lit("l0"))
    with pytest.raises(PredictionsError, match="belong to one lesion"):
        quick(first, first, one_case)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"resamples": 50}, "50 resamples"), ({"confidence": 95}, "confidence 95"), ({"margin": 2}, "margin 2")],
)
def test_options_out_of_range_are_refused(options, message):
    manifest = manifest_of(28)
    with pytest.raises(PredictionsError, match=message):
        quick(predictions_for(manifest), predictions_for(manifest), manifest, **options)


def test_what_was_trained_on_is_asked_of_both():
    manifest = manifest_of()
    comparison = quick(predictions_for(manifest), predictions_for(manifest, seen=None), manifest)
    assert [each for each in comparison.warnings if "not known whether the second model" in each]
    assert not [each for each in comparison.warnings if "not known whether the first model" in each]


def test_the_paragraph_holds_the_figures_and_how_they_were_made():
    manifest = manifest_of(subset=pl.lit("test"))
    first, second = predictions_for(manifest, 0.6), predictions_for(manifest, 2.5, seed=1)
    comparison = quick(first, second, manifest, margin=0.02, names=("ResNet", "cutis"))
    text = comparison_paragraph(comparison)
    figure = comparison.balanced_accuracy
    assert text.startswith("ResNet and cutis were compared on the same 210 images (105 lesions) of the test set, in 7")
    assert "bootstrap of whole lesions (105 lesions; 300 resamples)" in text
    assert (
        f"Balanced accuracy was {figure.first:.3f} for ResNet and {figure.second:.3f} for cutis (difference "
        f"{figure.difference.value:.3f}, 95% CI {figure.difference.low:.3f} to {figure.difference.high:.3f}, p = 0.003)"
    ) in text
    assert "After Holm's correction for 7 classes" in text
    assert f"ResNet alone was right in {comparison.right_answers.first_only} images, cutis alone in" in text
    assert "With a margin of 0.02, cutis was non-inferior to ResNet in balanced accuracy (one-sided p" in text
    turned = comparison_paragraph(quick(second, first, manifest, margin=0.02, names=("cutis", "ResNet")))
    assert "difference −0." in turned
    assert "ResNet was not shown to be non-inferior in balanced accuracy" in turned
    assert comparison_paragraph(quick(first, first, manifest)).count("p > 0.99") >= 4


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.0004, "p < 0.001"),
        (0.004, "p = 0.004"),
        (0.0096, "p = 0.0096"),
        (0.03, "p = 0.03"),
        (0.0486, "p = 0.049"),
        (0.0497, "p = 0.0497"),
        (0.0512, "p = 0.051"),
        (0.317, "p = 0.32"),
        (0.996, "p > 0.99"),
        (None, "p not defined"),
    ],
)
def test_p_values_are_written_as_papers_write_them(p, words):
    assert p_words(p) == words
