"""The verbs that make a study, show how far it is, put it on paper and give its results."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from cutis.cli.study_booklet import booklet_verb, sheets_verb
from cutis.cli.study_check import check_verb
from cutis.cli.study_create import create_verb, design_verb
from cutis.cli.study_export import export_verb
from cutis.cli.study_pause import pause_verb, resume_verb
from cutis.cli.study_status import status_verb
from cutis.data import manifest_frame, write_manifest
from cutis.errors import CutisError
from cutis.study import Answer, Arm, Question, Stratum, StudyDesign, read_design, read_readings
from cutis.study.store import answer, confirm_instructions, consent, invite, join, progress, show_next, shown_now
from cutis.study.study_folder import opened_study_folder

NODES = ("malignant-melanoma", "nevus")
DESIGN = """\
title = "Melanoma or nevus"
instructions = "Look."
consent = "I agree."
manifest = "lesions.parquet"
seed = 5
readers_groups = ["expert", "trainee"]
question = { kind = "malignant" }
cases = [{ node = "malignant-melanoma", number = 3 }, { node = "nevus", number = 3 }]
"""

app = typer.Typer()
for name, verb in {
    "design": design_verb,
    "create": create_verb,
    "check": check_verb,
    "status": status_verb,
    "pause": pause_verb,
    "resume": resume_verb,
    "export": export_verb,
    "booklet": booklet_verb,
    "sheets": sheets_verb,
}.items():
    app.command(name)(verb)


def run(*arguments):
    """What a verb prints; what it refuses is raised."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    if isinstance(result.exception, CutisError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def design(tmp_path):
    rows = []
    for k in range(12):
        path = tmp_path / f"lesion{k}.png"
        Image.fromarray(np.random.default_rng(k).integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(path)
        rows.append({"image_id": f"I{k}", "image_path": str(path), "diagnosis_node": NODES[k % 2]})
    write_manifest(manifest_frame(rows), tmp_path / "lesions.parquet")
    (tmp_path / "design.toml").write_text(DESIGN)
    (tmp_path / "readers.csv").write_text("name,group\nR01,expert\nR02,trainee\nR03,trainee\n")
    return tmp_path / "design.toml"


@pytest.fixture
def study(design, tmp_path):
    run("create", design, "-o", tmp_path / "study", "--readers", tmp_path / "readers.csv")
    return tmp_path / "study"


def test_ready_designs_are_listed_and_printed(tmp_path):
    assert "han2018: Twelve skin tumours; 260 cases" in run("design")
    (tmp_path / "d.toml").write_text(run("design", "zhao2019"))
    assert read_design(tmp_path / "d.toml").question.kind == "risk"
    with pytest.raises(CutisError, match="no design is called 'nobody2020'"):
        run("design", "nobody2020")


def test_a_ready_design_without_cases_says_how_to_give_them(tmp_path, monkeypatch, design):
    monkeypatch.chdir(tmp_path / "..")
    with pytest.raises(CutisError, match="--manifest MANIFEST"):
        run("create", "esteva2017", "-o", tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_study_is_paused_and_goes_on(study):
    assert "paused: Melanoma or nevus" in run("pause", study)
    assert "paused since" in run("status", study)
    assert json.loads(run("status", study, "--json"))["studies"][0]["paused_at"]
    with pytest.raises(CutisError, match="pauses already"):
        run("pause", study)
    assert "goes on: Melanoma or nevus" in run("resume", study)
    with pytest.raises(CutisError, match="does not pause"):
        run("resume", study)


def test_a_study_is_made_with_its_readers_and_nothing_is_overwritten(design, tmp_path):
    told = run("create", design, "-o", tmp_path / "study", "--readers", tmp_path / "readers.csv")
    assert "readers: 3" in told
    assert "6 of 6 cases are not confirmed by histopathology" in told
    assert f"next: cutis study serve {tmp_path / 'study'}" in told
    before = {each: each.read_bytes() for each in (tmp_path / "study").rglob("*") if each.is_file()}
    with pytest.raises(CutisError, match="exists already; nothing is overwritten"):
        run("create", design, "-o", tmp_path / "study")
    assert {each: each.read_bytes() for each in (tmp_path / "study").rglob("*") if each.is_file()} == before
    assert (tmp_path / "study").stat().st_mode & 0o077 == 0
    told = json.loads(run("create", design, "-o", tmp_path / "again", "--json"))
    assert [len(told["cases"]), told["readers"], told["study"]] == [6, 0, 1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("number = 3", "number = 30"), r"melanoma\): 30 asked for, 6 found; Nevus: 30 asked for, 6 found"),
        (("seed = 5", "sed = 5"), "'sed' is not known"),
        (("lesions.parquet", "gone.parquet"), "does not exist"),
    ],
)
def test_what_cannot_be_made_is_told_and_leaves_nothing(design, tmp_path, change, said):
    design.write_text(DESIGN.replace(*change))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CutisError, match=said):
        run("create", design, "-o", tmp_path / "study")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            "name,group\nR01,expert\nR01,nobody\n<b>,expert\n",
            r"'R01' stands twice.*no group 'nobody'.*'<b>' is no pseudonym",
        ),
        ("reader,group\nR01,expert\n", "column 'name' is missing"),
    ],
)
def test_bad_readers_leave_no_study(design, tmp_path, table, said):
    (tmp_path / "readers.csv").write_text(table)
    with pytest.raises(CutisError, match=said):
        run("create", design, "-o", tmp_path / "study", "--readers", tmp_path / "readers.csv")
    assert not (tmp_path / "study").exists()
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_a_design_by_its_name_takes_another_manifest(design, tmp_path):
    with pytest.raises(CutisError, match="Melanoma|melanoma"):
        run("create", "zhao2019", "--manifest", tmp_path / "lesions.parquet", "-o", tmp_path / "study")
    with pytest.raises(CutisError, match="no file and no ready design is called 'zhao'"):
        run("create", "zhao", "-o", tmp_path / "study")


