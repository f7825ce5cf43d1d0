"""Every published value of the Van Dyke study, from each file, through the library and the command line.

Values: the data set's REFERENCE.md (Iowa OR-DBM MRMC 2.5; MRMCaov), and, where marked, the user guide of MRMCaov 0.3
(Smith & Hillis), which analyses the same data as nested ones as well.
"""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from cutis.cli.study import study_app
from cutis.study import (
    PlanningVariances,
    Readings,
    analyze,
    cases_needed,
    check_readings,
    mrmc_paragraph,
    power_of,
    read_readings,
    sensitivity,
    write_readings,
)

AUC_1 = [0.91964573, 0.85877617, 0.90386473, 0.97310789, 0.82979066]
AUC_2 = [0.94782609, 0.90531401, 0.92173913, 0.99935588, 0.92995169]


@pytest.fixture(params=["csv", "imrmc", "lrc"])
def file(request: pytest.FixtureRequest, real_data: Path, tmp_path: Path) -> Path:
    folder = real_data / "van_dyke"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    if request.param != "lrc":
        return folder / f"van_dyke.{request.param}"
    # The data set has no .lrc: ours, written and read again, must give the same.
    write_readings(tmp_path / "van_dyke.lrc", read_readings(folder / "van_dyke.csv"))
    return tmp_path / "van_dyke.lrc"


@pytest.fixture
def readings(file: Path) -> Readings:
    return read_readings(file)


def to(digits: int, value: float):
    """Equal to a value published with that many decimals."""
    return pytest.approx(value, abs=0.5000001 * 10**-digits)


def test_reader_aucs_and_variance_components(readings: Readings) -> None:
    assert (len(readings.cases), readings.positives, len(readings.readers)) == (114, 45, 5)
    result = analyze(readings)
    figures = [[each.estimate for each in result.reader_figures if each.modality == m] for m in readings.modalities]
    assert figures[0] == [to(8, value) for value in AUC_1]
    assert figures[1] == [to(8, value) for value in AUC_2]
    assert [each.estimate for each in result.modalities] == [to(8, 0.89703704), to(8, 0.94083736)]
    found = result.components
    assert found is not None
    assert (found.reader, found.modality_reader) == (to(8, 0.00153500), to(8, 0.00020040))
    assert (found.cov1, found.cov2, found.cov3) == (to(8, 0.00034661), to(8, 0.00034407), to(8, 0.00023903))
    assert found.error == to(8, 0.00080229)
    assert result.mean_square_modality == to(8, 0.00479617)
    assert result.mean_square_modality_reader == to(8, 0.00055103)
    parts = result.case_components
    assert parts is not None
    assert (parts.case, parts.modality_case) == (to(8, 0.02724923), to(8, 0.01197530))
    assert (parts.reader_case, parts.error) == (to(8, 0.01226473), to(8, 0.03997160))


@pytest.mark.parametrize("method", ["or", "dbm"])
def test_random_readers_and_random_cases(readings: Readings, method) -> None:
    result = analyze(readings, method=method)
    test, apart = result.equality, result.differences[0]
    assert (test.statistic, test.df1, test.df2, test.p) == (to(2, 4.46), 1, to(2, 15.26), to(4, 0.0517))
    assert apart.difference == to(8, -0.04380032)
    assert (apart.low, apart.high) == (to(5, -0.08796), to(5, 0.00036))


def test_the_other_covariances(readings: Readings) -> None:
    delong = analyze(readings, covariance="delong")
    assert delong.components.error == to(10, 0.0007921325)
    assert (delong.equality.statistic, delong.equality.df2) == (to(6, 4.484854), to(5, 15.06611))
    assert delong.equality.p == to(8, 0.05123303)
    # MRMCaov's user guide.
    for result in (analyze(readings, covariance="unbiased"), analyze(readings, method="u-statistics")):
        assert (result.components.error, result.components.cov3) == (to(10, 0.0007883925), to(10, 0.0002356148))
        assert (result.equality.statistic, result.equality.df2) == (to(6, 4.489614), to(5, 15.03418))
        assert result.equality.p == to(7, 0.0511618)
        assert [each.standard_error for each in result.modalities] == [to(7, 0.0330712), to(7, 0.0214912)]


