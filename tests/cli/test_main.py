"""The command `cutis` as a whole: its help, its version, and how it refuses what is wrong at any verb."""

import subprocess
import sys
from importlib import metadata

import numpy as np
import polars as pl
import pytest

from cutis.evaluation import Predictions, write_predictions
from cutis.taxonomy import class_set

VERBS = [
    ("demo",),
    ("data", "sources"),
    ("data", "import"),
    ("data", "describe"),
    ("data", "check"),
    ("split",),
    ("train",),
    ("predict",),
    ("evaluate",),
]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help_with_an_example(cutis, verb):
    status, out, err = cutis(*verb, "--help")
    assert (status, err) == (0, "")
    assert f"Example: cutis {' '.join(verb)}" in " ".join(out.split())


def test_every_verb_there_is_is_among_these(cutis):
    listed = {line.split()[0] for line in cutis("--help")[1].partition("Commands:")[2].splitlines() if line.strip()}
    assert {verb[0] for verb in VERBS} <= listed


def test_version(cutis):
    assert cutis("--version") == (0, f"cutis {metadata.version('cutis')}\n", "")


@pytest.mark.parametrize("arguments", [(), ("data",)])
def test_nothing_asked_for_shows_the_help(cutis, arguments):
    status, out, err = cutis(*arguments)
    assert (status, out) == (2, "")
    assert "Commands:" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("frobnicate",), "No such command 'frobnicate'. See `cutis --help`."),
        (("data", "frobnicate"), "No such command 'frobnicate'. See `cutis data --help`."),
        (("--nonesuch",), "No such option: --nonesuch. See `cutis --help`."),
        (("train", "m.csv", "-o", "b", "--nonesuch"), "No such option: --nonesuch. See `cutis train --help`."),
        (("train",), "Missing argument"),
        (("train", "m.csv"), "Missing option '-o' / '--output'"),
        (("train", "m.csv", "-o"), "Option '-o' requires an argument."),
        (("predict",), "Missing argument"),
        (("evaluate", "p.csv", "-o", "out"), "Missing option '--on'"),
        (("split", "m.csv", "--by", "lesion_id", "--folds", "few", "-o", "s.csv"), "Invalid value for '--folds'"),
        (("predict", "photo.png", "--age", "old"), "Invalid value for '--age'"),
        (("predict", "photo.png", "--age", "200"), "Invalid value for '--age'"),
    ],
)  # fmt: skip
def test_a_wrong_command_is_told_in_one_line(fails, arguments, told):
    assert told in fails(*arguments)


def broken_manifests(folder):
    """Every way in which a file is no manifest, with what is said of it."""
    (folder / "folder.parquet").mkdir()
    (folder / "empty.csv").touch()
    (folder / "empty.parquet").touch()
    (folder / "header.csv").write_text("image_id,image_path\n")
    (folder / "nameless.csv").write_text("name,image_path\na,a.png\n")
    (folder / "doubled.csv").write_text("image_id\na\nb\na\n")
    (folder / "unnamed.csv").write_text("image_id,sex\na,male\n,male\n")
    (folder / "ages.csv").write_text("image_id,age_approx\na,old\n")
    (folder / "binary.csv").write_bytes(bytes(range(256)) * 4)
    (folder / "binary.parquet").write_bytes(bytes(range(256)) * 4)
    (folder / "ragged.csv").write_text("image_id,sex\na,male,3,4\n")
    whole = folder / "whole.parquet"
    pl.DataFrame({"image_id": ["a", "b"]}).write_parquet(whole)
    (folder / "cut.parquet").write_bytes(whole.read_bytes()[:-20])
    return {
        "nowhere.csv": "does not exist",
        "folder.parquet": "is a folder, not a table",
        "empty.csv": "is empty",
        "empty.parquet": "is empty",
        "header.csv": "holds no rows",
        "nameless.csv": "column 'image_id' is missing (found: name, image_path)",
        "doubled.csv": "1 image_id stand more than once: a",
        "unnamed.csv": "image_id is missing in 1 rows: row 2",
        "ages.csv": "column 'age_approx' holds values that are not Int64: row 1: 'old'",
        "binary.csv": "",
        "binary.parquet": "cannot be read as a table",
        "ragged.csv": "cannot be read as a table",
        "cut.parquet": "cannot be read as a table",
    }


