"""MRMC analysis: identities between methods, designs, margins, and what is refused.

Published values (Van Dyke) stand in tests/real/test_van_dyke.py, as the data are not ours to give.
"""

import itertools

import numpy as np
import polars as pl
import pytest
import scipy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cutis.evaluation import binary_auc
from cutis.study import (
    ReadingsError,
    RoeMetz,
    accuracy,
    analyze,
    auc,
    balanced_accuracy,
    check_readings,
    compare_with_standalone,
    figures,
    mrmc_paragraph,
    partial_auc,
    per_case,
    roe_metz_structures,
    sensitivity,
    simulate_readings,
    specificity,
    write_analysis,
)

MODEL = roe_metz_structures()["HH1.5"]
SEEDS = st.integers(0, 10_000)


def study(seed=0, model=MODEL, readers=4, positives=12, negatives=15, grades=None):
    readings = simulate_readings(model, readers=readers, positives=positives, negatives=negatives, seed=seed)
    if grades:
        return changed(readings, pl.col("rating").mul(grades / 4).round().clip(-grades, grades))
    return readings


def changed(readings, rating):
    return check_readings(readings.frame.with_columns(rating.alias("rating")))


def same(first, second, tolerance=1e-9):
    """Results equal but for rounding, and for the names of method and covariance."""
    a, b = first.model_dump(), second.model_dump()
    for key in ("modalities", "differences", "equality"):
        assert numbers(a[key]) == pytest.approx(numbers(b[key]), rel=1e-6, abs=tolerance, nan_ok=True)
    return True


def numbers(value):
    if isinstance(value, dict):
        return [each for item in value.values() for each in numbers(item)]
    if isinstance(value, list):
        return [each for item in value for each in numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, endpoint=st.sampled_from([auc(), sensitivity(1), balanced_accuracy(1), partial_auc()]))
def test_dbm_is_obuchowski_rockette_with_the_jackknife(seed, endpoint):
    readings = study(seed)
    assert same(analyze(readings, endpoint), analyze(readings, endpoint, method="dbm"), tolerance=1e-8)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, endpoint=st.sampled_from([auc(), specificity(1), balanced_accuracy(1)]))
@example(seed=2071, endpoint=specificity(1))  # readers who do not vary but for rounding
def test_u_statistics_are_obuchowski_rockette_with_the_unbiased_covariance(seed, endpoint):
    readings = study(seed)
    assert same(analyze(readings, endpoint, covariance="unbiased"), analyze(readings, endpoint, method="u-statistics"))


@settings(max_examples=5, deadline=None)
@given(seed=SEEDS)
def test_neither_the_scale_of_ratings_nor_the_order_of_rows_matters(seed):
    readings = study(seed, grades=3)
    result = analyze(readings)
    assert same(result, analyze(changed(readings, (pl.col("rating") / 3).exp() * 7 - 2)))
    assert same(result, analyze(check_readings(readings.frame.sample(fraction=1.0, shuffle=True, seed=seed))))


def test_swapping_the_modalities_turns_the_sign_alone():
    readings = study()
    one, other = analyze(readings), analyze(readings, reference="2")
    assert other.differences[0].difference == pytest.approx(-one.differences[0].difference)
    assert other.differences[0].p == pytest.approx(one.differences[0].p)
    assert [each.modality for each in other.modalities] == ["2", "1"]


@pytest.mark.parametrize("missing", [False, True])
def test_the_unbiased_covariance_is_its_definition_written_out(missing):
    readings = study(3, readers=2, positives=4, negatives=5, grades=3)
    if missing:
        readings = check_readings(readings.frame.sample(fraction=0.85, seed=1))
    grid = readings.grid()
    found = figures(grid, auc(), "unbiased")
    cells = grid.rating.reshape(4, -1)
    pairs = list(itertools.product(np.flatnonzero(grid.positive), np.flatnonzero(~grid.positive)))

    def won(cell, p, n):
        return float(cell[p] > cell[n]) + 0.5 * float(cell[p] == cell[n])

    for a, b in itertools.product(range(4), repeat=2):
        ours, others = ([(p, n) for p, n in pairs if not np.isnan(cells[c][[p, n]]).any()] for c in (a, b))
        products = [
            won(cells[a], p, n) * won(cells[b], q, m)
            for (p, n), (q, m) in itertools.product(ours, others)
            if p != q and n != m
        ]
        means = [np.mean([won(cells[c], *pair) for pair in kept]) for c, kept in ((a, ours), (b, others))]
        assert found.covariance.reshape(4, 4)[a, b] == pytest.approx(means[0] * means[1] - np.mean(products), abs=1e-12)


