"""Which method suits which design, the papers' table, agreement and times: against figures had another way."""

import numpy as np
import polars as pl
import pytest

from cutis.study import (
    Readings,
    ReadingsError,
    agreement_between,
    agreement_within,
    answer_counts,
    check_readings,
    fleiss_kappa,
    group_figures,
    krippendorff_alpha,
    pairwise_kappa,
    record_of_readings,
    study_findings,
    suited_method,
)
from cutis.study.study_record import StudyRecord

COLUMNS = ["reader", "modality", "case", "truth", "rating"]


def made(rows: list[tuple[str, str, str, int, float]]) -> Readings:
    return check_readings(pl.DataFrame(rows, schema=COLUMNS, orient="row"))


def answers(readers: int = 4, cases: int = 60, seed: int = 0, modalities: tuple[str, ...] = ("a", "b")) -> Readings:
    generator = np.random.default_rng(seed)
    skill, ease = generator.normal(1, 0.5, readers), generator.normal(0, 1, cases)
    return made(
        [
            (f"R{j}", m, f"c{k}", k % 2, float((skill[j] + ease[k] + generator.normal() > 0) == bool(k % 2)))
            for j in range(readers)
            for m in modalities
            for k in range(cases)
        ]
    )


def test_the_method_follows_from_who_read_what() -> None:
    whole = answers()
    frame = whole.frame
    first = pl.col("reader").is_in(["R0", "R1"])
    cases = pl.col("case").str.slice(1).cast(pl.Int64)
    for kept, method, factor in (
        (frame, "or", "random"),
        (frame.filter((cases // 2) % 4 == pl.col("reader").str.slice(1).cast(pl.Int64)), "or", "random"),
        (frame.filter((cases // 2 % 2 == 0) == (pl.col("modality") == "a")), "or", "random"),
        (frame.filter(first == (pl.col("modality") == "a")), "or", "random"),
        (frame.filter((pl.col("reader") == "R0") == (pl.col("modality") == "a")), "u-statistics", "fixed"),
        (frame.filter(pl.col("reader") == "R0"), "or", "fixed"),
        (frame[1:], "u-statistics", "random"),
    ):
        choice = suited_method(Readings(kept))
        assert (choice.method, choice.readers) == (method, factor), choice.reason
        assert choice.reason.endswith(".")


def test_the_geometric_mean_has_the_interval_that_resampling_readers_and_cases_gives() -> None:
    readings = answers(readers=12, cases=120, seed=4, modalities=("a",))
    told = group_figures(readings, "a", None, readings.readers)
    grid = readings.grid()
    right = (grid.rating[0] == grid.positive).astype(float)  # J×K
    generator = np.random.default_rng(0)
    weights = generator.multinomial(12, np.full(12, 1 / 12), size=4000) / 12
    drawn = []
    for ill in (True, False):
        count = int((grid.positive == ill).sum())
        cases = generator.multinomial(count, np.full(count, 1 / count), size=4000) / count
        drawn.append(np.einsum("rj,jk,rk->r", weights, right[:, grid.positive == ill], cases))
    spread = np.sqrt(drawn[0] * drawn[1]).std()
    assert told.geometric_mean.low is not None
    assert told.geometric_mean.high is not None
    # Resampling both at once counts a part of the noise twice (Owen 2007): its spread is the larger one.
    half = (told.geometric_mean.high - told.geometric_mean.low) / 2
    assert 0.75 < half / (2.0 * spread) < 1.05
    assert told.geometric_mean.value == pytest.approx(
        (told.sensitivity.value or 0) ** 0.5 * (told.specificity.value or 0) ** 0.5
    )


def test_agreement_is_that_of_its_own_functions() -> None:
    readings = answers(modalities=("a",))
    record = record_of_readings(readings, title="", groups={"R0": "x", "R1": "x", "R2": "y", "R3": "z"})
    rows = agreement_between(record, resamples=100)
    assert [(each.group, each.readers) for each in rows] == [(None, 4), ("x", 2)]
    ratings = readings.grid().rating[0]
    assert rows[0].alpha.value == pytest.approx(float(krippendorff_alpha(ratings)))
    counts = np.stack([(ratings == 0).sum(axis=0), (ratings == 1).sum(axis=0)], axis=1).astype(float)
    assert rows[0].fleiss.value == pytest.approx(float(fleiss_kappa(counts)))
    pairs = [each.coefficient for each in pairwise_kappa(readings, resamples=10).values()]
    assert rows[0].cohen == pytest.approx(np.mean(pairs))
    assert rows[0].cohen_range == pytest.approx((min(pairs), max(pairs)))


def test_a_reader_with_themselves_by_hand() -> None:
    first, again = [1, 1, 0, 0, 1], [1, 0, 0, 0, 1]
    rows = [
        ("R", f"a, {name}", f"c{k}", k % 2, float(given[k]))
        for name, given in (("first", first), ("again", again))
        for k in range(5)
    ]
    main = answers(modalities=("a",))
    record = StudyRecord("", main, None, record_of_readings(main, title="").arms, {}, repeats=made(rows))
    (told,) = agreement_within(record, resamples=100)
    assert (told.reader, told.arm, told.cases, told.same) == ("R", "a", 5, 0.8)
    chance = 0.6 * 0.4 + 0.4 * 0.6
    assert told.kappa.value == pytest.approx((0.8 - chance) / (1 - chance))


def test_counts_of_a_table_of_readings() -> None:
    record = record_of_readings(Readings(answers().frame[3:]), title="")
    a, b = answer_counts(record)
    assert (a.readers, a.cases, a.asked, a.answered, a.open, a.timed_out) == (4, 60, 240, 237, 3, None)
    assert (b.asked, b.open) == (240, 0)


def test_one_method_for_all_figures_of_a_study() -> None:
    # All that is missing is in modality a: modality b alone would allow Obuchowski and Rockette.
    record = record_of_readings(
        Readings(answers().frame[3:]), title="", groups={f"R{j}": "xy"[j % 2] for j in range(4)}
    )
    found = study_findings(record, resamples=100)
    assert {each.method for each in [*found.analyses, *found.by_group.values()]} == {"u-statistics"}
    means = {each.endpoint: {m.modality: m for m in each.modalities} for each in found.analyses}
    (row,) = (each for each in found.groups if each.group is None and each.arm == "b")
    assert row.sensitivity.low == pytest.approx(means["sensitivity"]["b"].low)
    assert row.balanced_accuracy.high == pytest.approx(means["balanced_accuracy"]["b"].high)


def test_what_does_not_fit_is_refused() -> None:
    record = record_of_readings(answers(), title="")
    for given, match in (
        ({"reference": "c"}, "no arm 'c'"),
        ({"margin": 0.0}, "out of range"),
        ({"resamples": 10}, "out of range"),
        ({"confidence": 95.0}, "out of range"),
    ):
        with pytest.raises(ReadingsError, match=match):
            study_findings(record, **given)  # type: ignore[arg-type]
    with pytest.raises(ReadingsError, match="readers have no group: R1, R2, R3"):
        record_of_readings(answers(), title="", groups={"R0": "x"})
