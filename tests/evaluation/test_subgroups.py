"""Subgroups: figures equal to those of the group alone, gaps that small groups cannot make, honest warnings."""

import numpy as np
import polars as pl
import pytest
import sklearn.metrics

from cutis.data import manifest_frame
from cutis.errors import PredictionsError
from cutis.evaluation.scored import ScoredImages
from cutis.evaluation.subgroup_names import NOT_RECORDED, subgroup_names
from cutis.evaluation.subgroups import SubgroupResults, subgroup_results
from cutis.taxonomy import ClassSet, class_set, source_classes

THREE = class_set("isic2017")


def scored_of(images: int = 600, worse: str | None = None, seed: int = 0, **columns) -> ScoredImages:
    """Two images a patient; sexes in turn by patient; the group ``worse`` answers by chance."""
    generator = np.random.default_rng(seed)
    patient = np.arange(images) // 2
    truth = generator.integers(3, size=images // 2 + 1)[patient]
    sex = np.array(["female", "male"])[patient % 2]
    logits = generator.normal(size=(images, 3))
    logits[np.arange(images), truth] += np.where(sex == worse, 0.0, 2.0)
    odds = np.exp(logits)
    frame = manifest_frame(
        [
            {"image_id": f"i{n}", "patient_id": f"p{patient[n]}", "sex": str(sex[n]), "source": "test"}
            for n in range(images)
        ]
    ).with_columns(**columns)
    return ScoredImages(
        frame=frame,
        truth=truth,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        seen_known=np.ones(images, dtype=bool),
        subset=None,
        outside={},
        not_evaluated=0,
        without_subset=0,
        leaks=[],
    )


def by_sex(scored: ScoredImages, classes: ClassSet = THREE, resamples: int = 200) -> SubgroupResults:
    return subgroup_results(scored, classes, ["sex"], resamples=resamples)[0]


def test_a_groups_figures_are_those_of_its_images_alone():
    scored = scored_of()
    result = by_sex(scored)
    assert [each.group for each in result.groups] == ["female", "male"]
    for each in result.groups:
        rows = (scored.frame["sex"] == each.group).to_numpy()
        truth, probabilities = scored.truth[rows], scored.probabilities[rows]
        answers = probabilities.argmax(axis=1)
        assert (each.images, each.cases) == (300, 150)
        assert each.malignant_cases + each.benign_cases == 150
        assert each.balanced_accuracy.value == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, answers))
        assert each.macro_auc.value == pytest.approx(
            sklearn.metrics.roc_auc_score(truth, probabilities, multi_class="ovr")
        )
        assert each.malignant_sensitivity.value == pytest.approx(
            ((answers == 0) & (truth == 0)).sum() / (truth == 0).sum()
        )
        assert each.malignant_specificity.value == pytest.approx(
            ((answers != 0) & (truth != 0)).sum() / (truth != 0).sum()
        )
        for estimate in (each.balanced_accuracy, each.macro_auc, each.malignant_sensitivity):
            assert estimate.low < estimate.value < estimate.high
        assert each.warnings == []
        assert each.absent == []


def test_a_real_gap_is_found_and_none_is_certain_where_there_is_none():
    found = {gap.figure: gap for gap in by_sex(scored_of(worse="male")).gaps}
    assert list(found) == ["balanced_accuracy", "macro_auc", "malignant_sensitivity", "malignant_specificity"]
    for gap in found.values():
        assert (gap.best, gap.worst) == ("female", "male")
        assert gap.difference.value == pytest.approx(gap.best_value - gap.worst_value)
        assert 0 < gap.difference.low < gap.difference.value < gap.difference.high
    even = {gap.figure: gap for gap in by_sex(scored_of()).gaps}["macro_auc"]
    assert even.difference.low < 0 < even.difference.high


def test_a_group_too_small_to_say_is_shown_and_enters_no_gap():
    names = ["II"] * 300 + ["III"] * 260 + ["VI"] * 40
    scored = scored_of(fitzpatrick_skin_type=pl.Series(names))
    result = subgroup_results(scored, THREE, ["skin_type"], resamples=100)[0]
    small = result.groups[2]
    assert (small.group, small.images, small.cases) == ("VI", 40, 20)
    assert small.balanced_accuracy.value is not None
    assert small.warnings == ["VI: 20 cases are too few to say."]
    assert all({gap.best, gap.worst} == {"II", "III"} for gap in result.gaps)
    assert "30" in result.rule


