"""Readings: what is refused, with row and reason, and which design is recognised."""

import polars as pl
import pytest

from cutis.study import ReadingsError, check_readings


def table(rows):
    return pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row", strict=False)


def full(readers="AB", modalities=("1", "2"), cases=4):
    return [[r, m, str(k), str(k % 2), str(k)] for r in readers for m in modalities for k in range(cases)]


def test_names_are_ordered_as_numbers_and_counts_are_told():
    rows = [[r, "1", k, str(int(k) % 2), "1"] for r in ("10", "9") for k in ("2", "11", "1")]
    readings = check_readings(table(rows))
    assert readings.readers == ["9", "10"]
    assert readings.cases == ["1", "2", "11"]
    assert (readings.positives, readings.negatives, readings.missing) == (2, 1, 0)


@pytest.mark.parametrize(
    ("place", "cell", "said"),
    [
        (0, " ", "reader is empty"),
        (1, None, "modality is empty"),
        (2, "", "case is empty"),
        (3, "2", "truth is '2', not 0 or 1"),
        (3, None, "truth is '', not 0 or 1"),
        (4, "high", "rating 'high' is not a number"),
        (4, "inf", "rating 'inf' is not finite"),
    ],
)
def test_a_malformed_row_is_refused_with_its_number(place, cell, said):
    rows = full()
    rows[2][place] = cell
    with pytest.raises(ReadingsError, match=f"row 3: .*{said}"):
        check_readings(table(rows))


def test_all_malformed_rows_are_told_together():
    rows = [["A", "1", str(k), "0", "x"] for k in range(13)]
    with pytest.raises(ReadingsError, match=r"13 rows .*row 1: .*row 10: .*and 3 more"):
        check_readings(table(rows))


def test_a_second_read_and_a_second_truth_are_refused():
    with pytest.raises(ReadingsError, match="row 17: reader 'A' read case '0' in '1' in row 1 already"):
        check_readings(table([*full(), ["A", "1", "0", "0", "3"]]))
    with pytest.raises(ReadingsError, match="row 17: case '0' has truth 1, and 0 in row 1"):
        check_readings(table([*full(), ["C", "1", "0", "1", "3"]]))


def test_both_kinds_of_case_are_needed():
    with pytest.raises(ReadingsError, match="no read of a case with truth 1"):
        check_readings(table([["A", "1", "1", "0", "2"]]))


def test_an_empty_rating_is_a_read_that_was_not_made():
    rows = full()
    rows[5][4] = ""
    readings = check_readings(table(rows))
    assert readings.missing == 1
    assert readings.design == "incomplete"
    assert readings.grid().read.sum() == 15


def test_designs_are_recognised():
    def design(keep):
        return check_readings(table([row for row in full(cases=8) if keep(row[0], row[1], int(row[2]))])).design

    assert design(lambda r, m, k: True) == "factorial"
    assert design(lambda r, m, k: (r == "A") == (k < 4)) == "cases in readers"
    assert design(lambda r, m, k: (m == "1") == (k < 4)) == "cases in modalities"
    assert design(lambda r, m, k: (r == "A") == (m == "1")) == "readers in modalities"
    assert design(lambda r, m, k: not (r == "A" and k == 3)) == "incomplete"


def test_only_keeps_what_is_asked_for_and_refuses_what_is_not_there():
    readings = check_readings(table(full()))
    assert readings.only(readers=["A"]).readers == ["A"]
    assert readings.only(truth=True).negatives == 0
    with pytest.raises(ReadingsError, match="no modality '3'"):
        readings.only(modalities=["3"])
    assert readings.grid(first_modality="2").modalities == ["2", "1"]
