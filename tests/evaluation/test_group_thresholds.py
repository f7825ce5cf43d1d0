"""Thresholds of groups' own: chosen on validation images, measured on others, with what they gain and cost."""

import numpy as np
import polars as pl
import pytest

from cutis.data import manifest_frame
from cutis.errors import LeakError, PredictionsError
from cutis.evaluation import Predictions, evaluate, scored_images
from cutis.evaluation.group_thresholds import choose_group_thresholds, group_names
from cutis.taxonomy import class_set, source_classes

CLASSES = source_classes(["ill", "well"])


def images(subset: str, number: int, seed: int, shift: float = 1.5, group=lambda n: "a" if n % 2 else "b"):
    """Scores of group b lie higher throughout: one threshold for both is too low for b, or too high for a."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(size=number) < 0.4
    groups = [group(n) for n in range(number)]
    score = 2.0 * truth + shift * np.array([each == "b" for each in groups]) + generator.normal(size=number)
    chance = 1 / (1 + np.exp(-(score - 1.5)))
    rows = [
        {
            "image_id": f"{subset}{n}",
            "lesion_id": f"{subset}l{n}",
            "source": "s",
            "source_diagnosis": "ill" if truth[n] else "well",
            "subset": subset,
            "sex": "female" if groups[n] == "a" else "male",
            "population": groups[n],
        }
        for n in range(number)
    ]
    ids = [row["image_id"] for row in rows]
    return rows, Predictions(ids, np.c_[chance, 1 - chance], CLASSES, ["no" if subset == "test" else "image"] * number)


@pytest.fixture(scope="module")
def study():
    val_rows, val = images("val", 400, 1)
    test_rows, test = images("test", 300, 2)
    return manifest_frame(val_rows + test_rows), val, test


def test_thresholds_of_their_own_gain_where_groups_differ(study):
    manifest, val, test = study
    chosen = choose_group_thresholds(val, manifest, "population")
    assert set(chosen.by_group) == {"a", "b"}
    assert chosen.images == {"a": 200, "b": 200}
    assert chosen.by_group["a"].classes["ill"].value < chosen.common.classes["ill"].value
    assert chosen.by_group["b"].classes["ill"].value > chosen.common.classes["ill"].value
    section = evaluate(test, manifest, resamples=200, group_thresholds=chosen).group_thresholds
    a, b = section.groups
    ill = {each.group: each.by_class[0] for each in section.groups}
    assert ill["a"].sensitivity_gain.value > 0 > ill["a"].specificity_gain.value
    assert ill["b"].sensitivity_gain.value < 0 < ill["b"].specificity_gain.value
    assert section.youden_gain.value > 0
    assert section.youden_gain.low < section.youden_gain.value < section.youden_gain.high
    assert (a.own_thresholds, a.validation_images, a.images, b.cases) == (2, 200, 150, 150)


def test_the_gains_are_own_rates_less_common_rates(study):
    manifest, val, test = study
    chosen = choose_group_thresholds(val, manifest, "sex")
    section = evaluate(test, manifest, resamples=100, group_thresholds=chosen).group_thresholds
    scored = scored_images(test, manifest)
    groups = scored.frame["sex"].to_numpy()
    compared = 0
    for each in section.groups:
        for row in each.by_class:
            k = test.classes.ids.index(row.class_id)
            scores, ill = scored.probabilities[groups == each.group, k], scored.truth[groups == each.group] == k
            common = chosen.common.classes[row.class_id].value
            own = common if row.own is None else row.own
            sensitivity = (scores[ill] >= own).mean() - (scores[ill] >= common).mean()
            specificity = (scores[~ill] < own).mean() - (scores[~ill] < common).mean()
            assert (row.images, row.others, row.common) == (ill.sum(), (~ill).sum(), common)
            assert row.sensitivity_gain.value == pytest.approx(sensitivity)
            assert row.specificity_gain.value == pytest.approx(specificity)
            assert row.youden_gain.value == pytest.approx(sensitivity + specificity)
            compared += 1
    assert compared == 4


def test_no_difference_is_no_gain_for_sure():
    val_rows, val = images("val", 400, 3, shift=0.0)
    test_rows, test = images("test", 400, 4, shift=0.0)
    manifest = manifest_frame(val_rows + test_rows)
    chosen = choose_group_thresholds(val, manifest, "population")
    gain = evaluate(test, manifest, resamples=300, group_thresholds=chosen).group_thresholds.youden_gain
    assert gain.low <= 0 <= gain.high


def test_a_small_group_and_rows_without_a_value_keep_the_common_threshold():
    def group(n):
        return "rare" if n < 15 else None if n < 30 else "common"

    val_rows, val = images("val", 300, 5, group=group)
    test_rows, test = images("test", 200, 6, group=group)
    manifest = manifest_frame(val_rows + test_rows)
    chosen = choose_group_thresholds(val, manifest, "population")
    assert chosen.images == {"common": 270, "rare": 15}
    section = evaluate(test, manifest, resamples=100, group_thresholds=chosen).group_thresholds
    kept = {each.group: each for each in section.groups}
    assert list(kept) == ["common", "rare", "(not recorded)"]
    for name in ("rare", "(not recorded)"):
        assert kept[name].own_thresholds == 0
        assert kept[name].mean_youden_gain.value is None
        assert all(row.own is None and row.youden_gain.value in (0.0, None) for row in kept[name].by_class)
        assert kept[name].warning
    assert kept["common"].own_thresholds == 2


def test_groups_are_subgroups_or_any_column(study):
    manifest, _, _ = study
    assert set(group_names(manifest, "population")) == {"a", "b"}
    assert set(group_names(manifest, "sex")) == {"female", "male"}
    with pytest.raises(PredictionsError, match="no column 'colour'.*skin_type"):
        group_names(manifest, "colour")
    with pytest.raises(PredictionsError, match="recorded for none"):
        group_names(manifest, "skin_type")


def test_thresholds_are_not_measured_where_they_were_chosen(study):
    manifest, val, test = study
    chosen = choose_group_thresholds(val, manifest, "population")
    unknown = Predictions(val.image_ids, val.probabilities, CLASSES)
    with pytest.raises(LeakError, match="same image_id as 400 of 400"):
        evaluate(unknown, manifest, subset="val", resamples=100, group_thresholds=chosen)
    lesion = manifest.with_columns(
        lesion_id=pl.when(pl.col("image_id") == "test7").then(pl.lit("vall3")).otherwise("lesion_id")
    )
    with pytest.raises(LeakError, match="same lesion_id as 1 of 300 evaluated images: test7"):
        evaluate(test, lesion, resamples=100, group_thresholds=chosen)


def test_thresholds_of_other_classes_are_refused(study):
    manifest, val, _ = study
    chosen = choose_group_thresholds(val, manifest, "population")
    ham7 = class_set("ham7")
    rows = [{"image_id": f"h{n}", "source": "h", "diagnosis_node": ham7.classes[n % 7].nodes[0]} for n in range(21)]
    predictions = Predictions([f"h{n}" for n in range(21)], np.full((21, 7), 1 / 7), ham7)
    with pytest.raises(PredictionsError, match="thresholds are for ill, well"):
        evaluate(predictions, manifest_frame(rows), resamples=100, group_thresholds=chosen)