def test_unfit_images_are_replaced_and_what_replaces_them_is_checked_too(design, tmp_path):
    def fill(sheet, marks):
        table = pl.read_csv(sheet)
        fit = [marks.get(place, "yes") for place in range(len(table))]
        reason = ["blurred" if each == "no" else None for each in fit]
        table.with_columns(fit=pl.Series(fit), reason=pl.Series(reason, dtype=pl.String)).write_csv(sheet)

    first, second = tmp_path / "check1", tmp_path / "check2"
    assert "6 images to be checked" in run("check", design, "-o", first)
    fill(first / "sheet.csv", {1: "no"})
    with pytest.raises(CutisError, match="1 cases were not checked"):
        run("create", design, "--checked", first / "sheet.csv", "-o", tmp_path / "study")
    told = run("check", design, "--checked", first / "sheet.csv", "-o", second)
    unfit = re.search(r"unfit: (I\d+): blurred", told)[1]
    assert "1 images to be checked" in told
    fill(second / "sheet.csv", {})
    sheets = ["--checked", first / "sheet.csv", "--checked", second / "sheet.csv"]
    assert "all cases are checked" in run("check", design, *sheets, "-o", tmp_path / "check3")
    assert not (tmp_path / "check3").exists()
    made = json.loads(run("create", design, *sheets, "-o", tmp_path / "study", "--json"))
    assert unfit not in made["cases"]


def read(folder, name, choice, cases=6):
    """A reader answers so many cases, the same each time."""
    now = datetime.now(UTC)
    with opened_study_folder(folder) as opened:
        reader = next(each for each in progress(opened.store, 1, now) if each.name == name)
        token = join(opened.store, invite(opened.store, reader.id, now), now)
        consent(opened.store, token, now)
        confirm_instructions(opened.store, token, now)
        for _ in range(cases):
            show_next(opened.store, token, now)
            answer(opened.store, token, shown_now(opened.store, token, now).case.key, Answer(choices=(choice,)), now)


