"""The verb `cutis study analyze`."""

import json

import pytest
from typer.testing import CliRunner

from cutis.cli.study import study_app
from cutis.study import ReadingsError, roe_metz_structures, simulate_readings, write_readings


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "r.csv"
    model = roe_metz_structures()["HH1.5"]
    write_readings(path, simulate_readings(model, readers=4, positives=10, negatives=12, seed=0))
    return path


def run(*arguments):
    result = CliRunner().invoke(study_app, ["analyze", *(str(each) for each in arguments)], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_table_the_paragraph_and_the_file(file, tmp_path):
    result = run(file, "--margin", "0.1", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "1 − 2" in result.output
    assert "4 readers read 22 cases (10 with and 12 without the disease)" in result.output
    written = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert written["differences"][0]["margin"]["margin"] == 0.1
    assert f"written: {tmp_path / 'out' / 'analysis.json'}" in result.output


def test_json_is_one_object_and_nothing_is_written_unasked(file, tmp_path):
    before = sorted(tmp_path.iterdir())
    told = json.loads(run(file, "--endpoint", "balanced-accuracy", "--threshold", "1", "--json").output)
    assert told["analysis"]["endpoint"] == "balanced_accuracy"
    assert told["written"] == []
    assert sorted(tmp_path.iterdir()) == before


def test_a_standalone_system(file):
    told = json.loads(run(file, "--standalone", "4", "--reference", "2", "--json").output)
    assert told["analysis"]["system"] == "4"
    assert len(told["analysis"]["reader_figures"]) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--endpoint", "sensitivity"], "needs answers of 0 and 1"),
        (["--endpoint", "kappa"], "there is no endpoint 'kappa'"),
        (["--threshold", "2"], "auc uses no threshold"),
        (["--standalone", "4", "--method", "dbm"], "compared by Obuchowski-Rockette"),
        (["--readers", "fixed", "--cases", "fixed"], "both fixed"),
    ],
)
def test_what_does_not_apply_is_refused(file, arguments, said):
    with pytest.raises(ReadingsError, match=said):
        run(file, *arguments)
