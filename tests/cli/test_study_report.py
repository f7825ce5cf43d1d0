"""The verb `cutis study report`."""

import json

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from cutis.cli.study_report import report_verb
from cutis.data import manifest_frame, write_manifest
from cutis.errors import CutisError
from cutis.evaluation import Predictions, write_predictions
from cutis.study import ReadingsError, StudyError
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")
ILL = np.array([each.malignancy in ("malignant", "premalignant") for each in HAM7.classes])
app = typer.Typer()
app.command("report")(report_verb)


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)
    truth = np.arange(42) % 7
    ids = [f"i{n}" for n in range(42)]
    rows = [
        {"image_id": each, "source": "s", "diagnosis_node": HAM7.classes[k].nodes[0]}
        for each, k in zip(ids, truth, strict=True)
    ]
    write_manifest(manifest_frame(rows), tmp_path / "m.parquet")
    values = generator.dirichlet(np.ones(7), size=42)
    values[np.arange(42), truth] += 1
    write_predictions(tmp_path / "net.parquet", Predictions(ids, values / values.sum(axis=1, keepdims=True), HAM7))
    table = [
        (reader, arm, each, int(ILL[k]), int(generator.random() < (0.75 if ILL[k] else 0.3)))
        for reader in "ABC"
        for arm in ("unaided", "aided")
        for each, k in zip(ids, truth, strict=True)
    ]
    columns = ["reader", "modality", "case", "truth", "rating"]
    pl.DataFrame(table, schema=columns, orient="row").write_csv(tmp_path / "readings.csv")
    pl.DataFrame({"name": ["A", "B", "C"], "group": ["GP", "GP", "expert"]}).write_csv(tmp_path / "readers.csv")
    return tmp_path


def run(files, *arguments):
    fixed = ["-o", files / "out", "--resamples", "100"]
    result = CliRunner().invoke(app, [str(each) for each in (*arguments, *fixed)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_readings_groups_and_predictions_give_page_pdf_and_files(files):
    result = run(
        files,
        *(files / "readings.csv", "--groups", files / "readers.csv"),
        *("--predictions", files / "net.parquet", "--on", files / "m.parquet", "--model-name", "Network"),
    )
    assert result.exit_code == 0, result.output
    assert "analysis: Every reader read every case in every modality" in " ".join(result.output.split())
    html = (files / "out" / "report.html").read_text(encoding="utf-8")
    for told in ("GP", "expert", "Network", "Readings of readings"):
        assert told in html
    assert (files / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (files / "out" / "figures" / "readers_unaided.pdf").is_file()
    assert (files / "out" / "tables" / "groups.tex").is_file()


def test_one_json_object(files):
    told = json.loads(run(files, files / "readings.csv", "--json", "--margin", "0.1", "--title", "Mine").output)
    assert told["missing"] == []
    assert told["analyses"][0]["differences"][0]["margin"]["margin"] == 0.1
    assert told["written"][0].endswith("report.html")
    assert "<h1>Mine</h1>" in (files / "out" / "report.html").read_text(encoding="utf-8")


def test_what_does_not_fit_is_refused_and_nothing_is_written(files):
    pl.DataFrame({"name": ["A"], "group": ["GP"]}).write_csv(files / "few.csv")
    pl.DataFrame({"name": ["A", "B"], "group": ["GP", None]}).write_csv(files / "empty.csv")
    pl.DataFrame({"name": ["A"]}).write_csv(files / "none.csv")
    for options, error, match in (
        (["--groups", files / "few.csv"], ReadingsError, "readers have no group: B, C"),
        (["--groups", files / "empty.csv"], StudyError, "row 2: name or group is empty"),
        (["--groups", files / "none.csv"], StudyError, "column 'group' is missing"),
        (["--unaided", "blind"], ReadingsError, "no modality 'blind'"),
        (["--reference", "blind"], ReadingsError, "no arm 'blind'"),
        (["--margin", "-1"], ReadingsError, "out of range"),
        (["--predictions", files / "net.parquet"], StudyError, r"Name the manifest \(--on\)"),
    ):
        with pytest.raises(error, match=match):
            run(files, files / "readings.csv", *options)
    with pytest.raises(CutisError, match="no study folder"):
        run(files, files)
    with pytest.raises(StudyError, match="--threshold is for readings"):
        run(files, files, "--threshold", "3")
    assert not (files / "out").exists()