def test_status_tells_progress_and_no_answer(study):
    read(study, "R01", "malignant")
    read(study, "R02", "malignant", cases=2)
    told = run("status", study)
    assert re.search(r"R01.*finished.*6 of 6", told)
    assert re.search(r"R02.*reading.*2 of 6", told)
    assert "event log: whole" in told
    assert "malignant" not in told.lower().replace("melanoma or nevus", "")
    [state] = json.loads(run("status", study, "--json"))["studies"]
    assert [each["done"] for each in state["readers"]] == [6, 2, 0]
    with pytest.raises(CutisError, match="holds no study 9"):
        run("status", study, "--study", "9")
    with pytest.raises(CutisError, match="is no study folder"):
        run("status", study.parent)


def test_the_export_holds_what_happened_and_can_be_analysed(study, tmp_path):
    read(study, "R01", "malignant")
    read(study, "R02", "benign")
    read(study, "R03", "benign", cases=3)
    out = tmp_path / "results"
    told = run("export", study, "-o", out)
    assert "event log: whole" in told
    answers = pl.read_csv(out / "answers.csv")
    assert answers.group_by("reader").len().sort("reader")["len"].to_list() == [6, 6, 3]
    readings = read_readings(out / "readings.csv").frame
    assert dict(readings.group_by("reader").agg(pl.col("rating").sum()).iter_rows()) == {"R01": 6, "R02": 0, "R03": 0}
    assert pl.read_csv(out / "cases.csv").columns == ["image_id", "part", "stratum", "truth", "diagnosis"]
    readme = (out / "README.md").read_text()
    for column in answers.columns:
        assert re.search(rf"\b{column}\b", readme), column
    with pytest.raises(CutisError, match="nothing is overwritten"):
        run("export", study, "-o", out)


def test_a_study_without_answers_exports_and_says_what_it_could_not_make(study, tmp_path):
    told = run("export", study, "-o", tmp_path / "results")
    assert "note: readings.csv was not made" in told
    assert "readings.csv was not made" in (tmp_path / "results" / "README.md").read_text()
    assert "next:" not in told


def test_booklets_and_their_sheets_make_the_way_round(study, tmp_path):
    pytest.importorskip("fpdf")
    out = tmp_path / "booklets"
    run("booklet", study, "--reader", "R02", "--reader", "R03", "-o", out)
    assert sorted(each.name for each in out.iterdir()) == ["R02.csv", "R02.pdf", "R03.csv", "R03.pdf"]
    for name in ("R02", "R03"):
        sheet = pl.read_csv(out / f"{name}.csv")
        sheet.with_columns(answer=pl.Series(["B"] * 5 + [None])).write_csv(out / f"{name}.csv")
    told = run("sheets", study, out / "R02.csv", out / "R03.csv", "-o", tmp_path / "readings.csv")
    assert "12 cases of 2 sheets, 2 without an answer" in told
    frame = read_readings(tmp_path / "readings.csv").frame
    assert len(frame) == 10
    assert set(frame["rating"]) == {1.0}
    with pytest.raises(CutisError, match="is of the same reader and period as"):
        run("sheets", study, out / "R02.csv", out / "R02.csv", "-o", tmp_path / "twice.csv")
    with pytest.raises(CutisError, match="is not the sheet of one reader"):
        run("sheets", study, tmp_path / "readers.csv", "-o", tmp_path / "none.csv")
    with pytest.raises(CutisError, match="there is no reader 'R9'"):
        run("booklet", study, "--reader", "R9", "-o", tmp_path / "other")


def test_the_guide_tells_every_key_of_a_design_and_every_verb():
    guide = (Path(__file__).parents[2] / "docs" / "running_a_study.md").read_text(encoding="utf-8")
    for section in (StudyDesign, Stratum, Question, Arm):
        for key in section.model_fields:
            if key not in ("cases", "question", "arms"):
                assert f"`{key}`" in guide, key
    for each in app.registered_commands:
        assert f"cutis study {each.name}" in guide, each.name