@pytest.mark.parametrize("endpoint", [auc(), sensitivity(1), accuracy(1), balanced_accuracy(1), partial_auc(0, 1)])
def test_the_jackknife_is_leaving_out_each_case(endpoint):
    readings = endpoint.of(study(5, readers=2, positives=5, negatives=6))
    grid = readings.grid()
    found = figures(grid, endpoint)
    for place, case in enumerate(grid.cases):
        rest = readings.frame.filter(pl.col("case") != case)
        without = figures(type(readings)(rest).grid(), endpoint)
        assert found.without_case[place] == pytest.approx(without.value)


def test_the_endpoints_are_what_they_say():
    readings = study(1)
    grid = readings.grid()
    area = binary_auc(grid.positive, grid.rating[0, 0])
    for endpoint, expected in (
        (auc(), area),
        (partial_auc(0, 1), area),
        (sensitivity(1), (grid.rating[0, 0, grid.positive] >= 1).mean()),
        (specificity(1), (grid.rating[0, 0, ~grid.positive] < 1).mean()),
        (accuracy(1), ((grid.rating[0, 0] >= 1) == grid.positive).mean()),
        (per_case("rating", "mean rating", lambda rating, positive: rating), grid.rating[0, 0].mean()),
    ):
        kept = endpoint.of(readings).grid()
        assert figures(kept, endpoint).value[0, 0] == pytest.approx(expected), endpoint.name
    # A curve straight up at 0 and then along 1 has all of any part; a diagonal one (0.1 + 0.2) / 2 of this part.
    truth = np.array([True, False])
    assert partial_auc(0.1, 0.2).whole(truth, np.array([2.0, 1.0])) == pytest.approx(1)
    assert partial_auc(0.1, 0.2).whole(truth, np.array([1.0, 1.0])) == pytest.approx(0.15)


def nested(readings, by):
    return check_readings(readings.frame.with_columns(pl.concat_str(by, "case", separator=".").alias("case")))


def test_cases_nested_in_readers_have_no_covariance_between_readers():
    readings = study()
    result = analyze(nested(readings, "reader"))
    assert result.sample.design == "cases in readers"
    assert (result.components.cov2, result.components.cov3) == (0, 0)
    # The same readers, with what cases have in common gone: as if cases were fixed.
    assert same(result, analyze(readings, cases="fixed"))


def test_cases_nested_in_modalities_have_no_covariance_between_modalities():
    result = analyze(nested(study(), "modality"))
    assert result.sample.design == "cases in modalities"
    assert (result.components.cov1, result.components.cov3) == (0, 0)
    # Independent modalities: the variance of the difference is about the sum of both.
    errors = [each.standard_error for each in analyze(nested(study(readers=30), "modality")).modalities]
    both = analyze(nested(study(readers=30), "modality")).differences[0].standard_error
    assert both == pytest.approx(np.hypot(*errors), rel=0.15)


def test_readers_nested_in_modalities_agree_with_u_statistics():
    readings = study(readers=6)
    frame = readings.frame.filter((pl.col("modality") == "1") == (pl.col("reader").cast(pl.Int64) <= 3))
    readings = check_readings(frame)
    assert readings.design == "readers in modalities"
    one = analyze(readings, covariance="unbiased").differences[0]
    other = analyze(readings, method="u-statistics").differences[0]
    assert one.difference == pytest.approx(other.difference)
    assert one.standard_error == pytest.approx(other.standard_error, rel=1e-6)


def test_missing_reads_are_for_u_statistics_alone():
    readings = check_readings(study().frame.sample(fraction=0.9, seed=2))
    assert readings.design == "incomplete"
    with pytest.raises(ReadingsError, match=r"reads are not there\. Use method u-statistics"):
        analyze(readings)
    result = analyze(readings, method="u-statistics")
    full = analyze(study(), method="u-statistics")
    assert result.differences[0].difference == pytest.approx(full.differences[0].difference, abs=0.05)
    assert result.differences[0].standard_error == pytest.approx(full.differences[0].standard_error, rel=0.5)
    assert "possible readings were not made" in mrmc_paragraph(result)


def test_margins():
    shifted = RoeMetz((2.0, 2.0), 0.0, 0.0, 0.5, 0.0, 0.0, 0.2)
    readings = study(4, shifted, readers=5, positives=40, negatives=40)
    result = analyze(readings, margin=0.1).differences[0]
    t = scipy.stats.t(result.df)
    below, above = ((0.1 - s * result.difference) / result.standard_error for s in (1, -1))
    assert result.margin.non_inferiority_p == pytest.approx(t.sf(below))
    assert result.margin.equivalence_p == pytest.approx(max(t.sf(below), t.sf(above)))
    assert result.margin.non_inferior == (result.high < 0.1)
    assert not analyze(readings, margin=0.001).differences[0].margin.non_inferior
    assert "non-inferior" in mrmc_paragraph(analyze(readings, margin=0.1))


