"""The main job on real photographs, cut short: from HAM10000 to a report."""

import json

import polars as pl
import pytest

from cutis.cli import main


def run(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(each) for each in arguments])
    assert stopped.value.code == 0


def test_import_split_train_predict_evaluate(real_data, tmp_path, monkeypatch):
    monkeypatch.setenv("CUTIS_CACHE", str(tmp_path / "cache"))
    run("data", "import", "ham10000", real_data / "ham10000", "-o", tmp_path / "ham.parquet")
    ham = pl.read_parquet(tmp_path / "ham.parquet")
    # A hundred lesions a diagnosis or what there is: enough to learn something from, in half a minute.
    chosen = ham.filter(pl.col("lesion_id").rank("dense").over("source_diagnosis") <= 60)
    chosen.write_parquet(tmp_path / "some.parquet")
    run(
        "split",
        tmp_path / "some.parquet",
        "--by",
        "lesion_id",
        "--subsets",
        "train=.6,val=.1,test=.3",
        "-o",
        tmp_path / "s.parquet",
    )
    run("train", tmp_path / "s.parquet", "--recipe", "demo", "--set", "schedule.epochs=3", "-o", tmp_path / "bundle")
    test = pl.read_parquet(tmp_path / "s.parquet").filter(pl.col("subset") == "test")
    test.write_parquet(tmp_path / "test.parquet")
    run("predict", tmp_path / "bundle", tmp_path / "test.parquet", "-o", tmp_path / "p.parquet")
    run("evaluate", tmp_path / "p.parquet", "--on", tmp_path / "s.parquet", "-o", tmp_path / "results")
    result = json.loads((tmp_path / "results" / "evaluation.json").read_text())
    assert result["overall"]["balanced_accuracy"]["value"] > 0.4  # chance is 0.14
    assert "not a medical device" in (tmp_path / "results" / "report.html").read_text()