def commands(manifest, tmp_path, bundle, predictions):
    """Each verb that reads a manifest, reading this one."""
    return [
        ("data", "describe", manifest),
        ("data", "check", manifest, "-o", tmp_path / "out.csv"),
        ("split", manifest, "--by", "lesion_id", "--folds", "2", "-o", tmp_path / "out.csv"),
        ("train", manifest, "-o", tmp_path / "out"),
        ("predict", bundle, manifest, "-o", tmp_path / "out.csv"),
        ("evaluate", predictions, "--on", manifest, "-o", tmp_path / "out"),
    ]


def test_a_broken_manifest_is_refused_by_every_verb(fails, tmp_path, bundle):
    predictions = tmp_path / "predictions.csv"
    ham7 = class_set("ham7")
    write_predictions(predictions, Predictions(["a", "b"], np.full((2, 7), 1 / 7), ham7, ["no", "no"]))
    for name, told in broken_manifests(tmp_path).items():
        for command in commands(tmp_path / name, tmp_path, bundle, predictions):
            message = fails(*command)
            assert name in message, command
            assert told in message, command


@pytest.mark.parametrize(
    "verb",
    [
        ("data", "import", "csv", "{m}", "-o", "{out}.csv"),
        ("data", "check", "{m}", "-o", "{out}.csv"),
        ("split", "{m}", "--by", "lesion_id", "--folds", "2", "--stratify", "source_diagnosis", "-o", "{out}.csv"),
        ("evaluate", "{p}", "--on", "{m}", "--subset", "val", "-o", "{out}"),
    ],
)
def test_a_file_in_the_way_of_the_output_is_told(fails, verb, manifest, tmp_path):
    (tmp_path / "taken").write_text("mine")
    table = tmp_path / "table.csv"
    pl.read_parquet(manifest).write_csv(table)
    pl.DataFrame({"image_id": [f"d{n}" for n in range(12, 16)], "blue": [0.5] * 4, "red": [0.5] * 4}).write_csv(
        tmp_path / "p.csv"
    )
    given = {"m": table, "p": tmp_path / "p.csv", "out": tmp_path / "taken" / "out"}
    message = fails(*[each.format(**given) for each in verb])
    assert "taken" in message
    assert "cannot be written" in message


def test_predictions_of_other_images_are_refused(fails, manifest, tmp_path):
    pl.DataFrame({"image_id": ["d12", "stranger"], "blue": [0.5, 0.5], "red": [0.5, 0.5]}).write_csv(tmp_path / "p.csv")
    assert "stranger" in fails("evaluate", tmp_path / "p.csv", "--on", manifest, "-o", tmp_path / "out")


def test_a_model_tested_on_what_it_was_trained_on_is_refused(fails, manifest, tmp_path):
    table = {"image_id": [f"d{n}" for n in range(12, 16)], "blue": [0.5] * 4, "red": [0.5] * 4}
    pl.DataFrame(table | {"seen_in_training": ["image"] * 4}).write_csv(tmp_path / "p.csv")
    command = ("evaluate", tmp_path / "p.csv", "--on", manifest, "--subset", "val", "-o", tmp_path / "out")
    assert "trained on" in fails(*command)


def test_debug_shows_the_traceback_before_the_line(cutis, tmp_path):
    status, out, err = cutis("--debug", "data", "describe", tmp_path / "nowhere.csv")
    assert (status, out) == (2, "")
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("cutis: ")


def test_an_error_of_the_file_system_is_one_line(fails, monkeypatch, tmp_path):
    def denied(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path / "m.csv"))

    monkeypatch.setattr("cutis.data.read_manifest", denied)
    assert fails("data", "describe", "m.csv").startswith(f"{tmp_path / 'm.csv'}: Permission denied")


def test_ctrl_c_is_told_and_is_130(cutis, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("cutis.data.read_manifest", interrupt)
    assert cutis("data", "describe", "m.csv") == (130, "", "cutis: interrupted\n")


def test_the_installed_command_refuses_in_one_line_too(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from cutis.cli import main; main()", "data", "describe", "nowhere.csv"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "cutis: nowhere.csv: does not exist. Name a .parquet, .csv or .tsv file.\n"
    assert not list(tmp_path.iterdir())
