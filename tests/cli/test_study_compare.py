"""The verb `cutis study compare`."""

import json

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from cutis.cli.study_compare import compare_readers_verb
from cutis.data import manifest_frame, write_manifest
from cutis.errors import PredictionsError
from cutis.evaluation import Predictions, write_predictions
from cutis.study import ReadingsError
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")
app = typer.Typer()
app.command("compare")(compare_readers_verb)


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)
    truth = np.arange(42) % 7
    rows = [
        {"image_id": f"i{n}", "source": "s", "diagnosis_node": HAM7.classes[k].nodes[0]} for n, k in enumerate(truth)
    ]
    write_manifest(manifest_frame(rows), tmp_path / "m.parquet")
    for name, skill in (("net", 1.0), ("anna", 0.8), ("ben", 0.2)):
        values = generator.dirichlet(np.ones(7), size=42)
        values[np.arange(42), truth] += skill
        values /= values.sum(axis=1, keepdims=True)
        path = tmp_path / ("net.parquet" if name == "net" else f"{name}.csv")
        write_predictions(path, Predictions([f"i{n}" for n in range(42)], values, HAM7))
    ill = np.array([each.malignancy in ("malignant", "premalignant") for each in HAM7.classes])[truth]
    readings = pl.DataFrame(
        {
            "reader": ["cem"] * 42,
            "modality": ["photo"] * 42,
            "case": [f"i{n}" for n in range(42)],
            "truth": ill.astype(int),
            "rating": np.clip(2 * ill + generator.integers(1, 4, 42), 1, 5),
        }
    )
    readings.write_csv(tmp_path / "readings.csv")
    return tmp_path


def run(files, *arguments):
    fixed = ["--model", files / "net.parquet", "--on", files / "m.parquet", "-o", files / "out", "--resamples", "100"]
    result = CliRunner().invoke(app, [str(each) for each in (*arguments, *fixed)], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_readings_give_a_table_a_paragraph_and_the_files(files):
    result = run(files, files / "readings.csv", "--threshold", "4")
    assert result.exit_code == 0, result.output
    assert "1 reader and net answered 42 cases (18 malignant or premalignant, 24 benign)" in " ".join(
        result.output.split()
    )
    assert (files / "out" / "human_machine.html").is_file()
    assert (files / "out" / "figures" / "roc_readers.svg").is_file()


def test_predictions_of_readers_and_one_json_object(files):
    told = json.loads(run(files, files / "anna.csv", files / "ben.csv", "--json", "--name", "Net").output)
    assert [each["reader"] for each in told["comparison"]["readers"]] == ["anna", "ben"]
    assert told["comparison"]["labels"] == [each.name for each in HAM7.classes]
    assert told["comparison"]["model"] == "Net"
    coarse = json.loads(run(files, files / "anna.csv", "--json", "--at", "risk3", "--positive", "high").output)
    assert len(coarse["comparison"]["labels"]) == 3


def test_what_does_not_fit_is_refused_and_nothing_is_written(files):
    with pytest.raises(ReadingsError, match="ratings other than 0 and 1"):
        run(files, files / "readings.csv")
    with pytest.raises(ReadingsError, match="in one form"):
        run(files, files / "readings.csv", files / "anna.csv")
    with pytest.raises(PredictionsError, match="cannot be read|does not exist|no such"):
        run(files, files / "none.parquet")
    assert not (files / "out").exists()
