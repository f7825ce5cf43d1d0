"""``cutis compare``: a table, a paragraph, and files."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cutis.cli.compare import compare_verb
from cutis.data import manifest_frame, write_manifest
from cutis.errors import CutisError, PredictionsError
from cutis.evaluation import Comparison, Predictions, comparison_paragraph, write_predictions
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("compare")(compare_verb)
    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(app, [str(each) for each in arguments], env={"COLUMNS": "160"})
        if isinstance(result.exception, CutisError):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def files(tmp_path):
    """A manifest, the predictions of a good and of a poor model."""
    truth = np.arange(140) % 7
    rows = [
        {
            "image_id": f"i{n}",
            "source": "t",
            "diagnosis_node": HAM7.classes[k].nodes[0],
            "source_diagnosis": HAM7.ids[k],
        }
        for n, k in enumerate(truth)
    ]
    write_manifest(manifest_frame(rows), tmp_path / "m.parquet")
    for name, gain in (("good", 3.0), ("poor", 0.5)):
        logits = np.random.default_rng(0).normal(size=(140, 7))
        logits[np.arange(140), truth] += gain
        odds = np.exp(logits)
        values = odds / odds.sum(axis=1, keepdims=True)
        predictions = Predictions([f"i{n}" for n in range(140)], values, HAM7, ["no"] * 140)
        write_predictions(tmp_path / f"{name}.parquet", predictions)
    return tmp_path


def arguments(files, first="good", second="poor"):
    return [files / f"{first}.parquet", files / f"{second}.parquet", "--on", files / "m.parquet", "--resamples", 100]


def test_it_prints_a_table_and_a_paragraph_and_writes_both(run, files):
    result = run(*arguments(files), "-o", files / "out")
    assert result.exit_code == 0, result.output
    comparison = Comparison.model_validate_json((files / "out" / "comparison.json").read_text())
    paragraph = comparison_paragraph(comparison)
    assert (files / "out" / "comparison.txt").read_text() == paragraph + "\n"
    assert paragraph in result.output
    assert "good and poor were compared on the same 140 images" in paragraph
    assert f"{comparison.balanced_accuracy.difference.value:+.3f}" in result.output
    assert comparison.balanced_accuracy.difference.high < 0
    assert "comparison.json" in result.output


def test_without_a_folder_nothing_is_written(run, files):
    before = sorted(files.iterdir())
    assert run(*arguments(files)).exit_code == 0
    assert sorted(files.iterdir()) == before


def test_json_is_one_object(run, files):
    told = json.loads(run(*arguments(files), "--json", "--margin", 0.02).stdout)
    assert told["comparison"]["names"] == ["good", "poor"]
    assert not told["comparison"]["accuracy"]["non_inferiority"]["non_inferior"]
    assert "With a margin of 0.02" in told["paragraph"]
    assert told["written"] == []


def test_at_coarser_classes(run, files):
    told = json.loads(run(*arguments(files), "--at", "esteva3", "--json").stdout)
    assert [each["id"] for each in told["comparison"]["by_class"]] == ["benign", "malignant"]


def test_files_of_one_name_keep_their_folders(run, files):
    (files / "other").mkdir()
    (files / "other" / "good.parquet").write_bytes((files / "poor.parquet").read_bytes())
    told = json.loads(run(*arguments(files, "good", "other/good"), "--json").stdout)
    assert told["comparison"]["names"][1].endswith("other/good")


def test_a_missing_image_is_named_with_the_model(run, files):
    values = np.full((139, 7), 1 / 7)
    write_predictions(files / "short.parquet", Predictions([f"i{n}" for n in range(139)], values, HAM7))
    with pytest.raises(PredictionsError, match="short.*1 of 140 evaluated images have no prediction: i139"):
        run(*arguments(files, "good", "short"))


def test_help_shows_an_example(run):
    text = " ".join(run("--help").output.split())
    assert "cutis compare ours.parquet theirs.csv --on ham.parquet --margin 0.02" in text