def test_fixed_readers_and_fixed_cases(readings: Readings) -> None:
    fixed = analyze(readings, readers="fixed")
    assert (fixed.equality.statistic, fixed.equality.df1, fixed.equality.df2) == (to(5, 5.47595), 1, None)
    assert fixed.equality.p == to(4, 0.0193)
    # MRMCaov's user guide: readers one by one.
    errors = [0.02551213, 0.02630183, 0.03120965, 0.01729129, 0.04405746]
    assert [each.standard_error for each in fixed.reader_differences] == [to(8, value) for value in errors]
    cases = analyze(readings, cases="fixed").equality
    assert (cases.statistic, cases.df1, cases.df2, cases.p) == (to(3, 8.704), 1, 4, to(4, 0.0420))


def test_sensitivity(readings: Readings) -> None:
    result = analyze(readings, sensitivity(3))
    figures = [[each.estimate for each in result.reader_figures if each.modality == m] for m in readings.modalities]
    assert figures[0] == [to(4, value) for value in (0.8889, 0.7778, 0.8222, 0.9333, 0.6889)]
    assert figures[1] == [to(4, value) for value in (0.9778, 0.8222, 0.9111, 1, 0.8889)]
    test = result.equality
    assert (test.statistic, test.df2, test.p) == (to(6, 6.689493), to(5, 15.71732), to(8, 0.02008822))


def test_the_same_readings_as_nested_ones(readings: Readings) -> None:
    """MRMCaov's user guide: each reader, or each modality, as if it had had cases of its own."""

    def nested(by: str) -> Readings:
        return check_readings(readings.frame.with_columns(pl.concat_str(by, "case", separator=".").alias("case")))

    result = analyze(nested("reader"))
    assert (result.components.reader, result.components.modality_reader) == (to(9, 0.001293517), to(11, 9.213005e-05))
    assert (result.components.error, result.components.cov1) == (to(10, 8.079682e-04), to(10, 3.490676e-04))
    assert (result.equality.statistic, result.equality.df2, result.equality.p) == (to(3, 8.704), 4, to(8, 0.04195875))
    result = analyze(nested("modality"))
    assert (result.components.reader, result.components.modality_reader) == (to(9, 0.001642585), to(11, 9.078969e-05))
    assert result.components.cov2 == to(10, 3.455973e-04)
    assert (result.equality.statistic, result.equality.df2) == (to(6, 2.104491), to(5, 68.42325))
    assert result.equality.p == to(7, 0.1514363)


def test_through_the_command_line(file: Path, tmp_path: Path) -> None:
    ran = CliRunner().invoke(study_app, ["analyze", str(file), "-o", str(tmp_path / "out"), "--json"])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.output)["analysis"]
    assert told == json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert told["equality"]["df2"] == to(2, 15.26)
    assert told["differences"][0]["p"] == to(4, 0.0517)


def test_the_paragraph(readings: Readings) -> None:
    words = mrmc_paragraph(analyze(readings))
    assert "5 readers read 114 cases (45 with and 69 without the disease)" in words
    assert "−0.044 (95% CI −0.088 to 0.000; F(1, 15.3) = 4.46, p = 0.052)" in words


def test_power_and_cases_of_a_pivotal_study(readings: Readings) -> None:
    """RJafroc's own tests and vignette, by DBM and OR alike: the pilot's difference, random readers and cases."""
    pilot = analyze(readings)
    variances, difference = PlanningVariances.of(pilot), pilot.differences[0].difference
    assert power_of(variances, difference, readers=6, cases=111).power == to(7, 0.5526116)
    assert cases_needed(variances, difference, readers=6) == 251
    assert cases_needed(variances, difference, readers=10) == 163
    assert power_of(variances, difference, readers=10, cases=163).power == to(7, 0.8015625)