def test_few_malignant_cases_keep_a_group_out_of_the_gap_in_sensitivity_alone():
    scored = scored_of()
    male = (scored.frame["sex"] == "male").to_numpy()
    truth = np.where(male & (scored.truth == 0), 1, scored.truth)
    truth[np.flatnonzero(male)[:8]] = 0
    result = by_sex(ScoredImages(**{**vars(scored), "truth": truth}))
    assert result.groups[1].malignant_cases == 4
    assert result.groups[1].warnings == ["male: 4 malignant cases, too few to say."]
    assert [gap.figure for gap in result.gaps] == ["balanced_accuracy", "macro_auc", "malignant_specificity"]


def test_gaps_compare_groups_on_the_classes_that_both_show():
    scored = scored_of()
    male = (scored.frame["sex"] == "male").to_numpy()
    truth = np.where(male & (scored.truth == 2), 1, scored.truth)  # no keratosis in men
    result = by_sex(ScoredImages(**{**vars(scored), "truth": truth}))
    assert result.groups[1].absent == ["seborrheic_keratosis"]
    gap = result.gaps[0]
    assert (gap.figure, gap.classes) == ("balanced_accuracy", ["melanoma", "nevus"])
    female = result.groups[0].balanced_accuracy.value
    shown = {gap.best: gap.best_value, gap.worst: gap.worst_value}
    rows, answers = ~male, scored.probabilities.argmax(axis=1)
    recalls = [(answers[rows & (truth == k)] == k).mean() for k in range(2)]
    assert shown["female"] == pytest.approx(np.mean(recalls))
    assert shown["female"] != pytest.approx(female)


def test_missing_values_are_a_group_of_their_own_outside_all_gaps():
    names = [None] * 200 + ["dermoscopic"] * 400
    result = subgroup_results(
        scored_of(image_type=pl.Series(names, dtype=pl.String)), THREE, ["image_type"], resamples=100
    )[0]
    assert [each.group for each in result.groups] == ["dermoscopic", NOT_RECORDED]
    assert result.gaps == []
    assert any("200 of 600" in each for each in result.warnings)
    assert any("nothing to compare" in each for each in result.warnings)


def test_columns_without_any_value_are_left_out_and_unknown_ones_refused():
    scored = scored_of(60)
    assert [each.column for each in subgroup_results(scored, THREE, resamples=100)] == ["sex", "source"]
    assert subgroup_results(scored, THREE, ["skin_type"]) == []
    with pytest.raises(PredictionsError, match="colour"):
        subgroup_results(scored, THREE, ["colour"])


def test_bands_of_age_and_first_level_of_the_site():
    frame = manifest_frame(
        [
            {"image_id": str(n), "age_approx": age, "anatom_site": site}
            for n, (age, site) in enumerate(
                [
                    (29, "Head and neck:Head:Scalp"),
                    (30, "Trunk"),
                    (44, None),
                    (45, "Trunk:Back"),
                    (59, None),
                    (60, None),
                    (74, None),
                    (75, None),
                    (None, None),
                ]
            )
        ]
    )
    ages = ["<30", "30-44", "30-44", "45-59", "45-59", "60-74", "60-74", "75+", NOT_RECORDED]
    assert subgroup_names(frame, "age_band").to_list() == ages
    assert subgroup_names(frame, "site").to_list()[:4] == ["Head and neck", "Trunk", NOT_RECORDED, "Trunk"]


def test_age_bands_stand_in_order():
    ages = pl.Series(np.resize([80, 20, 50], 600), dtype=pl.Int64)
    result = subgroup_results(scored_of(age_approx=ages), THREE, ["age_band"], resamples=100)[0]
    assert [each.group for each in result.groups] == ["<30", "45-59", "75+"]


def test_classes_of_unknown_malignancy_have_no_malignant_figures():
    result = by_sex(scored_of(), source_classes(["a", "b", "c"]))
    assert result.groups[0].malignant_sensitivity.value is None
    assert result.groups[0].malignant_cases is None
    assert {gap.figure for gap in result.gaps} == {"balanced_accuracy", "macro_auc"}


def test_one_image_and_one_class_have_what_figures_they_can():
    one = scored_of(1)
    result = by_sex(one)
    assert result.groups[0].macro_auc.value is None
    assert result.groups[0].balanced_accuracy.low is None
    assert SubgroupResults.model_validate_json(result.model_dump_json()) == result
    broken = ScoredImages(**{**vars(one), "probabilities": np.array([[np.nan, 0.5, 0.5]])})
    with pytest.raises(PredictionsError, match="NaN"):
        by_sex(broken)


def test_the_seed_fixes_the_intervals():
    scored = scored_of(200)
    assert by_sex(scored) == by_sex(scored)
    assert by_sex(scored) != subgroup_results(scored, THREE, ["sex"], resamples=200, seed=1)[0]
