"""``cutis robustness``: files, a table, a run that goes on, and what is refused before any work."""

import json

import pytest
import typer
from typer.testing import CliRunner

from cutis.cli.robustness import robustness_verb
from cutis.data import make_phantoms
from cutis.errors import CutisError, LeakError, PredictionsError
from cutis.evaluation import read_robustness


@pytest.fixture
def run():
    app = typer.Typer()
    app.command("robustness")(robustness_verb)
    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(app, [str(each) for each in arguments], env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def phantoms(tmp_path):
    """A manifest of a few small phantom lesions."""
    make_phantoms(tmp_path / "phantoms", patients=5, seed=0, size=(48, 64), planted_duplicates=0)
    return tmp_path / "phantoms" / "manifest.parquet"


def quick(bundle, phantoms, out, *more):
    return [bundle, phantoms, "-o", out, "--corruptions", "blur,jpeg", "--strengths", "5,1", "--resamples", 100, *more]


def test_it_writes_the_result_the_page_and_the_figures(run, bundle, phantoms, tmp_path):
    out = tmp_path / "out"
    result = run(*quick(bundle, phantoms, out))
    assert result.exit_code == 0, result.output
    told = read_robustness(out / "robustness.json")
    assert told.model == "small"
    assert [each.name for each in told.corruptions] == ["blur", "jpeg"]
    assert told.strengths == [1, 5]
    assert told.training_data_known
    page = (out / "robustness.html").read_text(encoding="utf-8")
    assert "SYNTHETIC DATA" in page
    names = {path.name for path in (out / "figures").iterdir()}
    assert names == {f"robustness_{each}.{kind}" for each in ("blur", "jpeg") for kind in ("svg", "csv")}
    assert "no corruption error (mCE)" in result.output
    assert "robustness.html" in result.output
    assert "sensitivity, malignancy" in result.output


def test_a_second_run_predicts_nothing_again_and_a_baseline_gives_the_mce(run, bundle, phantoms, tmp_path):
    out = tmp_path / "out"
    run(*quick(bundle, phantoms, out))
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "predictions").iterdir()}
    assert len(kept) == 6
    (out / "robustness.json").rename(tmp_path / "base.json")
    told = json.loads(run(*quick(bundle, phantoms, out, "--baseline", tmp_path / "base.json", "--json")).stdout)
    assert {path.name: path.stat().st_mtime_ns for path in (out / "predictions").iterdir()} == kept
    assert told["robustness"]["baseline"] == "small"
    assert told["robustness"]["mean_corruption_error"]["value"] == pytest.approx(1)
    assert str(out / "robustness.html") in told["written"]


def test_a_random_part_is_told(run, bundle, phantoms, tmp_path):
    result = run(*quick(bundle, phantoms, tmp_path / "out", "--images", 5, "--seed", 3))
    assert "whole cases drawn at random with seed 3" in result.output
    told = read_robustness(tmp_path / "out" / "robustness.json")
    assert told.images <= 5
    assert "drawn at random with seed 3" in (tmp_path / "out" / "robustness.html").read_text(encoding="utf-8")


def test_refused_before_any_work(run, bundle, phantoms, tmp_path):
    out = tmp_path / "out"
    for arguments, message in (
        ([bundle, phantoms, "-o", out, "--corruptions", "blur,fog"], "--corruptions does not know fog"),
        ([bundle, phantoms, "-o", out, "--strengths", "0,3"], "--strengths does not know 0"),
        ([bundle, phantoms, "-o", out, "--strengths", ","], "--strengths does not know"),
        ([bundle, "-o", out], "no manifest named"),
        ([bundle, phantoms, "-o", out, "--subset", "nightly"], "no subset 'nightly'"),
    ):
        with pytest.raises(CutisError, match=message):
            run(*arguments)
    with pytest.raises(PredictionsError, match="cannot be read"):
        run(bundle, phantoms, "-o", out, "--baseline", tmp_path / "gone.json")
    assert not out.exists()


def test_a_model_that_has_seen_the_images_is_refused(run, bundle, rows, tmp_path, write):
    seen = [{**each, "source_diagnosis": "nv", "diagnosis_node": "benign-melanocytic-proliferation"} for each in rows]
    seen[0] |= {"source": "clinic", "lesion_id": "elsewhere"}
    del seen[0]["subset"]
    for each in seen:
        each.pop("subset", None)
    with pytest.raises(LeakError, match="was trained on"):
        run(*quick(bundle, write(seen), tmp_path / "out"))


def test_help_shows_an_example(run):
    text = " ".join(run("--help").output.split())
    assert "cutis robustness bundle ham_test.parquet -o robust" in text
