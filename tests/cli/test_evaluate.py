"""``cutis evaluate``, from files to files, and its refusals in one line."""

import json

import numpy as np
import polars as pl
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from cutis.cli.evaluate import evaluate_verb
from cutis.data import manifest_frame, write_manifest
from cutis.errors import CutisError, LeakError, PredictionsError
from cutis.evaluation import (
    Evaluation,
    Predictions,
    choose_thresholds,
    fit_conformal_sets,
    write_predictions,
)
from cutis.taxonomy import class_set

HAM7 = class_set("ham7")


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("evaluate")(evaluate_verb)
    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(app, [str(each) for each in arguments])
        if isinstance(result.exception, CutisError):
            raise result.exception
        return result

    return invoke


def write_files(folder, name="m", images=70, seen="no", **columns):
    rows = [
        {
            "image_id": f"{name}{n}",
            "lesion_id": f"l{n // 2}",
            "source": name,
            "diagnosis_node": HAM7.classes[(n // 2) % 7].nodes[0],
            "source_diagnosis": HAM7.ids[(n // 2) % 7],
        }
        for n in range(images)
    ]
    manifest = manifest_frame(rows).with_columns(**columns)
    write_manifest(manifest, folder / f"{name}.parquet")
    values = np.random.default_rng(0).dirichlet(np.ones(7), size=images)
    predictions = Predictions(manifest["image_id"].to_list(), values, HAM7, [seen] * images if seen else None)
    write_predictions(folder / f"{name}_predictions.csv", predictions)
    return folder / f"{name}_predictions.csv", folder / f"{name}.parquet"


def test_it_writes_both_files_and_prints_a_short_table(run, tmp_path):
    predictions, manifest = write_files(tmp_path)
    result = run(predictions, "--on", manifest, "-o", tmp_path / "out", "--resamples", 100)
    assert result.exit_code == 0, result.output
    evaluation = Evaluation.model_validate_json((tmp_path / "out" / "evaluation.json").read_text())
    assert evaluation.intervals.resamples == 100
    assert "m_predictions on m" in (tmp_path / "out" / "report.html").read_text()
    assert f"{evaluation.overall.balanced_accuracy.value:.3f}" in result.output
    for name in ("evaluation.json", "report.html"):
        assert name in result.output.replace("\n", "")


def test_json_is_one_object_that_holds_the_evaluation(run, tmp_path):
    predictions, manifest = write_files(tmp_path, seen=None)
    result = run(predictions, "--on", manifest, "-o", tmp_path / "out", "--json", "--seed", 5)
    told = json.loads(result.stdout)
    assert told["evaluation"] == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert told["evaluation"]["intervals"]["seed"] == 5
    assert not told["evaluation"]["training_data_known"]
    assert told["written"][:2] == [str(tmp_path / "out" / name) for name in ("evaluation.json", "report.html")]
    assert str(tmp_path / "out" / "figures" / "roc_mel.svg") in told["written"]
    assert sorted(told["written"]) == sorted(str(path) for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_several_predictions_and_manifests_are_joined(run, tmp_path):
    first, second = write_files(tmp_path, "a"), write_files(tmp_path, "b")
    options = ["-o", tmp_path / "out", "--on", first[1], "--on", second[1], "--json"]
    told = json.loads(run(first[0], second[0], *options).stdout)
    assert told["evaluation"]["sources"] == {"a": 70, "b": 70}


def test_notes_are_printed(run, tmp_path):
    strange = pl.when(pl.int_range(70) < 2).then(pl.lit("scar")).otherwise("source_diagnosis")
    no_path = pl.when(pl.int_range(70) < 2).then(None).otherwise("diagnosis_node")
    predictions, manifest = write_files(tmp_path, seen=None, source_diagnosis=strange, diagnosis_node=no_path)
    output = run(predictions, "--on", manifest, "-o", tmp_path / "out").output
    assert "note: For 68 of the 68 images it is not known" in output
    assert "note: 2 images of no class were not scored: scar (2)." in output


def test_a_class_set_and_a_subset_can_be_named(run, tmp_path):
    predictions, manifest = write_files(tmp_path, subset=pl.lit("val"))
    options = ["--on", manifest, "-o", tmp_path / "out", "--json"]
    told = json.loads(run(predictions, *options, "--classes", "source", "--subset", "val").stdout)
    assert told["evaluation"]["classes"]["name"] == "source"
    assert told["evaluation"]["subset"] == "val"
    with pytest.raises(CutisError, match="no class set is called 'ham8'"):
        run(predictions, *options, "--classes", "ham8")


def test_scores_that_are_no_probabilities_need_a_word(run, tmp_path):
    predictions, manifest = write_files(tmp_path)
    table = pl.read_csv(predictions).with_columns(pl.col(HAM7.ids) * 0.9)
    table.write_csv(predictions)
    options = ["--on", manifest, "-o", tmp_path / "out"]
    with pytest.raises(PredictionsError, match="70 rows do not sum to 1"):
        run(predictions, *options)
    assert run(predictions, *options, "--normalise").exit_code == 0


@pytest.mark.parametrize(("seen", "error"), [("image", LeakError), ("group", LeakError)])
def test_a_leak_is_refused_and_nothing_is_written(run, tmp_path, seen, error):
    predictions, manifest = write_files(tmp_path, seen=seen)
    with pytest.raises(error):
        run(predictions, "--on", manifest, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_leak_that_is_allowed_stands_in_the_report_with_its_reason(run, tmp_path):
    predictions, manifest = write_files(tmp_path, seen="image")
    options = ["--on", manifest, "-o", tmp_path / "out", "--resamples", 100]
    assert run(predictions, *options, "--allow-leak", "to show <how much> it helps").exit_code == 0
    told = Evaluation.model_validate_json((tmp_path / "out" / "evaluation.json").read_text()).leakage
    assert (told.leaks, told.allowed) == (70, "to show <how much> it helps")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "LEAK ALLOWED" in page
    assert "“to show &lt;how much&gt; it helps”" in page
    assert "No leak found" not in page
    with pytest.raises(PredictionsError, match="no reason is given"):
        run(predictions, *options, "--allow-leak", " ")


def test_a_split_that_leaks_can_be_allowed_too(run, tmp_path):
    sides = pl.when(pl.int_range(70) % 2 == 0).then(pl.lit("train")).otherwise(pl.lit("test"))
    predictions, manifest = write_files(tmp_path, subset=sides)
    options = ["--on", manifest, "-o", tmp_path / "out", "--resamples", 100]
    with pytest.raises(LeakError, match="values of lesion_id stand on both sides"):
        run(predictions, *options)
    assert run(predictions, *options, "--allow-leak", "an old split").exit_code == 0
    assert "35 values of lesion_id stand on both sides" in (tmp_path / "out" / "report.html").read_text()


def test_a_report_without_an_audit_says_so(run, tmp_path):
    predictions, manifest = write_files(tmp_path)
    run(predictions, "--on", manifest, "-o", tmp_path / "out", "--resamples", 100)
    assert "Not audited for near-copies" in (tmp_path / "out" / "report.html").read_text()


def write_rules(folder):
    """A bundle's two rules, chosen on other images of the same kind."""
    truth = np.arange(140) % 7
    values = np.random.default_rng(1).dirichlet(np.ones(7), size=140)
    folder.mkdir()
    thresholds = choose_thresholds(truth, values, HAM7, chosen_on="elsewhere")
    (folder / "thresholds.json").write_text(thresholds.model_dump_json())
    conformal = fit_conformal_sets(truth, values, HAM7, calibrated_on="elsewhere")
    (folder / "conformal.json").write_text(conformal.model_dump_json())
    return folder


def test_thresholds_and_prediction_sets_come_from_files_or_a_bundle(run, tmp_path):
    predictions, manifest = write_files(tmp_path)
    bundle = write_rules(tmp_path / "bundle")
    options = [predictions, "--on", manifest, "-o", tmp_path / "out", "--resamples", 100]
    files = ["--thresholds", bundle / "thresholds.json", "--conformal", bundle / "conformal.json"]
    named = json.loads(run(*options, *files, "--json").stdout)["evaluation"]
    assert named["operating_points"]["thresholds"]["chosen_on"] == "elsewhere"
    assert named["conformal"]["promised"] == 0.9
    taken = json.loads(run(*options, "--bundle", bundle, "--json").stdout)["evaluation"]
    assert {**taken, "evaluated_at": ""} == {**named, "evaluated_at": ""}
    output = run(*options, "--bundle", bundle).output
    assert "truth in differential list" in output
    assert "truth in 90% prediction set" in output
    (bundle / "conformal.json").unlink()
    only = json.loads(run(*options, "--bundle", bundle, "--json").stdout)["evaluation"]
    assert only["conformal"] is None
    with pytest.raises(PredictionsError, match="names thresholds and prediction sets already"):
        run(*options, "--bundle", bundle, *files)
    with pytest.raises(PredictionsError, match="holds neither"):
        run(*options, "--bundle", tmp_path)


def test_coarser_classes_can_be_measured_at(run, tmp_path):
    predictions, manifest = write_files(tmp_path)
    options = [predictions, "--on", manifest, "-o", tmp_path / "out", "--resamples", 100, "--at", "esteva3"]
    told = json.loads(run(*options, "--json").stdout)["evaluation"]
    assert [each["id"] for each in told["by_class"]] == ["benign", "malignant"]
    assert told["predicted_classes"]["name"] == "ham7"
    assert "2 classes (esteva3) from 7" in run(*options).output
    with pytest.raises(PredictionsError, match="thresholds are for akiec"):
        run(*options, "--bundle", write_rules(tmp_path / "bundle"))


def test_the_report_shows_images_that_stand_beside_the_manifest(run, tmp_path):
    (tmp_path / "photographs").mkdir()
    for n in range(70):
        Image.new("RGB", (8, 8), (n, 90, 60)).save(tmp_path / "photographs" / f"{n}.jpg")
    files = pl.format(str(tmp_path / "photographs") + "/{}.jpg", pl.int_range(70))
    predictions, manifest = write_files(tmp_path, image_path=files)
    assert run(predictions, "--on", manifest, "-o", tmp_path / "out", "--resamples", 100).exit_code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count('<img src="data:image/jpeg;base64,') > 10


def test_help_shows_an_example(run):
    result = run("--help")
    assert "cutis evaluate predictions.parquet --on ham.parquet -o results" in " ".join(result.output.split())