def test_one_reader_is_fixed_and_one_modality_has_no_test():
    one = study(readers=1)
    with pytest.raises(ReadingsError, match="one reader: readers cannot be random"):
        analyze(one)
    grid = one.grid()
    found = figures(grid, auc())
    c = found.covariance[:, 0, :, 0]
    result = analyze(one, readers="fixed")
    assert result.differences[0].standard_error ** 2 == pytest.approx(c[0, 0] + c[1, 1] - 2 * c[0, 1])
    alone = analyze(study().only(modalities=["1"]))
    assert alone.equality is None
    assert alone.differences == []
    assert alone.modalities[0].low < alone.modalities[0].estimate < alone.modalities[0].high


def test_three_modalities_have_three_differences():
    result = analyze(study(model=MODEL.with_auc(0.7, 0.8, 0.9)))
    assert [(each.first, each.second) for each in result.differences] == [("1", "2"), ("1", "3"), ("2", "3")]
    assert result.equality.df1 == 2
    assert "The test that all are equal gave F(2, " in mrmc_paragraph(result)


def test_a_standalone_system_is_a_reader_that_does_not_vary():
    readings = study(readers=5).only(modalities=["1"])
    result = compare_with_standalone(readings, "1", covariance="delong", margin=0.2)
    grid = readings.grid()
    values = np.array([binary_auc(grid.positive, rating) for rating in grid.rating[0]])
    apart = values[1:] - values[0]
    assert result.difference.difference == pytest.approx(apart.mean())
    # Written out: the covariance of differences is that of the AUCs, contrasted.
    contrast = np.hstack([-np.ones((4, 1)), np.eye(4)])
    c = contrast @ figures(grid, auc(), "delong").covariance[0, :, 0, :] @ contrast.T
    cov2 = c[~np.eye(4, dtype=bool)].mean()
    square = apart.var(ddof=1)
    total = square + 4 * max(cov2, 0)
    assert result.difference.standard_error == pytest.approx((total / 4) ** 0.5)
    assert result.difference.df == pytest.approx(total**2 / (square**2 / 3))
    assert compare_with_standalone(readings, "1", readers="fixed").difference.df is None
    assert "answered the same cases alone" in mrmc_paragraph(result)


def test_a_standalone_system_in_another_modality_with_other_cases_is_refused():
    readings = study(readers=3)
    frame = readings.frame.filter((pl.col("reader") == "1") == (pl.col("modality") == "2"))
    assert compare_with_standalone(check_readings(frame), "1").modality == "1"
    with pytest.raises(ReadingsError, match="must have read the same cases"):
        compare_with_standalone(check_readings(frame.head(len(frame) - 1)), "1")
    with pytest.raises(ReadingsError, match="Name the modality"):
        compare_with_standalone(readings, "1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"readers": "fixed", "cases": "fixed"}, "both fixed"),
        ({"method": "dbm", "covariance": "delong"}, "rests on the jackknife"),
        ({"method": "u-statistics", "covariance": "delong"}, "have the unbiased covariance"),
        ({"endpoint": sensitivity(1), "covariance": "delong"}, "DeLong's covariance is for the AUC"),
        ({"endpoint": partial_auc(), "covariance": "unbiased"}, "is not. Use jackknife"),
        ({"margin": 0.0}, "not above 0"),
        ({"confidence": 95}, "not between 0 and 1"),
        ({"reference": "CT"}, "there is no modality 'CT'"),
    ],
)
def test_what_does_not_apply_is_refused(arguments, said):
    with pytest.raises(ReadingsError, match=said):
        analyze(study(), **arguments)


def test_too_few_cases_of_a_reader_are_refused():
    readings = study()
    frame = readings.frame.filter(~((pl.col("reader") == "2") & pl.col("truth") & (pl.col("case") != "1")))
    with pytest.raises(ReadingsError, match="reader '2' read 1 case with the disease in '1'"):
        analyze(check_readings(frame), method="u-statistics")


def test_the_result_goes_to_json(tmp_path):
    result = analyze(study(), margin=0.05)
    write_analysis(tmp_path / "analysis.json", result)
    assert type(result).model_validate_json((tmp_path / "analysis.json").read_text()) == result


def test_perfect_readers_have_no_variance_and_no_test():
    readings = changed(study(), pl.col("truth").cast(pl.Float64))
    result = analyze(readings)
    assert result.modalities[0].estimate == 1
    assert result.differences[0].p is None
    assert result.equality.p is None
    assert "no test" in mrmc_paragraph(result)
